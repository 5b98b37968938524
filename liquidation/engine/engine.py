"""Hold every price and fill against the limits of every watched account.

The index says only when to look; the decision is made in exact decimals, and the services carry it out.
"""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime, timedelta
from decimal import Decimal

from accounts.selectors import currency_rates, margin_rates
from accounts.services.marks import record_marks
from liquidation.engine.building import Tables, build_nodes
from liquidation.engine.changes import ChangeFeed
from liquidation.engine.judging import Judgment, judge
from liquidation.engine.nodes import Node
from liquidation.engine.prices import Prices
from liquidation.engine.snapshot import read_snapshot
from liquidation.rules.marks import MarkRules, MarkVerdict
from liquidation.rules.watch import WatchIndex
from liquidation.services.alerts import clear_alert, raise_alert
from liquidation.services.evaluation import act_on_breach, flatten_on_time, liquidate_again, record_peaks, set_alert

# A feed's first prices come one by one; only after this long is a contract without any a reason to call a person.
FIRST_PRICES_SECONDS = 60


class RiskEngine:
    """Everything watched, in memory; rebuilt from the database at any time.

    Args:
        mark_max_age_seconds: How long a price's source may be silent before nothing is decided with its prices. None:
            a tape, whose last price is the last price.
        mark_rules: How far a price may jump before it must be confirmed.
    """

    def __init__(self, *, mark_max_age_seconds: float | None, mark_rules: MarkRules | None = None) -> None:
        self.max_age_seconds = mark_max_age_seconds
        self.prices = Prices(mark_rules or MarkRules())
        self.index = WatchIndex()
        self.nodes: dict[int, Node] = {}
        self.evaluations = 0
        self._waiting: dict[str, set[int]] = defaultdict(set)
        self._standing_alerts: dict[int, set[str]] = defaultdict(set)
        self._peaks: dict[int, Decimal] = {}
        self._silent: list[str] = []
        self._first_prices_until: datetime | None = None
        self._is_warm = False
        self._changes = ChangeFeed()

    def load(self, now: datetime) -> None:
        """Read everything; every account is looked at once with the prices that are known."""
        self._changes.start()
        self.prices.load()
        self._rebuild(None, now)

    def on_mark(
        self, symbol: str, price: Decimal, at: datetime, source: str, now: datetime | None = None
    ) -> MarkVerdict | None:
        """Take in a price and act on what it breaches; None for a contract that is not known.

        Args:
            at: When the price was made, aware UTC. `now`: the time to act at; `at` where left out.
        """
        if not self.prices.knows(symbol):
            return None
        moment = now or at
        self._warm_up(moment)
        verdict, ticks = self.prices.take(symbol, price, at, source)
        if verdict is MarkVerdict.ACCEPT:
            self._look(symbol, ticks, moment)
        elif verdict is not MarkVerdict.OLDER:
            text = f"{symbol} at {price} from {source} is {verdict.value.lower().replace('_', ' ')}: not used"
            raise_alert(account=None, code=f"MARK_{verdict}:{symbol}", text=text, now=moment)
        return verdict

    def _warm_up(self, now: datetime) -> None:
        if self._is_warm:
            return
        if self._first_prices_until is None:
            self._first_prices_until = now + timedelta(seconds=FIRST_PRICES_SECONDS)
        elif now >= self._first_prices_until:
            self._is_warm = True
            for account_id in sorted(set().union(*self._waiting.values())):
                if account_id in self.nodes:
                    self._evaluate(self.nodes[account_id], now)

    def _look(self, symbol: str, ticks: int, now: datetime) -> None:
        for account_id in self.index.crossed(symbol, ticks):
            self._evaluate(self.nodes[account_id], now)
        if symbol in self._waiting:
            for account_id in sorted(self._waiting.pop(symbol)):
                if account_id in self.nodes:
                    self._evaluate(self.nodes[account_id], now)

    def hear(self, source: str, at: datetime) -> None:
        """Take in a heartbeat: the source is alive, its last prices still hold."""
        self.prices.hear(source, at)

    def refresh(self, now: datetime) -> bool:
        """Take in every committed change (settings, locks, fills) since the last look; return whether there was any."""
        changed = self._changes.take()
        if changed.is_empty:
            return False
        self._flush_peaks()
        if changed.everything:
            self.prices.load_new()
            self._rebuild(None, now)
        else:
            self._rebuild(changed.trees, now)
        return True

    def tick(self, now: datetime) -> None:
        """Do what is due by time: silent sources, holds that end, flatten timestamps."""
        self._warm_up(now)
        self._mind_sources(now)
        for node in [node for node in self.nodes.values() if _has_due_time(node, now)]:
            if node.limits.flatten_timestamp is not None and node.limits.flatten_timestamp <= now:
                flatten_on_time(account_id=node.account_id, now=now)
            if node.is_held and node.hold_until is not None and node.hold_until <= now:
                node.is_held = False
                self._evaluate(node, now)

    def flush(self) -> None:
        """Write the marks and peaks that changed."""
        self.prices.take_dirty(record_marks)
        self._flush_peaks()

    def _flush_peaks(self) -> None:
        if self._peaks:
            record_peaks(peaks=self._peaks)
            self._peaks.clear()

    def _rebuild(self, account_ids: Collection[int] | None, now: datetime) -> None:
        nodes = build_nodes(read_snapshot(account_ids), Tables(currency_rates(), margin_rates()))
        gone = (set(self.nodes) if account_ids is None else set(account_ids)) - set(nodes)
        for account_id in gone & set(self.nodes):
            self.index.drop(account_id)
            del self.nodes[account_id]
        self.nodes.update(nodes)
        for account_id in sorted(nodes):
            self._evaluate(nodes[account_id], now)

    def _mind_sources(self, now: datetime) -> None:
        silent = self.prices.silent_sources(now, self.max_age_seconds)
        if silent == self._silent:
            return
        for source in sorted(set(silent) - set(self._silent)):
            text = f"Nothing was heard from {source} for more than {self.max_age_seconds} s: its prices decide nothing"
            raise_alert(account=None, code=f"FEED_SILENT:{source}", text=text, now=now)
        for source in sorted(set(self._silent) - set(silent)):
            clear_alert(account=None, code=f"FEED_SILENT:{source}", now=now)
        self._silent = silent
        for account_id in sorted(self.nodes):
            self._evaluate(self.nodes[account_id], now)

    def _evaluate(self, node: Node, now: datetime) -> None:
        self.evaluations += 1
        stale = self.prices.stale_symbols(self._silent) if self._silent else set()
        judgment = judge(node, self.prices.ticks, stale)
        if not self._is_warm and not stale:
            judgment.alerts.pop("NOT_EVALUABLE:PRICE", None)
        if judgment.peak is not None:
            self._peaks[node.account_id] = judgment.peak
        self._tell(node, judgment, now)
        self._act(node, judgment, now)
        self.index.place(node.account_id, judgment.bands)
        for symbol in judgment.missing:
            self._waiting[symbol].add(node.account_id)

    def _tell(self, node: Node, judgment: Judgment, now: datetime) -> None:
        standing = self._standing_alerts[node.account_id]
        wanted = judgment.alerts
        for code in sorted(set(wanted) - standing):
            set_alert(account_id=node.account_id, code=code, text=wanted[code], is_standing=True, now=now)
        for code in sorted(standing - set(wanted)):
            set_alert(account_id=node.account_id, code=code, text="", is_standing=False, now=now)
        self._standing_alerts[node.account_id] = set(wanted)

    def _act(self, node: Node, judgment: Judgment, now: datetime) -> None:
        if judgment.breach is not None and judgment.pnl is not None:
            node.acted = judgment.breach.action
            self.flush()
            act_on_breach(
                account_id=node.account_id,
                trigger=judgment.breach,
                pnl=judgment.pnl,
                currency=node.currency,
                inputs=self._evidence(node, now),
                do_not_unlock=node.do_not_unlock,
                now=now,
            )
        elif node.is_rearmed:
            node.is_rearmed = False
            liquidate_again(account_id=node.account_id, now=now)

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
