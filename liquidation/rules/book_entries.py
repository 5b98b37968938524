"""The entries of a book file."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from accounts.rules.credit import CreditLossAction, CreditRule
from accounts.rules.hierarchy import AccountType
from accounts.rules.orders import OrderType
from accounts.rules.pnl import Side


@dataclass(frozen=True, slots=True)
class CompanyEntry:
    """A firm."""

    name: str
    post_trade_risk_enabled: bool
    carry_realized_pnl: bool
    auto_liquidation_user: str


@dataclass(frozen=True, slots=True)
class UserEntry:
    """A person or a program, with the ids by which exchanges know it, by exchange."""

    username: str
    company: str
    is_active: bool
    is_company_admin: bool
    operator_ids: dict[str, str]


@dataclass(frozen=True, slots=True)
class ConnectionEntry:
    """A company's way to an exchange."""

    name: str
    company: str
    exchange: str


@dataclass(frozen=True, slots=True)
class InstrumentEntry:
    """A contract."""

    symbol: str
    exchange: str
    product: str
    tick_size: Decimal | None
    tick_value: Decimal | None
    currency: str


@dataclass(frozen=True, slots=True)
class MarginEntry:
    """Margin per contract of a product."""

    product: str
    initial: Decimal | None
    maintenance: Decimal | None


@dataclass(frozen=True, slots=True)
class RateEntry:
    """What one unit of `source` is worth in `target`."""

    source: str
    target: str
    rate: Decimal | None


@dataclass(frozen=True, slots=True)
class CreditEntry:
    """An account's credit settings."""

    check_credit: bool
    daily_limit: Decimal | None
    currency: str
    rule: CreditRule
    credit_loss_pct: Decimal | None
    credit_loss_action: CreditLossAction


@dataclass(frozen=True, slots=True)
class Reference:
    """An account by its name, with its company where the book says it."""

    name: str
    company: str = ""


@dataclass(frozen=True, slots=True)
class AccountEntry:
    """An account. `auto_liq` holds what is set, by our own names."""

    name: str
    company: str
    type: AccountType
    parent: Reference | None
    connections: list[str]
    credit: CreditEntry
    auto_liq: dict[str, Decimal | bool | str | datetime]


@dataclass(frozen=True, slots=True)
class ShareEntry:
    """An account that another company may use."""

    account: Reference
    company: str


@dataclass(frozen=True, slots=True)
class PositionEntry:
    """A start-of-day position."""

    account: Reference
    symbol: str
    net: int
    price: Decimal | None


@dataclass(frozen=True, slots=True)
class OrderEntry:
    """A working order."""

    account: Reference
    symbol: str
    side: Side | None
    qty: int
    type: OrderType | None
    price: Decimal | None


@dataclass(frozen=True, slots=True)
class Book:
    """The whole book, each list in the file's order: an entry's index is that of its path."""

    companies: list[CompanyEntry]
    users: list[UserEntry]
    connections: list[ConnectionEntry]
    instruments: list[InstrumentEntry]
    margins: list[MarginEntry]
    rates: list[RateEntry]
    accounts: list[AccountEntry]
    shares: list[ShareEntry]
    positions: list[PositionEntry]
    orders: list[OrderEntry]
