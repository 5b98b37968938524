"""Reads that need more than one line."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from django.db.models import OuterRef, QuerySet, Subquery

from accounts.models import (
    Account,
    AccountConnection,
    AccountLock,
    AccountPath,
    AdminActionRecord,
    Connection,
    CurrencyRate,
    Order,
    Position,
    ProductMargin,
)
from accounts.rules.locks import AdminAction, LockMode, TradingMode, trading_mode
from accounts.rules.margin import ProductMarginRate
from accounts.rules.orders import OPEN_STATUSES


def lineage_ids(account_id: int) -> list[int]:
    """Return the account's id and its ancestors', nearest first."""
    paths = AccountPath.objects.filter(descendant=account_id).order_by("depth")
    return list(paths.values_list("ancestor_id", flat=True))


def subtree_ids(account_id: int) -> list[int]:
    """Return the ids of the account and of everything below it, nearest first."""
    paths = AccountPath.objects.filter(ancestor=account_id).order_by("depth", "descendant_id")
    return list(paths.values_list("descendant_id", flat=True))


def open_locks(account_ids: Iterable[int]) -> QuerySet[AccountLock]:
    """Return the locks in force on these very accounts (not on their ancestors)."""
    return AccountLock.objects.filter(account__in=list(account_ids), released_at=None).order_by("id")


def locks_in_force(account_id: int) -> QuerySet[AccountLock]:
    """Return the locks that bind the account: its own and its ancestors'."""
    return open_locks(lineage_ids(account_id)).select_related("account")


def trading_mode_of(account_id: int) -> TradingMode:
    """Return the strictest mode in force on the account and its ancestors."""
    return trading_mode(LockMode(lock.mode) for lock in locks_in_force(account_id))


def trading_modes(account_ids: Iterable[int]) -> dict[int, TradingMode]:
    """Return the mode of many accounts in two queries."""
    wanted = list(account_ids)
    paths = AccountPath.objects.filter(descendant__in=wanted).values_list("descendant_id", "ancestor_id")
    by_descendant: dict[int, list[int]] = defaultdict(list)
    for descendant, ancestor in paths:
        by_descendant[descendant].append(ancestor)
    modes: dict[int, list[LockMode]] = defaultdict(list)
    for account_id, mode in AccountLock.objects.filter(released_at=None).values_list("account_id", "mode"):
        modes[account_id].append(LockMode(mode))
    return {
        account_id: trading_mode([mode for ancestor in by_descendant[account_id] for mode in modes[ancestor]])
        for account_id in wanted
    }


def working_orders(account_ids: Iterable[int]) -> QuerySet[Order]:
    """Return the orders of these accounts that may still fill."""
    orders = Order.objects.filter(account__in=list(account_ids), status__in=sorted(OPEN_STATUSES))
    return orders.select_related("instrument", "account").order_by("id")


def held_positions(account_ids: Iterable[int]) -> list[Position]:
    """Return the positions of these accounts that are not flat."""
    positions = Position.objects.filter(account__in=list(account_ids)).select_related("instrument")
    return [position for position in positions.order_by("id") if position.net]


def connections_of(account: Account) -> dict[str, Connection]:
    """Return the account's connections by exchange: given to it or to an ancestor, unless taken off on the way down."""
    order = {account_id: depth for depth, account_id in enumerate(lineage_ids(account.pk))}
    rows = AccountConnection.objects.filter(account__in=order).select_related("connection")
    found: dict[str, Connection] = {}
    removed: set[int] = set()
    for row in sorted(rows, key=lambda row: (order[row.account_id], row.connection_id)):
        if row.is_removed:
            removed.add(row.connection_id)
        elif row.connection_id not in removed:
            found.setdefault(row.connection.exchange, row.connection)
    return found


def currency_rates() -> dict[tuple[str, str], Decimal]:
    """Return every rate by (source, target)."""
    return {(rate.source, rate.target): rate.rate for rate in CurrencyRate.objects.all()}


def margin_rates() -> dict[str, ProductMarginRate]:
    """Return the margin of every product."""
    return {
        row.product: ProductMarginRate(initial=row.initial, maintenance=row.maintenance, spread=row.spread)
        for row in ProductMargin.objects.all()
    }


def newest_admin_actions(account_ids: Sequence[int] | None = None) -> dict[int, AdminActionRecord]:
    """Return the newest admin action of each account that ever had one; older ones are not read."""
    accounts = Account.objects.all() if account_ids is None else Account.objects.filter(pk__in=account_ids)
    newest = AdminActionRecord.objects.filter(account=OuterRef("pk")).order_by("-id").values("pk")[:1]
    records = AdminActionRecord.objects.filter(pk__in=accounts.annotate(newest=Subquery(newest)).values("newest"))
    return {record.account_id: record for record in records}


def standing_admin_action(record: AdminActionRecord | None, now: datetime) -> AdminAction | None:
    """Return the action in force; a hold that has run out reads what it left; None: never touched."""
    if record is None:
        return None
    if record.expires_at is not None and record.expires_at <= now:
        return AdminAction(record.next_action)
    return AdminAction(record.action)
