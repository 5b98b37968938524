"""Profit and loss of one account's position in one contract."""

from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from enum import StrEnum

from accounts.rules.exact import EXACT, ROUNDED, require_finite, require_integer
from accounts.rules.money import round_money, round_price, value_to_money


class Side(StrEnum):
    """Which way an order or a fill goes."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> "Side":
        """The side that closes what this side opened."""
        return Side.SELL if self is Side.BUY else Side.BUY


@dataclass(frozen=True, slots=True)
class ContractSpec:
    """What turns prices of one contract into money.

    Attributes:
        symbol: Contract, for example ESZ3.
        exchange: Where it trades, for example CME.
        product: What margins are set for, for example ES.
        tick_size: Smallest price step, > 0.
        tick_value: Money of one tick of one contract, in currency, > 0.
        currency: ISO code of tick_value.
    """

    symbol: str
    exchange: str
    product: str
    tick_size: Decimal
    tick_value: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Holding:
    """One account's position in one contract this session. Values are price x quantity, in price units.

    Attributes:
        prev_pos: Contracts carried into the session; short is negative.
        prev_price: Price the carried position counts from, normally the settlement. May be negative.
        bought: Contracts bought this session, >= 0.
        bought_value: Sum of price x quantity of the buys.
        sold: Contracts sold this session, >= 0.
        sold_value: Sum of price x quantity of the sells.
        open_value: Average price x net of what is open now, signed; zero when flat.
    """

    prev_pos: int = 0
    prev_price: Decimal = Decimal(0)
    bought: int = 0
    bought_value: Decimal = Decimal(0)
    sold: int = 0
    sold_value: Decimal = Decimal(0)
    open_value: Decimal = Decimal(0)

    @property
    def net(self) -> int:
        """Contracts open now; short is negative."""
        return self.prev_pos + self.bought - self.sold

    @property
    def net_price(self) -> Decimal | None:
        """Average price of what is open, rounded half-even to 9 decimals; None when flat."""
        if self.net == 0:
            return None
        with localcontext(ROUNDED):
            return round_price(self.open_value / self.net)

    @property
    def cost(self) -> Decimal:
        """What was paid for the session's position less what was received, in price units."""
        with localcontext(EXACT):
            return self.prev_pos * self.prev_price + self.bought_value - self.sold_value


def start_of_day(prev_pos: int, prev_price: Decimal) -> Holding:
    """Return the holding of a session that has no fill yet.

    Args:
        prev_pos: Contracts carried in; short is negative.
        prev_price: Price they count from this session. May be negative.

    Raises:
        TypeError: prev_pos is not an integer or prev_price not a Decimal.
        ValueError: prev_price is not finite.

    Example:
        >>> start_of_day(-2, Decimal("1651.75")).open_value
        Decimal('-3303.50')
    """
    require_integer("prev_pos", prev_pos)
    require_finite("prev_price", prev_price)
    with localcontext(EXACT):
        return Holding(prev_pos=prev_pos, prev_price=prev_price, open_value=prev_pos * prev_price)


def with_fill(holding: Holding, *, side: Side, qty: int, price: Decimal) -> Holding:
    """Return the holding after one fill, at average cost.

    A fill that adds to the position adds to its open value; one that reduces it takes its share off, rounded
    half-even to 9 decimals; one that flips it opens the remainder at the fill's price.

    Args:
        holding: The position before; it is not changed.
        side: Which way the fill goes.
        qty: Contracts filled, > 0.
        price: Price of the fill. May be negative.

    Raises:
        TypeError: qty is not an integer or price not a Decimal.
        ValueError: qty is not above zero, or price is not finite.

    Example:
        >>> with_fill(start_of_day(3, Decimal("100")), side=Side.SELL, qty=5, price=Decimal("101")).open_value
        Decimal('-202')
    """
    require_integer("qty", qty)
    require_finite("price", price)
    if qty <= 0:
        raise ValueError(f"qty must be above zero, not {qty}")
    open_value = _open_value_after(holding, side.sign * qty, price)
    with localcontext(EXACT):
        if side is Side.BUY:
            bought_value = holding.bought_value + qty * price
            return replace(holding, bought=holding.bought + qty, bought_value=bought_value, open_value=open_value)
        sold_value = holding.sold_value + qty * price
        return replace(holding, sold=holding.sold + qty, sold_value=sold_value, open_value=open_value)


