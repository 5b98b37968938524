"""Decimals that lose no digit unseen: contexts, guards and rounding."""

from decimal import (
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    FloatOperation,
    Inexact,
    InvalidOperation,
    Overflow,
    localcontext,
)

# The ambient context rounds silently at 28 digits; a product of three stored figures needs up to 57.
ROUNDED = Context(
    prec=120,
    rounding=ROUND_HALF_EVEN,
    traps=[InvalidOperation, DivisionByZero, Overflow, FloatOperation],
)
EXACT = Context(
    prec=120,
    rounding=ROUND_HALF_EVEN,
    traps=[InvalidOperation, DivisionByZero, Overflow, FloatOperation, Inexact],
)


def require_finite(name: str, value: Decimal) -> None:
    """Refuse anything but a finite Decimal.

    Args:
        name: What the figure is called, for the message.
        value: The figure.

    Raises:
        TypeError: value is not a Decimal (a float, for example, has lost digits already).
        ValueError: value is NaN or infinite.
    """
    if not isinstance(value, Decimal):
        raise TypeError(f"{name} must be a Decimal, not {type(value).__name__}")
    if not value.is_finite():
        raise ValueError(f"{name} must be finite, not {value}")


def require_not_negative(name: str, value: Decimal) -> None:
    """Refuse anything but a finite Decimal of zero or more.

    Raises:
        TypeError: value is not a Decimal.
        ValueError: value is negative or not finite.
    """
    require_finite(name, value)
    if value < 0:
        raise ValueError(f"{name} must not be negative, not {value}")


def require_positive(name: str, value: Decimal) -> None:
    """Refuse anything but a finite Decimal above zero.

    Raises:
        TypeError: value is not a Decimal.
        ValueError: value is zero, negative or not finite.
    """
    require_finite(name, value)
    if value <= 0:
        raise ValueError(f"{name} must be above zero, not {value}")


def require_integer(name: str, value: int) -> None:
    """Refuse anything but an integer; a bool is none.

    Raises:
        TypeError: value is not an integer.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an integer, not {type(value).__name__}")


def round_to_places(value: Decimal, places: int) -> Decimal:
    """Return a figure rounded half-even to so many decimals; unchanged when it has no more.

    Example:
        >>> round_to_places(Decimal("2.5"), 0), round_to_places(Decimal("1.20"), 6)
        (Decimal('2'), Decimal('1.20'))
    """
    with localcontext(ROUNDED):
        rounded = round(value, places)
    return value if rounded == value else rounded
