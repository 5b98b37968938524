"""Hold every price and fill against the limits of every watched account.

The index says only when to look; the decision is made in exact decimals, and the services carry it out.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal

from accounts.selectors import currency_rates, margin_rates
from accounts.services.marks import record_heard, record_marks
from liquidation.engine.building import Tables, build_nodes
from liquidation.engine.changes import Changed, ChangeFeed, whole_trees
from liquidation.engine.faults import OUTAGES
from liquidation.engine.judging import Judgment, judge
from liquidation.engine.nodes import Node
from liquidation.engine.notices import FAULT, UNPRICED, Notices
from liquidation.engine.prices import Prices
from liquidation.engine.snapshot import read_snapshot
from liquidation.rules.marks import MarkRules, MarkVerdict
from liquidation.rules.watch import WatchIndex
from liquidation.selectors import accounts_held_again
from liquidation.services.evaluation import act_on_breach, flatten_on_time, liquidate_again, record_peaks

# A feed's first prices come one by one; only after this long is a contract without any a reason to call a person.
FIRST_PRICES_SECONDS = 60
# However a change was missed, it counts from here on.
SECOND_LOOK_SECONDS = 600
RETRY_SECONDS = 5
REFUSALS = (MarkVerdict.OFF_TICK, MarkVerdict.NOT_FINITE, MarkVerdict.SUSPECT)

logger = logging.getLogger(__name__)


class RiskEngine:
    """Everything watched, in memory; rebuilt from the database at any time.

    Args:
        mark_max_age_seconds: How old a price may be before nothing is decided with it; a heartbeat of its source makes
            it new. None: a tape, whose last price is the last price.
        mark_rules: How far a price may jump before it must be confirmed.
        second_look_seconds: How often everything is read anew, whatever changed. None: never, for a replay.
    """

    def __init__(
        self,
        *,
        mark_max_age_seconds: float | None,
        mark_rules: MarkRules | None = None,
        second_look_seconds: float | None = SECOND_LOOK_SECONDS,
    ) -> None:
        self.max_age_seconds = mark_max_age_seconds
        self.prices = Prices(mark_rules or MarkRules(), mark_max_age_seconds)
        self.index = WatchIndex()
        self.nodes: dict[int, Node] = {}
        self.notices = Notices()
        self.evaluations = 0
        self._second_look = None if second_look_seconds is None else timedelta(seconds=second_look_seconds)
        self._second_look_at: datetime | None = None
        self._waiting: dict[str, set[int]] = defaultdict(set)
        self._held: set[str] = set()
        self._peaks: dict[int, Decimal] = {}
        self._untold: dict[int, Judgment] = {}
        self._faulty: dict[int, datetime] = {}
        self._has_acted = False
        self._silent: set[str] = set()
        self._first_prices_until: datetime | None = None
        self._is_warm = False
        self._changes = ChangeFeed()
        self._pending = Changed()

    def load(self, now: datetime) -> None:
        """Read everything; every account is looked at once with the prices that are known."""
        self._changes.start(now)
        self.notices.load()
        for symbol in self.prices.load():
            self.notices.ring(f"MARK_OFF_TICK:{symbol}", f"The last mark of {symbol} is off its tick: not used", now)
        self._look_at_everything(now)
        self._finish(now)

    def on_mark(
        self, symbol: str, price: Decimal, at: datetime, source: str, now: datetime | None = None
    ) -> MarkVerdict | None:
        """Take in a price and act on what it breaches; None for a contract that is not known.

        A price that is too old at `now` is kept, so that newer ones are measured against it, and decides nothing.

        Args:
            at: When the price was made, aware UTC. `now`: the time to act at; `at` where left out.
        """
        if not self.prices.knows(symbol):
            return None
        moment = now or at
        self._warm_up(moment)
        verdict, _ = self.prices.take(symbol, price, at, source)
        if source in self._silent:
            self._mind_sources(moment)
        if verdict is MarkVerdict.ACCEPT:
            self._accepted(symbol, moment)
        elif verdict is not MarkVerdict.OLDER:
            text = f"{symbol} at {price} from {source} is {verdict.value.lower().replace('_', ' ')}: not used"
            self.notices.ring(f"MARK_{verdict}:{symbol}", text, moment)
        self._finish(moment)
        return verdict

    def _accepted(self, symbol: str, now: datetime) -> None:
        for refusal in REFUSALS:
            self.notices.rest(f"MARK_{refusal}:{symbol}", now)
        self._look(symbol, now)

    def _warm_up(self, now: datetime) -> None:
        if self._is_warm:
            return
        if self._first_prices_until is None:
            self._first_prices_until = now + timedelta(seconds=FIRST_PRICES_SECONDS)
        elif now >= self._first_prices_until:
            self._is_warm = True
            self._visit(set().union(*self._waiting.values()), now)

    def _look(self, symbol: str, now: datetime) -> None:
        if self.prices.is_stale(symbol, now):
            return  # the bands stay, and what waits goes on waiting
        self.notices.rest(f"PRICE_STALE:{symbol}", now)
        crossed = self.index.crossed(symbol, self.prices.ticks[symbol])
        self._visit({*crossed, *self._waiting.pop(symbol, ())}, now)

    def _visit(self, account_ids: Collection[int], now: datetime) -> None:
        for account_id in sorted(account_ids):
            if account_id in self.nodes and not self._pending.concerns(account_id):
                self._evaluate(self.nodes[account_id], now)

    def hear(self, source: str, at: datetime, now: datetime | None = None) -> None:
        """Take in a heartbeat: the source is alive, its last prices still hold, and what waited for them is looked at.

        Args:
            at: When it was sent, aware UTC. `now`: the time to act at; `at` where left out.
        """
        moment = now or at
        aged = [symbol for symbol in self.prices.symbols_of(source) if self.prices.is_stale(symbol, moment)]
        self.prices.hear(source, at)
        if source in self._silent:
            self._mind_sources(moment)
        for symbol in aged:
            self._look(symbol, moment)
        self._finish(moment)

    def refresh(self, now: datetime) -> bool:
        """Take in every committed change (settings, locks, fills) since the last look; return whether there was any."""
        self.postpone(now)
        return self.catch_up(now)

    def postpone(self, now: datetime) -> None:
        """Note every committed change; the trees that changed are not judged before `catch_up`, and then as they are.

        So a batch of fills and prices is one look at each tree, and no price is held against a position that is gone.
        """
        self._pending |= self._changes.take(now)
        if self._second_look_at is not None and now >= self._second_look_at:
            self._pending |= Changed(everything=True)

    def catch_up(self, now: datetime) -> bool:
        """Rebuild and judge what was postponed; return whether there was anything."""
        changed, self._pending = self._pending, Changed()
        if changed.is_empty:
            return False
        self._flush_peaks()
        if changed.everything:
            self.prices.load_new()
            self._look_at_everything(now)
        else:
            self._rebuild(changed.trees, now)
            self._liquidate_again(changed.filled, now)
        self._finish(now)
        return True

    def tick(self, now: datetime) -> None:
        """Do what is due by time: silent sources, jumps that stand, holds that end, flatten timestamps."""
        self._warm_up(now)
        self._mind_sources(now)
        self._mind_contracts(now)
        for symbol in self.prices.believe_suspects(now):
            self._accepted(symbol, now)
        self._retry(now)
        for node in [node for node in self.nodes.values() if _has_due_time(node, now)]:
            if node.account_id not in self._faulty:
                self._do_what_is_due(node, now)
        self._finish(now)

    def _do_what_is_due(self, node: Node, now: datetime) -> None:
        if node.limits.flatten_timestamp is not None and node.limits.flatten_timestamp <= now:
            with self._set_apart(node.account_id, now):
                flatten_on_time(account_id=node.account_id, now=now)
        if node.is_held and node.hold_until is not None and node.hold_until <= now:
            node.is_held = False
            self._evaluate(node, now)

    def flush(self) -> None:
        """Write the marks, heartbeats and peaks that changed."""
        self.prices.take_dirty(record_marks)
        self.prices.take_heartbeats(lambda source, at: record_heard(source=source, at=at))
        self._flush_peaks()

    def _flush_peaks(self) -> None:
        if self._peaks:
            record_peaks(peaks=self._peaks)
            self._peaks.clear()

    def _finish(self, now: datetime) -> None:
        """Write what may wait until every lock is in force."""
        if self._has_acted:
            self._has_acted = False
            self.flush()
        untold, self._untold = self._untold, {}
        for account_id, judgment in sorted(untold.items()):
            self._tell(account_id, judgment, now)

    def _tell(self, account_id: int, judgment: Judgment, now: datetime) -> None:
        self.notices.tell(account_id, judgment.alerts, is_priced=judgment.pnl is not None, now=now)

    def _look_at_everything(self, now: datetime) -> None:
        if self._second_look is not None:
            self._second_look_at = now + self._second_look
        self._held.clear()
        self._rebuild(None, now)
        self._liquidate_again(None, now)

    def _rebuild(self, account_ids: Collection[int] | None, now: datetime) -> None:
        built = build_nodes(read_snapshot(account_ids), Tables(currency_rates(), margin_rates()))
        concerned = set(self.nodes) | self.notices.accounts() if account_ids is None else set(account_ids)
        for account_id in concerned - set(built.nodes):
            self.index.drop(account_id)
            self.nodes.pop(account_id, None)
            if account_id not in built.faults:
                self.notices.tell(account_id, {}, is_priced=True, now=now)
        for account_id, fault in built.faults.items():
            self._note_fault(account_id, fault, now)
        self.nodes.update(built.nodes)
        self._held.update(symbol for node in built.nodes.values() for symbol in node.symbols())
        for account_id in sorted(built.nodes):
            self._evaluate(built.nodes[account_id], now)

    def _liquidate_again(self, account_ids: Collection[int] | None, now: datetime) -> None:
        for account_id in accounts_held_again(account_ids):
            with self._set_apart(account_id, now):
                liquidate_again(account_id=account_id, now=now)

    def _mind_sources(self, now: datetime) -> None:
        silent = self.prices.silent_sources(now)
        self._silent = set(silent)
        text = f"for more than {self.max_age_seconds} s: its prices decide nothing"
        self.notices.keep("FEED_SILENT", {source: f"Nothing was heard from {source} {text}" for source in silent}, now)

    def _mind_contracts(self, now: datetime) -> None:
        for symbol in self.prices.stale_symbols(now):
            if symbol in self._held and self.prices.source_of(symbol) not in self._silent:
                text = f"The price of {symbol} is older than {self.max_age_seconds} s: it decides nothing"
                self.notices.ring(f"PRICE_STALE:{symbol}", text, now)

    def _retry(self, now: datetime) -> None:
        due = [account_id for account_id, at in self._faulty.items() if at <= now]
        for account_id in due:
            del self._faulty[account_id]
        if due:
            self._rebuild(whole_trees(due), now)
            self._liquidate_again(due, now)

    @contextmanager
    def _set_apart(self, account_id: int, now: datetime) -> Iterator[None]:
        """Let a fault of one account stop no other: it is alerted and tried again soon."""
        try:
            yield
        except OUTAGES:
            raise
        except Exception as error:
            logger.exception("Account %s could not be dealt with", account_id)
            self._note_fault(account_id, f"{type(error).__name__}: {error}", now)

    def _note_fault(self, account_id: int, fault: str, now: datetime) -> None:
        self._faulty[account_id] = now + timedelta(seconds=RETRY_SECONDS)
        self._untold.pop(account_id, None)
        self.index.drop(account_id)
        self.notices.add(account_id, FAULT, f"Account {account_id} cannot be watched: {fault}", now)

    def _evaluate(self, node: Node, now: datetime) -> None:
        self.evaluations += 1
        with self._set_apart(node.account_id, now):
            stale = [symbol for symbol in node.symbols() if self.prices.is_stale(symbol, now)]
            judgment = judge(node, self.prices.ticks, stale)
            if not self._is_warm and not self.notices.stands(node.account_id, UNPRICED):
                judgment.alerts.pop(UNPRICED, None)
            if judgment.peak is not None:
                self._peaks[node.account_id] = judgment.peak
            if self.max_age_seconds is None:
                self._tell(node.account_id, judgment, now)  # a tape's answer tells alerts in the order of decisions
            else:
                self._untold[node.account_id] = judgment  # no writing of alerts stands before another account's lock
            self._act(node, judgment, now)
            self.index.place(node.account_id, judgment.bands)
            for symbol in judgment.missing:
                self._waiting[symbol].add(node.account_id)

    def _act(self, node: Node, judgment: Judgment, now: datetime) -> None:
        if judgment.breach is None or judgment.pnl is None:
            return
        act_on_breach(
            account_id=node.account_id,
            trigger=judgment.breach,
            pnl=judgment.pnl,
            currency=node.currency,
            inputs=self._evidence(node, now),
            do_not_unlock=node.do_not_unlock,
            now=now,
        )
        node.acted = judgment.breach.action
        self._has_acted = True

    def _evidence(self, node: Node, now: datetime) -> dict[str, object]:
        return {
            "nets": node.nets,
            "per_tick": node.per_tick,
            "cost": node.cost,
            "marks": {symbol: self.prices.age_of(symbol, now) for symbol in node.symbols()},
            "base": node.figures.starting_balance,
            "week_pnl_before": node.figures.week_pnl_before,
            "peak": node.figures.max_net_liq,
            "margin": node.figures.margin,
        }


def _has_due_time(node: Node, now: datetime) -> bool:
    flatten = node.limits.flatten_timestamp
    return (flatten is not None and flatten <= now) or (
        node.is_held and node.hold_until is not None and node.hold_until <= now
    )
