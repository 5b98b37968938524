"""Write the installation down as a book."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from accounts.models import (
    Account,
    AccountConnection,
    AccountLock,
    AccountShare,
    Company,
    Connection,
    CurrencyRate,
    Instrument,
    Order,
    Position,
    ProductMargin,
    User,
    UserExchangeSetting,
)
from accounts.rules.money import money_text, price_text
from accounts.rules.orders import OPEN_STATUSES, OrderType
from accounts.rules.roles import Role
from liquidation.rules.book_reading import AUTO_LIQ_AMOUNTS, AUTO_LIQ_FLAGS

JsonDict = dict[str, Any]


def dump_book() -> JsonDict:
    """Return the installation as a book: loaded into an empty one, it gives the same book again.

    Positions are written with their average price, which a session that begins with the book counts from; closed
    accounts are left out, and so is what `left_out` tells.
    """
    accounts = list(
        Account.objects.filter(closed_at=None).select_related("company", "credit", "auto_liq").order_by("pk")
    )
    return {
        "company": [_company(row) for row in Company.objects.select_related("auto_liquidation_user").order_by("pk")],
        "user": _users(),
        "connection": [
            {"name": row.name, "company": row.company.name, "exchange": row.exchange}
            for row in Connection.objects.select_related("company").order_by("pk")
        ],
        "instrument": [_instrument(row) for row in Instrument.objects.order_by("pk")],
        "margin": [
            {"product": row.product, "initial": money_text(row.initial), "maintenance": money_text(row.maintenance)}
            for row in ProductMargin.objects.order_by("pk")
        ],
        "currency_rate": [
            {"from": row.source, "to": row.target, "rate": _plain(row.rate)}
            for row in CurrencyRate.objects.order_by("pk")
        ],
        "account": _accounts(accounts),
        "share": [
            {**_reference(row.account), "with": row.company.name}
            for row in AccountShare.objects.filter(account__closed_at=None)
            .select_related("account__company", "company")
            .order_by("pk")
        ],
        "position": [
            entry
            for row in Position.objects.filter(account__closed_at=None)
            .select_related("account__company", "instrument")
            .order_by("pk")
            if (entry := _position(row)) is not None
        ],
        "order": [_order(row) for row in _working_orders() if row.type in {OrderType.LIMIT, OrderType.MARKET}],
    }


def left_out() -> list[str]:
    """Return what stands in the installation and has no place in a book, a sentence each."""
    locks = AccountLock.objects.filter(released_at=None, account__closed_at=None).select_related("account")
    stops = [row for row in _working_orders() if row.type not in {OrderType.LIMIT, OrderType.MARKET}]
    taken_off = AccountConnection.objects.filter(is_removed=True, account__closed_at=None).select_related("account")
    users = User.objects.order_by("pk")
    passwords = [user for user in users.exclude(company=None) if user.has_usable_password()]
    told = (
        (
            _count(locks, "open lock"),
            "these accounts will be free to trade where this book is loaded",
            _accounts_of(locks),
        ),
        (
            _count(stops, "working stop order"),
            "they will protect nothing where this book is loaded",
            _accounts_of(stops),
        ),
        (
            _count(taken_off, "connection taken off a sub-account", "connections taken off sub-accounts"),
            "these accounts will trade there again",
            _accounts_of(taken_off),
        ),
        (_count(passwords, "password"), "each of these users needs a new one to log in", _names(passwords)),
        (
            _count(users.filter(company=None), "user of no company", "users of no company"),
            "they will not be there",
            _names(users.filter(company=None)),
        ),
    )
    return [f"{count} left out: {meaning}: {', '.join(names)}." for count, meaning, names in told if names]


def _count(rows: Collection[Any], one: str, many: str = "") -> str:
    return f"1 {one} is" if len(rows) == 1 else f"{len(rows)} {many or f'{one}s'} are"


def _accounts_of(rows: Iterable[AccountLock | Order | AccountConnection]) -> list[str]:
    return sorted({row.account.name for row in rows})


def _names(users: Iterable[User]) -> list[str]:
    return [user.get_username() for user in users]


def _plain(value: Decimal) -> str:
    return price_text(value, Decimal(1))


def _reference(account: Account) -> JsonDict:
    return {"account": account.name, "company": account.company.name}


def _company(row: Company) -> JsonDict:
    user = row.auto_liquidation_user
    return {
        "name": row.name,
        "post_trade_risk_enabled": row.post_trade_risk_enabled,
        "carry_realized_pnl": row.carry_realized_pnl,
        "auto_liquidation_user": user.get_username() if user else None,
    }


def _users() -> list[JsonDict]:
    settings: dict[int, list[JsonDict]] = {}
    for row in UserExchangeSetting.objects.order_by("pk"):
        settings.setdefault(row.user_id, []).append({"exchange": row.exchange, "operator_id": row.operator_id})
    return [
        {
            "username": user.get_username(),
            "company": user.company.name,
            "is_active": user.is_active,
            "is_company_admin": user.role == Role.COMPANY_ADMIN,
            "exchange_settings": settings.get(user.pk, []),
        }
        for user in User.objects.select_related("company").order_by("pk")
        if user.company is not None
    ]


def _instrument(row: Instrument) -> JsonDict:
    return {
        "symbol": row.symbol,
        "exchange": row.exchange,
        "product": row.product,
        "tick_size": _plain(row.tick_size),
        "tick_value": money_text(row.tick_value),
        "currency": row.currency,
    }


def _accounts(accounts: list[Account]) -> list[JsonDict]:
    connections: dict[int, list[str]] = {}
    given = AccountConnection.objects.filter(is_removed=False).select_related("connection").order_by("pk")
    for row in given:
        connections.setdefault(row.account_id, []).append(row.connection.name)
    by_id = {account.pk: account for account in accounts}
    uses = Counter(account.name for account in accounts)
    return [
        {
            "name": account.name,
            "company": account.company.name,
            "type": account.type,
            "parent": _parent(account, by_id[account.parent_id], uses) if account.parent_id else None,
            "connections": connections.get(account.pk, []),
            "credit": _credit(account),
            "auto_liq": _auto_liq(account),
        }
        for account in accounts
    ]


def _parent(account: Account, parent: Account, uses: Mapping[str, int]) -> str | JsonDict:
    is_own = parent.company_id == account.company_id and parent.name != account.name
    return parent.name if is_own or uses[parent.name] == 1 else _reference(parent)


def _credit(account: Account) -> JsonDict:
    credit = account.credit
    return {
        "check_credit": credit.check_credit,
        "daily_limit": None if credit.daily_limit is None else money_text(credit.daily_limit),
        "currency": credit.currency,
        "rule": credit.rule,
        "credit_loss_pct": None if credit.credit_loss_pct is None else _plain(credit.credit_loss_pct),
        "credit_loss_action": credit.credit_loss_action,
    }


def _auto_liq(account: Account) -> JsonDict:
    limits = account.auto_liq
    amounts = {key: getattr(limits, field) for key, field in AUTO_LIQ_AMOUNTS.items()}
    found: JsonDict = {key: _plain(value) for key, value in amounts.items() if value is not None}
    found |= {key: True for key, field in AUTO_LIQ_FLAGS.items() if getattr(limits, field)}
    if limits.trailing_max_drawdown_mode:
        found["trailingMaxDrawdownMode"] = limits.trailing_max_drawdown_mode
    if limits.flatten_timestamp is not None:
        found["flattenTimestamp"] = _instant(limits.flatten_timestamp)
    return found


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _position(row: Position) -> JsonDict | None:
    holding = row.holding
    price = holding.net_price
    if price is None and (row.bought or row.sold):
        return None  # opened and closed within the session: nothing is carried
    return {
        **_reference(row.account),
        "symbol": row.instrument.symbol,
        "net": holding.net,
        "price": price_text(holding.prev_price if price is None else price, row.instrument.tick_size),
    }


def _working_orders() -> list[Order]:
    orders = Order.objects.filter(status__in=sorted(OPEN_STATUSES))
    return list(orders.select_related("account__company", "instrument").order_by("pk"))


def _order(row: Order) -> JsonDict:
    entry = {
        **_reference(row.account),
        "symbol": row.instrument.symbol,
        "side": row.side,
        "qty": row.leaves_qty,
        "type": row.type,
    }
    if row.type == OrderType.LIMIT and row.price is not None:
        entry["price"] = price_text(row.price, row.instrument.tick_size)
    return entry
