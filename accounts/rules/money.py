"""Exact money and prices: units of storage, ticks, currencies and text."""

from collections.abc import Mapping
from decimal import Decimal, Inexact, localcontext

from accounts.rules.exact import EXACT, ROUNDED, require_finite, require_integer, require_positive, round_to_places

MICROS_PER_UNIT = 1_000_000
NANOS_PER_UNIT = 1_000_000_000

_MICRO_PLACES = 6
_NANO_PLACES = 9
_QUOTIENT_PLACES = 18
_MOST_STORED = 2**63 - 1
_LEAST_STORED = -(2**63)


class RateMissing(LookupError):
    """No exchange rate between two currencies, in either direction.

    Attributes:
        source: Currency of the amount.
        target: Currency asked for.
    """

    def __init__(self, source: str, target: str) -> None:
        super().__init__(f"no rate from {source} to {target}")
        self.source = source
        self.target = target


def to_micros(amount: Decimal) -> int:
    """Return money as the integer of millionths that the database keeps.

    Never rounds.

    Raises:
        TypeError: amount is not a Decimal.
        ValueError: amount is not finite, has more than 6 decimals, or does not fit in 64 bits.

    Example:
        >>> to_micros(Decimal("-8012.50"))
        -8012500000
    """
    return _to_integer("amount", amount, _MICRO_PLACES)


def from_micros(value: int) -> Decimal:
    """Return money from its integer of millionths.

    Raises:
        TypeError: value is not an integer.

    Example:
        >>> from_micros(-8012500000)
        Decimal('-8012.500000')
    """
    return _from_integer(value, _MICRO_PLACES)


def to_nanos(price: Decimal) -> int:
    """Return a price as the integer of billionths that the database keeps.

    Never rounds.

    Raises:
        TypeError: price is not a Decimal.
        ValueError: price is not finite, has more than 9 decimals, or does not fit in 64 bits.

    Example:
        >>> to_nanos(Decimal("0.0000005"))
        500
    """
    return _to_integer("price", price, _NANO_PLACES)


def from_nanos(value: int) -> Decimal:
    """Return a price from its integer of billionths.

    Raises:
        TypeError: value is not an integer.

    Example:
        >>> from_nanos(1671500000000)
        Decimal('1671.500000000')
    """
    return _from_integer(value, _NANO_PLACES)


def round_money(amount: Decimal) -> Decimal:
    """Return money rounded half-even to the millionths that the database can keep.

    For figures that come out of a division or a currency rate; a figure with fewer decimals is unchanged.

    Raises:
        TypeError: amount is not a Decimal.
        ValueError: amount is not finite.

    Example:
        >>> round_money(Decimal("10066.66666665"))
        Decimal('10066.666667')
    """
    require_finite("amount", amount)
    return round_to_places(amount, _MICRO_PLACES)


def round_price(price: Decimal) -> Decimal:
    """Return a price, or a price times a quantity, rounded half-even to billionths.

    Raises:
        TypeError: price is not a Decimal.
        ValueError: price is not finite.

    Example:
        >>> round_price(Decimal("201.33333333333"))
        Decimal('201.333333333')
    """
    require_finite("price", price)
    return round_to_places(price, _NANO_PLACES)


def to_ticks(price: Decimal, tick_size: Decimal) -> int:
    """Return a price as a number of ticks; negative prices give negative ticks.

    Raises:
        TypeError: a figure is not a Decimal.
        ValueError: price is off the tick or not finite, or tick_size is not above zero.

    Example:
        >>> to_ticks(Decimal("1671.50"), Decimal("0.25"))
        6686
    """
    ticks, remainder = _split_ticks(price, tick_size)
    if remainder:
        raise ValueError(f"price {price} is not a multiple of the tick size {tick_size}")
    return ticks


def from_ticks(ticks: int, tick_size: Decimal) -> Decimal:
    """Return the price of a number of ticks.

    Raises:
        TypeError: ticks is not an integer or tick_size not a Decimal.
        ValueError: tick_size is not above zero.

    Example:
        >>> from_ticks(6686, Decimal("0.25"))
        Decimal('1671.50')
    """
    require_integer("ticks", ticks)
    require_positive("tick_size", tick_size)
    with localcontext(EXACT):
        return ticks * tick_size


def floor_to_tick(price: Decimal, tick_size: Decimal) -> Decimal:
    """Return the nearest price on the tick that is not above the given one.

    Rounds towards minus infinity, below zero too.

    Raises:
        TypeError: a figure is not a Decimal.
        ValueError: price is not finite, or tick_size is not above zero.

    Example:
        >>> floor_to_tick(Decimal("-37.63"), Decimal("0.01")), floor_to_tick(Decimal("-0.1"), Decimal("0.25"))
        (Decimal('-37.63'), Decimal('-0.25'))
    """
    ticks, remainder = _split_ticks(price, tick_size)
    return from_ticks(ticks - 1 if remainder < 0 else ticks, tick_size)


