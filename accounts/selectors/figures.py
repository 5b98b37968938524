"""What a tree of accounts is worth now: P/L, margin and credit, from the database."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings

from accounts.models import Account, Instrument, Mark, Order, Position
from accounts.rules.margin import ContractExposure, MarginMissing, ProductMarginRate, total_margin
from accounts.rules.money import RateMissing, convert
from accounts.rules.pnl import ContractSpec, Side, open_pnl, realized_pnl
from accounts.selectors import currency_rates, margin_rates, subtree_ids, working_orders


@dataclass(frozen=True, slots=True)
class TreeFigures:
    """Figures of an account and everything below it, in one currency.

    `pnl`, `open_pnl` and `margin` are None when they cannot be computed; `gaps` says why, a sentence each.
    `price_age_seconds` is the age of the oldest price used, None without an open position.
    """

    currency: str
    realized_pnl: Decimal | None
    open_pnl: Decimal | None
    margin: Decimal | None
    nets: Mapping[str, int]
    price_age_seconds: float | None
    gaps: tuple[str, ...] = ()

    @property
    def pnl(self) -> Decimal | None:
        if self.realized_pnl is None or self.open_pnl is None:
            return None
        return self.realized_pnl + self.open_pnl


@dataclass(slots=True)
class Exposure:
    """One contract in a tree: the holdings and the working quantities."""

    instrument: Instrument
    positions: list[Position] = field(default_factory=list)
    working_buys: int = 0
    working_sells: int = 0

    @property
    def net(self) -> int:
        return sum(position.net for position in self.positions)

    def with_order(self, side: Side, qty: int) -> ContractExposure:
        buys = self.working_buys + (qty if side is Side.BUY else 0)
        sells = self.working_sells + (qty if side is Side.SELL else 0)
        return ContractExposure(self.instrument.symbol, self.net, buys, sells)


def contract_spec(instrument: Instrument) -> ContractSpec:
    """Return the contract as the rules know it."""
    return ContractSpec(
        symbol=instrument.symbol,
        exchange=instrument.exchange,
        product=instrument.product,
        tick_size=instrument.tick_size,
        tick_value=instrument.tick_value,
        currency=instrument.currency,
    )


def tree_exposures(account_ids: Sequence[int]) -> dict[str, Exposure]:
    """Return what these accounts hold and have working, by symbol."""
    found: dict[str, Exposure] = {}
    for position in Position.objects.filter(account__in=account_ids).select_related("instrument").order_by("id"):
        exposure = found.setdefault(position.instrument.symbol, Exposure(position.instrument))
        exposure.positions.append(position)
    for order in working_orders(account_ids):
        _count_order(found.setdefault(order.instrument.symbol, Exposure(order.instrument)), order)
    return found


def _count_order(exposure: Exposure, order: Order) -> None:
    if order.side == Side.BUY:
        exposure.working_buys += order.leaves_qty
    else:
        exposure.working_sells += order.leaves_qty


def tree_figures(account: Account, *, currency: str, now: datetime) -> TreeFigures:
    """Return the figures of the account's tree in `currency`, with what is missing said and never counted as zero."""
    return figures_of(tree_exposures(subtree_ids(account.pk)), currency=currency, now=now)


def figures_of(exposures: Mapping[str, Exposure], *, currency: str, now: datetime) -> TreeFigures:
    """Return the figures of these exposures."""
    marks = {row.instrument_id: row for row in Mark.objects.filter(instrument__symbol__in=sorted(exposures))}
    rates = currency_rates()
    gaps: list[str] = []
    realized: Decimal | None = Decimal(0)
    opened: Decimal | None = Decimal(0)
    for exposure in exposures.values():
        try:
            part, open_part = _pnl_of(exposure, marks.get(exposure.instrument.pk), now)
            code = exposure.instrument.currency
            part = convert(part, source=code, target=currency, rates=rates)
            open_part = None if open_part is None else convert(open_part, source=code, target=currency, rates=rates)
        except RateMissing as error:
            gaps.append(f"No rate from {error.source} to {error.target}.")
            realized = opened = None
            continue
        realized = None if realized is None else realized + part
        if open_part is None:
            gaps.append(f"No current price of {exposure.instrument.symbol}.")
        opened = None if opened is None or open_part is None else opened + open_part
    margin = _margin_or_none(exposures, currency, gaps)
    return TreeFigures(
        currency=currency,
        realized_pnl=realized,
        open_pnl=opened,
        margin=margin,
        nets={symbol: exposure.net for symbol, exposure in exposures.items()},
        price_age_seconds=_oldest(exposures.values(), marks, now),
        gaps=tuple(gaps),
    )


def _pnl_of(exposure: Exposure, mark: Mark | None, now: datetime) -> tuple[Decimal, Decimal | None]:
    spec = contract_spec(exposure.instrument)
    realized = sum((realized_pnl(position.holding, spec) for position in exposure.positions), Decimal(0))
    if all(position.net == 0 for position in exposure.positions):
        return realized, Decimal(0)
    if mark is None or is_stale(mark, now):
        return realized, None
    return realized, sum((open_pnl(position.holding, mark.price, spec) for position in exposure.positions), Decimal(0))


def is_stale(mark: Mark, now: datetime) -> bool:
    """Return whether the mark's source has been silent for longer than is allowed."""
    return now - mark.seen_at > timedelta(seconds=settings.MARK_MAX_AGE_SECONDS)


def _oldest(exposures: Iterable[Exposure], marks: Mapping[int, Mark], now: datetime) -> float | None:
    held = [
        marks[exposure.instrument.pk]
        for exposure in exposures
        if exposure.instrument.pk in marks and any(position.net for position in exposure.positions)
    ]
    return max(((now - mark.seen_at).total_seconds() for mark in held), default=None)


def margin_of(
    contracts: Iterable[tuple[Instrument, ContractExposure]],
    *,
    currency: str,
    margins: Mapping[str, ProductMarginRate],
    rates: Mapping[tuple[str, str], Decimal],
) -> Decimal:
    """Return the worst-case margin of these contracts in `currency`.

    Raises:
        MarginMissing: a product that is held or worked has no margin.
        RateMissing: a contract's currency cannot be converted.
    """
    by_currency: dict[str, dict[str, list[ContractExposure]]] = defaultdict(lambda: defaultdict(list))
    for instrument, contract in contracts:
        by_currency[instrument.currency][instrument.product].append(contract)
    return sum(
        (
            convert(total_margin(products, margins), source=code, target=currency, rates=rates)
            for code, products in by_currency.items()
        ),
        Decimal(0),
    )


def _margin_or_none(exposures: Mapping[str, Exposure], currency: str, gaps: list[str]) -> Decimal | None:
    standing = [(exposure.instrument, exposure.with_order(Side.BUY, 0)) for exposure in exposures.values()]
    try:
        return margin_of(standing, currency=currency, margins=margin_rates(), rates=currency_rates())
    except MarginMissing as error:
        gaps.append(f"No margin of {error.product}.")
    except RateMissing as error:
        gaps.append(f"No rate from {error.source} to {error.target}.")
    return None
