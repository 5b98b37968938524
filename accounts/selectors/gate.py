"""What the order gate looks at: locks first, and figures only where credit is asked for."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import cached_property

from accounts.models import Account, AccountCredit, Instrument, Mark, User, UserCredit
from accounts.models.credit import CreditSettings
from accounts.rules.credit import CreditRule
from accounts.rules.locks import LockMode, TradingMode, trading_mode
from accounts.rules.margin import MarginMissing, ProductMarginRate
from accounts.rules.money import RateMissing, convert
from accounts.rules.pnl import Holding, session_pnl
from accounts.rules.pretrade import OrderRequest, PretradeLevel
from accounts.selectors import currency_rates, margin_rates, open_locks
from accounts.selectors.figures import contract_spec, is_stale, margin_of
from accounts.selectors.sums import ContractSum, Sums, tree_sums, user_sums


def lock_levels(lineage: Sequence[Account], order: OrderRequest) -> list[PretradeLevel]:
    """Return the levels as far as locks go, in three queries whatever the tree: no credit is asked.

    The position and the working orders are given for the order's own account alone, which decides what reduces.

    Args:
        lineage: The order's own account first, then its ancestors.
    """
    modes: dict[int, list[LockMode]] = defaultdict(list)
    causes: dict[int, set[str]] = defaultdict(set)
    for lock in open_locks([account.pk for account in lineage]):
        modes[lock.account_id].append(LockMode(lock.mode))
        causes[lock.account_id].add(lock.cause.lower().replace("_", "-"))
    own, *above = (
        replace(
            _EMPTY,
            name=account.name,
            mode=trading_mode(modes[account.pk]),
            lock_note=", ".join(sorted(causes[account.pk])),
            is_closed=account.is_closed,
        )
        for account in lineage
    )
    held = tree_sums([lineage[0].pk], order.symbol)[lineage[0].pk]
    return [_with_contract(own, next(iter(held.values()), ContractSum())), *above]


def credit_levels(
    levels: Sequence[PretradeLevel],
    lineage: Sequence[Account],
    order: OrderRequest,
    instrument: Instrument,
    now: datetime,
    user: User | None,
) -> list[PretradeLevel]:
    """Return the levels of `lock_levels` with the figures of those whose credit counts for this order.

    The user who submits is a level of his own where his credit is checked. The number of queries does not depend on
    the tree.
    """
    rows = AccountCredit.objects.filter(account__in=[account.pk for account in lineage])
    checked = {row.account_id: row for row in rows if _counts(row, order)}
    own_limit = None if user is None else UserCredit.objects.filter(user=user).select_related("user").first()
    users = [] if own_limit is None or not _counts(own_limit, order) else [own_limit]
    trees = tree_sums(sorted(checked)) if checked else {}
    traded = [user_sums(credit.user) for credit in users]
    facts = GateFacts(order, instrument, now, frozenset().union(*trees.values(), *traded))
    found = [
        _account_level(level, checked[account.pk], trees[account.pk], facts) if account.pk in checked else level
        for level, account in zip(levels, lineage, strict=True)
    ]
    return found + [_user_level(levels[0], *pair, facts) for pair in zip(users, traded, strict=True)]


def _account_level(level: PretradeLevel, credit: AccountCredit, sums: Sums, facts: "GateFacts") -> PretradeLevel:
    level = _with_contract(level, sums.get(facts.instrument.pk, ContractSum()))
    return facts.with_credit(replace(level, trade_out_allowed=credit.trade_out_allowed), credit, sums)


def _user_level(own: PretradeLevel, credit: UserCredit, sums: Sums, facts: "GateFacts") -> PretradeLevel:
    """Return the user's level. What reduces there is what reduces on the account: it is the account that holds."""
    return facts.with_credit(replace(own, name=credit.user.get_username(), holder="user"), credit, sums)


def _counts(credit: CreditSettings, order: OrderRequest) -> bool:
    return credit.check_credit and (credit.apply_to_block_cross or not order.is_block_cross)


def _with_contract(level: PretradeLevel, held: ContractSum) -> PretradeLevel:
    return replace(level, net=held.net, working_buys=held.working_buys, working_sells=held.working_sells)


@dataclass
class GateFacts:
    """Prices, margins and rates, each read once for an order and only when a rule counts it."""

    order: OrderRequest
    instrument: Instrument
    now: datetime
    contracts: frozenset[int]

    @cached_property
    def rates(self) -> Mapping[tuple[str, str], Decimal]:
        return currency_rates()

    @cached_property
    def margins(self) -> Mapping[str, ProductMarginRate]:
        return margin_rates()

    @cached_property
    def marks(self) -> Mapping[int, Mark]:
        return {mark.instrument_id: mark for mark in Mark.objects.filter(instrument__in=self.contracts)}

    @cached_property
    def instruments(self) -> Mapping[int, Instrument]:
        return Instrument.objects.in_bulk(self.contracts) | {self.instrument.pk: self.instrument}

    def with_credit(self, level: PretradeLevel, credit: CreditSettings, sums: Sums) -> PretradeLevel:
        """Return the level with what its rule counts; what it does not count stays unknown."""
        rule = CreditRule(credit.rule)
        sums = {self.instrument.pk: ContractSum()} | dict(sums)
        has_margin = rule is not CreditRule.PNL
        return replace(
            level,
            check_credit=True,
            apply_to_block_cross=credit.apply_to_block_cross,
            daily_limit=credit.daily_limit,
            rule=rule,
            pnl=None if rule is CreditRule.MARGIN else self._pnl(sums, credit.currency),
            margin_before=self._margin(sums, credit.currency, 0) if has_margin else None,
            margin_after=self._margin(sums, credit.currency, self.order.qty) if has_margin else None,
        )

    def _pnl(self, sums: Sums, currency: str) -> Decimal | None:
        try:
            parts = [self._contract_pnl(self.instruments[key], held, currency) for key, held in sums.items()]
        except RateMissing:
            return None
        return None if None in parts else sum((part for part in parts if part is not None), Decimal(0))

    def _contract_pnl(self, instrument: Instrument, held: ContractSum, currency: str) -> Decimal | None:
        price = Decimal(0)  # of nothing held any price will do
        if held.is_open:
            mark = self.marks.get(instrument.pk)
            if mark is None or is_stale(mark, self.now):
                return None
            price = mark.price
        pnl = session_pnl(Holding(prev_pos=held.net, bought_value=held.cost), price, contract_spec(instrument))
        return convert(pnl, source=instrument.currency, target=currency, rates=self.rates)

    def _margin(self, sums: Sums, currency: str, qty: int) -> Decimal | None:
        contracts = (
            (
                self.instruments[key],
                held.exposure(self.instruments[key].symbol, self.order.side, qty if key == self.instrument.pk else 0),
            )
            for key, held in sums.items()
        )
        try:
            return margin_of(contracts, currency=currency, margins=self.margins, rates=self.rates)
        except (MarginMissing, RateMissing):
            return None  # the rule denies what it would have needed the margin for


_EMPTY = PretradeLevel(
    name="",
    mode=TradingMode.NORMAL,
    lock_note="",
    is_closed=False,
    check_credit=False,
    apply_to_block_cross=False,
    daily_limit=None,
    rule=CreditRule.PNL,
    pnl=None,
    margin_before=None,
    margin_after=None,
    trade_out_allowed=True,
    net=0,
    working_buys=0,
    working_sells=0,
    max_order_qty=None,
    max_long=None,
    max_short=None,
)
