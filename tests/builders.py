"""Small functions that make what a test needs, through the services wherever one exists.

Every name has a default, and every figure a test is about is given by the test.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from accounts.models import Account, Company, CurrencyRate, Instrument, Mark, Order, Position, ProductMargin, User
from accounts.permissions import Actor, Door
from accounts.rules.credit import CreditLossAction
from accounts.rules.hierarchy import AccountType
from accounts.rules.locks import LockCause, LockMode
from accounts.rules.orders import OrderStatus, OrderType, TimeInForce
from accounts.rules.pnl import Side
from accounts.rules.roles import Role
from accounts.services import companies, fills, limits, locks, sharing, sod, structure
from liquidation.gateways.simulated import SimulatedExchange
from liquidation.services import routing, runs

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
"""A Friday, an hour and a half into the New York morning."""

PASSWORD = "correct horse battery staple"

# exchange, product, tick size, tick value, currency
CONTRACTS: Mapping[str, tuple[str, str, str, str, str]] = {
    "ESZ6": ("CME", "ES", "0.25", "12.50", "USD"),
    "NQZ6": ("CME", "NQ", "0.25", "5", "USD"),
    "GCZ6": ("COMEX", "GC", "0.1", "10", "USD"),
    "CLF7": ("NYMEX", "CL", "0.01", "10", "USD"),
    "6JZ6": ("CME", "6J", "0.0000005", "6.25", "USD"),
    "FDAXZ6": ("EUREX", "FDAX", "1", "25", "EUR"),
}

__all__ = ["runs"]

_numbers = count(1)


def seconds(number: float) -> timedelta:
    """Return a span of time."""
    return timedelta(seconds=number)


def superuser(username: str = "platform") -> User:
    """Return the platform superuser, made on first use."""
    standing = User.objects.filter(username=username).first()
    return standing or User.objects.create_superuser(username, password=PASSWORD, date_joined=NOW)


def platform() -> Actor:
    """Return the actor who may do everything."""
    return Actor(Door.COMMAND, superuser())


def actor(user: User, door: Door = Door.ADMIN) -> Actor:
    """Return this user as an actor who came in through `door`."""
    return Actor(door, user, "127.0.0.1")


def company(name: str = "", *, liquidation_user: bool = True, **settings: Any) -> Company:
    """Return a new company; unless told otherwise with a liquidation user known to CME, COMEX and NYMEX."""
    name = name or f"Company {next(_numbers)}"
    row = companies.create_company(name=name, actor=platform(), now=NOW, **settings)
    if liquidation_user:
        liquidator = user(
            row, username=f"liq-{row.pk}", role=Role.TRADER, operator_ids={"CME": "OP1", "COMEX": "OP2", "NYMEX": "OP3"}
        )
        companies.change_company(
            company_id=row.pk, changes={"auto_liquidation_user": liquidator}, actor=platform(), now=NOW
        )
        row.refresh_from_db()
    return row


def user(
    of: Company,
    *,
    username: str = "",
    role: Role = Role.VIEW_ONLY,
    operator_ids: Mapping[str, str] | None = None,
    is_active: bool = True,
    password: str | None = PASSWORD,
) -> User:
    """Return a new user of a company, who can log in with `PASSWORD`."""
    return companies.create_user(
        company=of,
        username=username or f"{role.lower()}-{next(_numbers)}",
        role=role,
        actor=platform(),
        now=NOW,
        password=password,
        is_active=is_active,
        operator_ids=operator_ids,
    )


def admin(of: Company, *, username: str = "") -> User:
    """Return a new company administrator."""
    return user(of, username=username, role=Role.COMPANY_ADMIN, operator_ids={"CME": f"ADM{next(_numbers)}"})


def trader(of: Company, *accounts: Account, username: str = "") -> User:
    """Return a new trader of a company who is assigned to these accounts."""
    row = user(of, username=username, role=Role.TRADER, operator_ids={"CME": f"TRD{next(_numbers)}"})
    for account_row in accounts:
        structure.assign_user(account_id=account_row.pk, user=row, actor=platform(), now=NOW)
    return row


def account(
    of: Company,
    name: str = "",
    *,
    parent: Account | None = None,
    account_type: AccountType = AccountType.ROUTING_EXTERNAL,
    daily_limit: str | None = None,
    loss_pct: str | None = None,
    action: CreditLossAction = CreditLossAction.NONE,
    credit: Mapping[str, Any] | None = None,
    auto_liq: Mapping[str, Any] | None = None,
    original_balance: str | None = None,
    connected: bool = True,
) -> Account:
    """Return a new account, connected to CME, COMEX and NYMEX unless told otherwise.

    `daily_limit`, `loss_pct` and `action` are the short way to a credit loss action; `credit` and `auto_liq` set any
    other field of the two tabs.
    """
    row = structure.create_account(
        company=of,
        name=name or f"ACC-{next(_numbers)}",
        account_type=account_type,
        actor=platform(),
        now=NOW,
        parent=parent,
        original_balance=None if original_balance is None else Decimal(original_balance),
    )
    changes: dict[str, Any] = {}
    if daily_limit is not None:
        changes |= {"check_credit": True, "daily_limit": Decimal(daily_limit)}
    if loss_pct is not None:
        changes |= {"credit_loss_pct": Decimal(loss_pct), "credit_loss_action": action}
    changes |= credit or {}
    if changes:
        limits.save_account_credit(account_id=row.pk, changes=changes, actor=platform(), now=NOW)
    if auto_liq:
        limits.save_auto_liq(account_id=row.pk, changes=auto_liq, actor=platform(), now=NOW)
    if connected and parent is None:
        connect(row)
    return Account.objects.get(pk=row.pk)


def connect(row: Account, *exchanges: str) -> None:
    """Connect an account, and so its sub-accounts, to these exchanges (none given: to CME, COMEX and NYMEX)."""
    for exchange in exchanges or ("CME", "COMEX", "NYMEX"):
        connection = row.company.connections.filter(exchange=exchange).first() or structure.create_connection(
            company=row.company, name=exchange, exchange=exchange, actor=platform(), now=NOW
        )
        structure.assign_connection(account_id=row.pk, connection=connection, actor=platform(), now=NOW)


def share(row: Account, with_company: Company) -> None:
    """Share an account with another company."""
    sharing.share_account(account_id=row.pk, company=with_company, actor=platform(), now=NOW)


def instrument(symbol: str = "ESZ6") -> Instrument:
    """Return one of `CONTRACTS`, with a margin for its product; made on first use."""
    exchange, product, tick_size, tick_value, currency = CONTRACTS[symbol]
    row, _ = Instrument.objects.get_or_create(
        symbol=symbol,
        defaults={
            "exchange": exchange,
            "product": product,
            "tick_size": Decimal(tick_size),
            "tick_value": Decimal(tick_value),
            "currency": currency,
        },
    )
    if not ProductMargin.objects.filter(product=product).exists():
        margin(product)
    return row


def margin(
    product: str = "ES", *, initial: str = "4180", maintenance: str = "3800", spread: str | None = None
) -> ProductMargin:
    """Return the margin of a product, set to these figures."""
    figures = {
        "initial": Decimal(initial),
        "maintenance": Decimal(maintenance),
        "spread": None if spread is None else Decimal(spread),
    }
    row, _ = ProductMargin.objects.update_or_create(product=product, defaults=figures)
    return row


def rate(source: str = "EUR", target: str = "USD", value: str = "1.35") -> CurrencyRate:
    """Return a currency rate, set to this value."""
    row, _ = CurrencyRate.objects.update_or_create(source=source, target=target, defaults={"rate": Decimal(value)})
    return row


def mark(symbol: str = "ESZ6", price: str = "6000", *, at: datetime = NOW) -> Mark:
    """Set a contract's mark, and the price at which the simulated exchange trades it."""
    row, _ = Mark.objects.update_or_create(
        instrument=instrument(symbol),
        defaults={"price": Decimal(price), "priced_at": at, "seen_at": at, "source": "test"},
    )
    SimulatedExchange().set_price(symbol, Decimal(price), at)
    return row