def value_to_money(value: Decimal, *, tick_size: Decimal, tick_value: Decimal) -> Decimal:
    """Return what a price times a quantity is worth in the contract's currency.

    Exact for every value on the tick. A quotient with more than 18 decimals is rounded half-even to 18.

    Args:
        value: Price x quantity, in price units, signed.
        tick_size: Smallest price step, > 0.
        tick_value: Money of one tick of one contract, > 0.

    Raises:
        TypeError: a figure is not a Decimal.
        ValueError: value is not finite, or tick_size or tick_value is not above zero.

    Example:
        >>> value_to_money(Decimal("3"), tick_size=Decimal("0.25"), tick_value=Decimal("12.50"))
        Decimal('150')
    """
    require_finite("value", value)
    require_positive("tick_size", tick_size)
    require_positive("tick_value", tick_value)
    with localcontext(ROUNDED):
        quotient = value * tick_value / tick_size
    return round_to_places(quotient, _QUOTIENT_PLACES)


def convert(amount: Decimal, *, source: str, target: str, rates: Mapping[tuple[str, str], Decimal]) -> Decimal:
    """Return an amount in another currency, by the direct rate or else one over the inverse rate.

    Never goes through a third currency. A quotient with more than 18 decimals is rounded half-even to 18.

    Args:
        amount: Money in the source currency, signed.
        source: Currency of the amount.
        target: Currency asked for.
        rates: Units of the second currency of the key for one unit of the first, > 0.

    Returns:
        Target currency. Unchanged when both currencies are the same. May have more decimals than the
        database keeps: see round_money.

    Raises:
        RateMissing: neither direction has a rate.
        TypeError: amount or the rate is not a Decimal.
        ValueError: amount is not finite, or the rate is not above zero.

    Example:
        >>> convert(Decimal("-100"), source="EUR", target="USD", rates={("EUR", "USD"): Decimal("1.35")})
        Decimal('-135.00')
    """
    require_finite("amount", amount)
    if source == target:
        return amount
    direct = rates.get((source, target))
    if direct is not None:
        require_positive("rate", direct)
        with localcontext(EXACT):
            return amount * direct
    inverse = rates.get((target, source))
    if inverse is None:
        raise RateMissing(source, target)
    require_positive("rate", inverse)
    with localcontext(ROUNDED):
        quotient = amount / inverse
    return round_to_places(quotient, _QUOTIENT_PLACES)


def money_text(amount: Decimal) -> str:
    """Return money in plain notation with at least two decimals, losing no digit.

    Raises:
        TypeError: amount is not a Decimal.
        ValueError: amount is not finite.

    Example:
        >>> money_text(Decimal("-8012.500000")), money_text(Decimal("1.234567"))
        ('-8012.50', '1.234567')
    """
    require_finite("amount", amount)
    return _plain_text(amount, 2)


def price_text(price: Decimal, tick_size: Decimal) -> str:
    """Return a price in plain notation with the decimals its tick needs, or more if the price has more.

    Raises:
        TypeError: a figure is not a Decimal.
        ValueError: price is not finite, or tick_size is not above zero.

    Example:
        >>> price_text(Decimal("1671.5"), Decimal("0.25")), price_text(Decimal("17000"), Decimal("1"))
        ('1671.50', '17000')
    """
    require_finite("price", price)
    require_positive("tick_size", tick_size)
    tick_decimals = _plain_text(tick_size, 0).partition(".")[2]
    return _plain_text(price, len(tick_decimals))


def _to_integer(name: str, value: Decimal, places: int) -> int:
    require_finite(name, value)
    if not _from_integer(_LEAST_STORED, places) <= value <= _from_integer(_MOST_STORED, places):
        raise ValueError(f"{name} {value} does not fit in 64 bits with {places} decimals")
    try:
        exact = value.quantize(Decimal(1).scaleb(-places), context=EXACT)
    except Inexact:
        raise ValueError(f"{name} {value} has more than {places} decimals") from None
    return int(exact.scaleb(places, context=EXACT))


def _from_integer(value: int, places: int) -> Decimal:
    require_integer("value", value)
    return Decimal(value).scaleb(-places, context=EXACT)


def _split_ticks(price: Decimal, tick_size: Decimal) -> tuple[int, Decimal]:
    require_finite("price", price)
    require_positive("tick_size", tick_size)
    with localcontext(EXACT):
        ticks, remainder = divmod(price, tick_size)
    return int(ticks), remainder


def _plain_text(value: Decimal, places: int) -> str:
    sign = "-" if value < 0 else ""
    whole, _, decimals = format(value.copy_abs(), "f").partition(".")
    decimals = decimals.rstrip("0").ljust(places, "0")
    return sign + (f"{whole}.{decimals}" if decimals else whole)
