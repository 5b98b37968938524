"""The rows that nodes are built from, read in a handful of queries however many accounts there are."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import Max, QuerySet

from accounts.models import Account, AccountLock, AdminActionRecord, Order, Position
from accounts.rules.orders import OPEN_STATUSES
from accounts.selectors import newest_admin_actions
from liquidation.models import Evaluation, LiquidationRun

Row = TypeVar("Row", Position, Order, AccountLock)
History = TypeVar("History", LiquidationRun, Evaluation)


@dataclass(slots=True)
class Snapshot:
    """Whole trees of accounts and what hangs on them, by account id."""

    accounts: dict[int, Account]
    positions: dict[int, list[Position]]
    orders: dict[int, list[Order]]
    locks: dict[int, list[AccountLock]]
    actions: dict[int, AdminActionRecord]
    last_runs: dict[int, LiquidationRun]
    last_evaluations: dict[int, Evaluation]
    parents: dict[int, int | None]


def read_snapshot(account_ids: Collection[int] | None) -> Snapshot:
    """Read these accounts, which are whole trees; all where None is given."""
    accounts = Account.objects.select_related("company", "credit", "auto_liq", "session").filter(closed_at=None)
    positions = Position.objects.select_related("instrument")
    orders = Order.objects.filter(status__in=sorted(OPEN_STATUSES)).select_related("instrument")
    locks = AccountLock.objects.filter(released_at=None)
    runs = LiquidationRun.objects.order_by("id")
    evaluations = Evaluation.objects.order_by("id")
    if account_ids is not None:
        accounts = accounts.filter(pk__in=account_ids)
        positions = positions.filter(account__in=account_ids)
        orders = orders.filter(account__in=account_ids)
        locks = locks.filter(account__in=account_ids)
        runs = runs.filter(account__in=account_ids)
        evaluations = evaluations.filter(account__in=account_ids)
    found = {account.pk: account for account in accounts.order_by("pk")}
    return Snapshot(
        accounts=found,
        positions=_by_account(positions.order_by("pk")),
        orders=_by_account(orders.order_by("pk")),
        locks=_by_account(locks.order_by("pk")),
        actions=newest_admin_actions(None if account_ids is None else sorted(account_ids)),
        last_runs={run.account_id: run for run in runs.filter(pk__in=_newest(runs))},
        last_evaluations={row.account_id: row for row in evaluations.filter(pk__in=_newest(evaluations))},
        parents={pk: account.parent_id if account.parent_id in found else None for pk, account in found.items()},
    )


def _newest(rows: QuerySet[History]) -> QuerySet[Any]:
    return rows.order_by().values("account").annotate(newest=Max("id")).values("newest")


def _by_account(rows: Iterable[Row]) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.account_id].append(row)
    return found