def position(row: Account, symbol: str = "ESZ6", *, net: int = 1, price: str = "6000") -> Position:
    """Give an account a start-of-day position, here and at the simulated exchange."""
    sod.publish_sod(
        account_id=row.pk, instrument=instrument(symbol), net=net, price=Decimal(price), actor=platform(), now=NOW
    )
    SimulatedExchange().seed_position(str(row.pk), symbol, net)
    return Position.objects.get(account=row, instrument__symbol=symbol)


def working_order(
    row: Account,
    symbol: str = "ESZ6",
    *,
    side: Side = Side.BUY,
    qty: int = 1,
    price: str = "5900",
    client_order_id: str = "",
) -> Order:
    """Return a limit order that works in the market, known to us and to the simulated exchange."""
    order = Order.objects.create(
        client_order_id=client_order_id or f"T-{next(_numbers)}",
        account=row,
        instrument=instrument(symbol),
        side=side,
        qty=qty,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.DAY,
        price=Decimal(price),
        status=OrderStatus.WORKING,
        operator_id="TRD0",
        created_at=NOW,
        updated_at=NOW,
        sent_at=NOW,
    )
    SimulatedExchange().seed_order(order)
    return order


def lock(
    row: Account, *, cause: LockCause = LockCause.ADMIN, mode: LockMode = LockMode.LOCKED, reason: str = "for the test"
) -> int:
    """Lock an account and return the lock's id."""
    return locks.lock_account(
        account_id=row.pk, actor=platform(), cause=cause, mode=mode, reason=reason, now=NOW
    ).lock_id


def fill(
    row: Account, symbol: str = "ESZ6", *, side: Side, qty: int = 1, price: str = "6000", at: datetime = NOW
) -> None:
    """Let an account trade at the simulated exchange, behind the desk's back, and report the fill."""
    exchange = SimulatedExchange()
    number = next(_numbers)
    standing = {key: net for key, net in exchange.look([str(row.pk)]).positions.items() if key[1] == symbol}
    net = standing.get((str(row.pk), symbol), 0)
    exchange.seed_position(str(row.pk), symbol, net + side.sign * qty)
    fills.record_fill(
        venue="simulated",
        execution_id=f"X-{number}",
        account=row,
        instrument=instrument(symbol),
        side=side,
        qty=qty,
        price=Decimal(price),
        filled_at=at,
        actor=platform(),
        now=at,
    )


def refresh(order: Order, now: datetime) -> None:
    """Take in the venue's report of an order once more."""
    routing.refresh_order(order_id=order.pk, now=now)
