"""Sanity of a mark, before it may decide anything."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from enum import StrEnum

from accounts.rules.exact import ROUNDED, require_finite, require_not_negative, require_positive
from accounts.rules.money import floor_to_tick, to_ticks


class MarkVerdict(StrEnum):
    """What becomes of a mark. Only ACCEPT may move a P/L."""

    ACCEPT = "ACCEPT"
    OLDER = "OLDER"
    OFF_TICK = "OFF_TICK"
    NOT_FINITE = "NOT_FINITE"
    SUSPECT = "SUSPECT"


@dataclass(frozen=True, slots=True)
class MarkRules:
    """How far a mark may jump, and what confirms one that jumped farther.

    Attributes:
        max_jump_pct: Share of the last price, 0 and above; a greater jump is suspect.
        confirmations: Further marks near a suspect that make it believed, >= 0; zero believes every jump.
        confirm_tolerance_pct: Share of the suspect price within which a mark is near it, 0 and above.

    Raises:
        TypeError: a percentage is not a Decimal.
        ValueError: a figure is negative, or a percentage not finite.
    """

    max_jump_pct: Decimal = Decimal(50)
    confirmations: int = 2
    confirm_tolerance_pct: Decimal = Decimal(5)

    def __post_init__(self) -> None:
        require_not_negative("max_jump_pct", self.max_jump_pct)
        require_not_negative("confirm_tolerance_pct", self.confirm_tolerance_pct)
        if self.confirmations < 0:
            raise ValueError(f"confirmations must not be negative, not {self.confirmations}")


def judge_mark(
    *,
    price: Decimal,
    at: datetime,
    tick_size: Decimal,
    last_price: Decimal | None,
    last_at: datetime | None,
    suspects: tuple[Decimal, ...],
    rules: MarkRules,
) -> tuple[MarkVerdict, tuple[Decimal, ...]]:
    """Return whether a mark may be used, and the suspects to hand in with the next one.

    The first mark of a contract is taken as it is. One tick is never a jump and always near, so that prices at
    and around zero can move; negative prices are like any other. A mark of the same moment is not older.

    Args:
        price: The mark. May be negative.
        at: Its moment, UTC-aware.
        tick_size: Smallest price step, > 0.
        last_price: The mark accepted last; None before the first.
        last_at: Its moment, UTC-aware; None before the first.
        suspects: What the last call returned; empty before the first.
        rules: How strict to be.

    Returns:
        The verdict, and the prices waiting for confirmation, the first suspect first. An accepted mark
        leaves none; one that is older, off the tick or not finite changes none.

    Raises:
        TypeError: price or tick_size is not a Decimal, or one moment is aware and the other not.
        ValueError: tick_size is not above zero.

    Example:
        >>> from datetime import UTC
        >>> judge_mark(price=Decimal("45000"), at=datetime(2024, 1, 2, tzinfo=UTC), tick_size=Decimal("0.25"),
        ...            last_price=Decimal("4500"), last_at=None, suspects=(), rules=MarkRules())
        (<MarkVerdict.SUSPECT: 'SUSPECT'>, (Decimal('45000'),))
    """
    require_positive("tick_size", tick_size)
    if not price.is_finite():
        return MarkVerdict.NOT_FINITE, suspects
    if not _is_on_tick(price, tick_size):
        return MarkVerdict.OFF_TICK, suspects
    if last_at is not None and at < last_at:
        return MarkVerdict.OLDER, suspects
    if last_price is None or _is_near(price, last_price, rules.max_jump_pct, tick_size):
        return MarkVerdict.ACCEPT, ()
    return _judge_jump(price, tick_size, suspects, rules)


def is_stale(*, seen_at: datetime, now: datetime, max_age_seconds: int) -> bool:
    """Return whether a mark is too old to decide with; at exactly the maximum it still may.

    A mark seen in the future by more than the maximum is stale too: the clock was turned back, and its age is
    unknown.

    Args:
        seen_at: When the mark came in, UTC-aware.
        now: UTC-aware.
        max_age_seconds: Greatest age that is still fresh, >= 0.

    Raises:
        TypeError: one moment is aware and the other not.
        ValueError: max_age_seconds is negative.
    """
    if max_age_seconds < 0:
        raise ValueError(f"max_age_seconds must not be negative, not {max_age_seconds}")
    return abs(now - seen_at) > timedelta(seconds=max_age_seconds)


def mid_price(bid: Decimal, ask: Decimal, tick_size: Decimal) -> Decimal | None:
    """Return the middle of the book, rounded down to the tick; None when the book is crossed.

    Args:
        bid: Best bid. May be negative.
        ask: Best ask. May be negative.
        tick_size: Smallest price step, > 0.

    Raises:
        TypeError: a figure is not a Decimal.
        ValueError: a price is not finite, or tick_size is not above zero.

    Example:
        >>> mid_price(Decimal("-0.50"), Decimal("0.25"), Decimal("0.25")), mid_price(Decimal(2), Decimal(1), Decimal(1))
        (Decimal('-0.25'), None)
    """
    require_finite("bid", bid)
    require_finite("ask", ask)
    if bid > ask:
        return None
    with localcontext(ROUNDED):
        middle = (bid + ask) / 2
    return floor_to_tick(middle, tick_size)


def _judge_jump(
    price: Decimal, tick_size: Decimal, suspects: tuple[Decimal, ...], rules: MarkRules
) -> tuple[MarkVerdict, tuple[Decimal, ...]]:
    confirms = bool(suspects) and _is_near(price, suspects[0], rules.confirm_tolerance_pct, tick_size)
    waiting = (*suspects, price) if confirms else (price,)
    if len(waiting) > rules.confirmations:
        return MarkVerdict.ACCEPT, ()
    return MarkVerdict.SUSPECT, waiting


def _is_on_tick(price: Decimal, tick_size: Decimal) -> bool:
    try:
        to_ticks(price, tick_size)
    except (ValueError, ArithmeticError):
        # ArithmeticError: a number too large to be counted in ticks is no price either.
        return False
    return True


def _is_near(price: Decimal, reference: Decimal, tolerance_pct: Decimal, tick_size: Decimal) -> bool:
    with localcontext(ROUNDED):
        tolerance = (abs(reference) * tolerance_pct).scaleb(-2)
        return abs(price - reference) <= max(tolerance, tick_size)