def session_pnl(holding: Holding, mark: Decimal, spec: ContractSpec) -> Decimal:
    """Return the session's whole P/L at a mark, realized and open.

    Exact whatever average cost rounds: it is taken from what was paid and received.

    Args:
        holding: The position.
        mark: Price to value what is open at.
        spec: The contract.

    Returns:
        Contract's currency; a loss is negative.

    Raises:
        TypeError: mark is not a Decimal.
        ValueError: mark is not finite, or the contract's tick is not above zero.

    Example:
        >>> es = ContractSpec("ESZ3", "CME", "ES", Decimal("0.25"), Decimal("12.50"), "USD")
        >>> session_pnl(start_of_day(3, Decimal("1651.75")), Decimal("1650.75"), es)
        Decimal('-150.00')
    """
    return _difference(_marked(holding, mark, spec), _money(holding.cost, spec))


def open_pnl(holding: Holding, mark: Decimal, spec: ContractSpec) -> Decimal:
    """Return the P/L of what is open, at a mark, against its average price.

    Args:
        holding: The position.
        mark: Price to value it at.
        spec: The contract.

    Returns:
        Contract's currency; a loss is negative. What was paid is rounded half-even to millionths, so that
        realized and open P/L can be stored and still add up to session_pnl exactly.

    Raises:
        TypeError: mark is not a Decimal.
        ValueError: mark is not finite, or the contract's tick is not above zero.

    Example:
        >>> es = ContractSpec("ESZ3", "CME", "ES", Decimal("0.25"), Decimal("12.50"), "USD")
        >>> open_pnl(start_of_day(-2, Decimal("1651.75")), Decimal("1650.75"), es)
        Decimal('100.00')
    """
    return _difference(_marked(holding, mark, spec), round_money(_money(holding.open_value, spec)))


def realized_pnl(holding: Holding, spec: ContractSpec) -> Decimal:
    """Return the P/L that no later price can change: session_pnl less open_pnl, at any mark.

    Returns:
        Contract's currency; a loss is negative. Rounded as open_pnl is.

    Raises:
        ValueError: the contract's tick is not above zero.

    Example:
        >>> es = ContractSpec("ESZ3", "CME", "ES", Decimal("0.25"), Decimal("12.50"), "USD")
        >>> sold = with_fill(start_of_day(3, Decimal("1651.75")), side=Side.SELL, qty=1, price=Decimal("1652.75"))
        >>> realized_pnl(sold, es)
        Decimal('50.00')
    """
    return _difference(round_money(_money(holding.open_value, spec)), _money(holding.cost, spec))


def _open_value_after(holding: Holding, signed_qty: int, price: Decimal) -> Decimal:
    net, net_after = holding.net, holding.net + signed_qty
    with localcontext(EXACT):
        if net * signed_qty >= 0:
            return holding.open_value + signed_qty * price
        if net * net_after <= 0:
            return net_after * price if net_after else Decimal(0)
    with localcontext(ROUNDED):
        return round_price(holding.open_value * net_after / net)


def _marked(holding: Holding, mark: Decimal, spec: ContractSpec) -> Decimal:
    require_finite("mark", mark)
    with localcontext(EXACT):
        return _money(holding.net * mark, spec)


def _money(value: Decimal, spec: ContractSpec) -> Decimal:
    return value_to_money(value, tick_size=spec.tick_size, tick_value=spec.tick_value)


def _difference(minuend: Decimal, subtrahend: Decimal) -> Decimal:
    with localcontext(EXACT):
        return minuend - subtrahend
