"""Closing orders: what to send, how, how often, and under which name."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from accounts.rules.exact import require_integer
from accounts.rules.money import from_ticks, to_ticks
from accounts.rules.pnl import Side

MAX_ATTEMPTS = 5
MAX_CLIENT_ORDER_ID = 20

_LONGEST_DELAY_SECONDS = 15
_CLIENT_ORDER_ID = re.compile(r"RL([1-9][0-9]*)-(0|[1-9][0-9]*)-([1-9][0-9]*)")


class Rung(StrEnum):
    """How a closing order is sent; a venue that refuses one gets the next."""

    MARKET = "MARKET"
    PROTECTED_LIMIT = "PROTECTED_LIMIT"
    IOC_SLICE = "IOC_SLICE"


@dataclass(frozen=True, slots=True)
class Leg:
    """One contract of the account tree, as the venue has it.

    Attributes:
        symbol: Contract.
        net: Contracts open in the whole tree; short is negative.
        in_flight_buys: Leaves of every buy that may still fill, ours or not, >= 0.
        in_flight_sells: The same of the sells.

    Raises:
        TypeError: a figure is not an integer.
        ValueError: an in-flight quantity is negative.
    """

    symbol: str
    net: int
    in_flight_buys: int = 0
    in_flight_sells: int = 0

    def __post_init__(self) -> None:
        require_integer("net", self.net)
        for name in ("in_flight_buys", "in_flight_sells"):
            _require_at_least(name, getattr(self, name), 0)


@dataclass(frozen=True, slots=True)
class ClosingOrder:
    """An order that can only shrink the position, whatever else fills on its side; qty is above zero."""

    symbol: str
    side: Side
    qty: int


def closing_order(leg: Leg) -> ClosingOrder | None:
    """Return the order that closes what nothing in flight can close; None when there is nothing to send.

    However many of the in-flight orders fill on its side, and however much of it fills, it neither opens nor
    flips a position.

    Example:
        >>> closing_order(Leg("ESZ3", net=5, in_flight_sells=2))
        ClosingOrder(symbol='ESZ3', side=<Side.SELL: 'SELL'>, qty=3)
    """
    side = Side.SELL if leg.net > 0 else Side.BUY
    in_flight = leg.in_flight_sells if side is Side.SELL else leg.in_flight_buys
    qty = abs(leg.net) - in_flight
    return ClosingOrder(leg.symbol, side, qty) if qty > 0 else None


def plan(legs: Iterable[Leg]) -> tuple[ClosingOrder, ...]:
    """Return the closing orders of all legs, by symbol.

    Raises:
        ValueError: two legs have the same symbol; each would close the same contracts.
    """
    by_symbol: dict[str, Leg] = {}
    for leg in legs:
        if leg.symbol in by_symbol:
            raise ValueError(f"{leg.symbol} has two legs")
        by_symbol[leg.symbol] = leg
    orders = (closing_order(by_symbol[symbol]) for symbol in sorted(by_symbol))
    return tuple(order for order in orders if order is not None)


def rung(attempt: int) -> Rung:
    """Return how the attempt is sent: market, then protected limit, then IOC slices.

    Raises:
        TypeError: attempt is not an integer.
        ValueError: attempt is below 1.
    """
    _require_at_least("attempt", attempt, 1)
    if attempt == 1:
        return Rung.MARKET
    return Rung.PROTECTED_LIMIT if attempt == 2 else Rung.IOC_SLICE


def slice_qty(qty: int, attempt: int) -> int:
    """Return how much of a closing order the attempt sends: half of it, at least 1, as an IOC slice; else all.

    Raises:
        TypeError: a figure is not an integer.
        ValueError: qty or attempt is below 1.

    Example:
        >>> slice_qty(9, 1), slice_qty(9, 3), slice_qty(1, 3)
        (9, 4, 1)
    """
    _require_at_least("qty", qty, 1)
    if rung(attempt) is Rung.IOC_SLICE:
        return max(1, qty // 2)
    return qty


def protected_price(*, side: Side, mark: Decimal, tick_size: Decimal, collar_ticks: int = 40) -> Decimal:
    """Return the worst price that a closing order may trade at.

    Args:
        side: Which way the order goes; a buy may pay more than the mark, a sell take less.
        mark: Price now, on the tick. May be negative.
        tick_size: Smallest price step, > 0.
        collar_ticks: Ticks allowed away from the mark, >= 0.

    Returns:
        A price on the tick; below zero where the collar reaches there.

    Raises:
        TypeError: mark or tick_size is not a Decimal, or collar_ticks not an integer.
        ValueError: mark is off the tick or not finite, tick_size is not above zero, or collar_ticks is negative.

    Example:
        >>> protected_price(side=Side.SELL, mark=Decimal("0.10"), tick_size=Decimal("0.01"))
        Decimal('-0.30')
    """
    _require_at_least("collar_ticks", collar_ticks, 0)
    return from_ticks(to_ticks(mark, tick_size) + side.sign * collar_ticks, tick_size)


def retry_delay_seconds(attempt: int) -> int:
    """Return how long to wait after an attempt that failed: 1, 2, 4, 8 and then always 15 seconds.

    Raises:
        TypeError: attempt is not an integer.
        ValueError: attempt is below 1.
    """
    _require_at_least("attempt", attempt, 1)
    return int(2 ** (attempt - 1)) if attempt <= 4 else _LONGEST_DELAY_SECONDS


def client_order_id(*, run_id: int, leg: int, attempt: int) -> str:
    """Return the name of one attempt at one leg of one run; the same three always give the same name.

    Args:
        run_id: The run, >= 1.
        leg: Which leg of the run, >= 0. Must mean the same contract for the life of the run.
        attempt: Which attempt, >= 1.

    Returns:
        At most 20 characters, as venues take.

    Raises:
        TypeError: a figure is not an integer.
        ValueError: a figure is below its range, or the name would be longer.

    Example:
        >>> client_order_id(run_id=42, leg=0, attempt=3)
        'RL42-0-3'
    """
    _require_at_least("run_id", run_id, 1)
    _require_at_least("leg", leg, 0)
    _require_at_least("attempt", attempt, 1)
    name = f"RL{run_id}-{leg}-{attempt}"
    if len(name) > MAX_CLIENT_ORDER_ID:
        raise ValueError(f"client order id {name} is longer than {MAX_CLIENT_ORDER_ID} characters")
    return name


def parse_client_order_id(text: str) -> tuple[int, int, int] | None:
    """Return (run_id, leg, attempt) of one of our names; None for a name that client_order_id cannot give.

    Example:
        >>> parse_client_order_id("RL42-0-3"), parse_client_order_id("RL042-0-3")
        ((42, 0, 3), None)
    """
    match = _CLIENT_ORDER_ID.fullmatch(text)
    if match is None or len(text) > MAX_CLIENT_ORDER_ID:
        return None
    run_id, leg, attempt = match.groups()
    return int(run_id), int(leg), int(attempt)


def _require_at_least(name: str, value: int, least: int) -> None:
    require_integer(name, value)
    if value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}")
