"""Worst-case margin of positions and working orders, with relief for spreads inside a product."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

from accounts.rules.exact import EXACT, require_not_negative


class MarginMissing(LookupError):
    """A product is held or worked, and nobody has set its margin.

    Attributes:
        product: The product, for example ES.
    """

    def __init__(self, product: str) -> None:
        super().__init__(f"no margin rate for product {product}")
        self.product = product


@dataclass(frozen=True, slots=True)
class ProductMarginRate:
    """Margin of one contract of a product, in the product's margin currency.

    Attributes:
        initial: To open and hold, >= 0. The one that counts against credit.
        maintenance: To keep, >= 0.
        spread: For one long and one short of different contracts together, at most twice initial;
            None when the product gives no relief.
    """

    initial: Decimal
    maintenance: Decimal
    spread: Decimal | None


@dataclass(frozen=True, slots=True)
class ContractExposure:
    """What is open and what may still be filled in one contract.

    Attributes:
        symbol: The contract.
        net: Contracts open; short is negative.
        working_buys: Contracts in working buy orders, >= 0.
        working_sells: Contracts in working sell orders, >= 0.
    """

    symbol: str
    net: int
    working_buys: int = 0
    working_sells: int = 0

    @property
    def longest(self) -> int:
        """Position if every buy fills and no sell."""
        return self.net + self.working_buys

    @property
    def shortest(self) -> int:
        """Position if every sell fills and no buy; short is negative."""
        return self.net - self.working_sells


def product_margin(
    exposures: Sequence[ContractExposure],
    *,
    outright: Decimal,
    spread: Decimal | None,
    applied_margin_pct: Decimal = Decimal(100),
) -> Decimal:
    """Return the margin of one product in the worst case over its working orders.

    A book with L contracts long and S short costs |L - S| outrights and min(L, S) spreads. As a spread costs at
    most two outrights, that is the greater of two straight lines, outright x L + (spread - outright) x S and the
    same with L and S exchanged. Each line is a sum over the contracts and bends upwards at zero, so each contract
    is at its worst when all its buys fill and no sell, or the reverse. The result is therefore the exact maximum
    over all full and partial fills, for a book of any size, in one pass.

    Args:
        exposures: The product's contracts, each once.
        outright: Margin of one contract, >= 0.
        spread: Margin of one long with one short, >= 0; None for no relief, each leg pays outright.
        applied_margin_pct: Scales the result; 100 leaves it, 0 removes it. May be above 100.

    Returns:
        Currency of the rates, >= 0.

    Raises:
        TypeError: a rate is not a Decimal.
        ValueError: a rate or a working quantity is negative, spread is above twice outright, or a contract
            comes twice.

    Example:
        >>> book = [ContractExposure("MAR", 1), ContractExposure("JUN", -2),
        ...         ContractExposure("SEP", 3), ContractExposure("DEC", -4)]
        >>> product_margin(book, outright=Decimal("1000"), spread=Decimal("500"))
        Decimal('4000')

    Source: Trading Technologies, X_TRADER help, intra-product spread margining.
    """
    _require_book(exposures)
    require_not_negative("outright", outright)
    require_not_negative("applied_margin_pct", applied_margin_pct)
    with localcontext(EXACT):
        opposite = outright if spread is None else _second_leg(outright, spread)
        long_heavy = sum((_worst_leg(e, long=outright, short=opposite) for e in exposures), Decimal(0))
        short_heavy = sum((_worst_leg(e, long=opposite, short=outright) for e in exposures), Decimal(0))
        worst = max(long_heavy, short_heavy)
        return worst if applied_margin_pct == 100 else (worst * applied_margin_pct).scaleb(-2)


def total_margin(
    exposures_by_product: Mapping[str, Sequence[ContractExposure]], rates: Mapping[str, ProductMarginRate]
) -> Decimal:
    """Return the worst-case initial margin of all products together, with no relief between products.

    Args:
        exposures_by_product: The contracts of each product.
        rates: Margin of each product, all in one currency.

    Returns:
        Currency of the rates, >= 0. A product without exposure needs no rate and costs nothing.

    Raises:
        MarginMissing: a product with a position or a working order has no rate.
        TypeError: as product_margin.
        ValueError: as product_margin.
    """
    with localcontext(EXACT):
        return sum((_margin_at_rate(p, book, rates) for p, book in exposures_by_product.items()), Decimal(0))


def _margin_at_rate(
    product: str, exposures: Sequence[ContractExposure], rates: Mapping[str, ProductMarginRate]
) -> Decimal:
    if not any(e.net or e.working_buys or e.working_sells for e in exposures):
        return Decimal(0)
    rate = rates.get(product)
    if rate is None:
        raise MarginMissing(product)
    return product_margin(exposures, outright=rate.initial, spread=rate.spread)


def _worst_leg(exposure: ContractExposure, *, long: Decimal, short: Decimal) -> Decimal:
    return max(_leg(position, long, short) for position in (exposure.longest, exposure.shortest))


def _leg(position: int, long: Decimal, short: Decimal) -> Decimal:
    return position * long if position >= 0 else -position * short


def _second_leg(outright: Decimal, spread: Decimal) -> Decimal:
    require_not_negative("spread", spread)
    if spread > 2 * outright:
        raise ValueError(f"spread {spread} must not be above twice the outright margin {outright}")
    return spread - outright


def _require_book(exposures: Sequence[ContractExposure]) -> None:
    if len({e.symbol for e in exposures}) < len(exposures):
        raise ValueError("a contract comes twice")
    for exposure in exposures:
        if exposure.working_buys < 0 or exposure.working_sells < 0:
            raise ValueError(f"working quantity of {exposure.symbol} must not be negative")
