"""`accountRiskStatus` on the wire: its reads, and what a status is made of."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import QuerySet
from django.utils import timezone

from accounts.api.views import EntityView
from accounts.api.wire import Fields, present
from accounts.models import Account, AccountLock, AdminActionRecord
from accounts.permissions import visible_accounts
from accounts.rules.locks import AdminAction, LockCause, LockMode, TradingMode, trading_mode
from accounts.selectors import newest_admin_actions, standing_admin_action
from liquidation.rules.autoliq import AutoLiqLimits, SessionFigures
from liquidation.rules.drawdown import drawdown_level


@dataclass(frozen=True, slots=True)
class BindingLock:
    """A lock in force on an account, its own or an ancestor's."""

    mode: LockMode
    cause: LockCause
    opened_at: datetime


class RiskStatusView(EntityView):
    """The risk statuses of the accounts that the caller may see; a status has its account's id."""

    def visible(self) -> QuerySet[Account]:
        return accounts_with_limits(visible_accounts(self.user))

    def shown(self, rows: Sequence[Account]) -> list[Fields]:
        return risk_statuses(rows, timezone.now())


def accounts_with_limits(accounts: QuerySet[Account]) -> QuerySet[Account]:
    """Return the accounts with all that a status needs of them."""
    return accounts.select_related("session", "auto_liq")


def risk_statuses(accounts: Sequence[Account], now: datetime) -> list[Fields]:
    """Return the status of each account, in a number of queries that does not grow with theirs."""
    ids = [account.pk for account in accounts]
    records = newest_admin_actions(ids)
    locks = _binding_locks(ids)
    return [_status(account, records.get(account.pk), locks[account.pk], now) for account in accounts]


def _binding_locks(account_ids: Sequence[int]) -> defaultdict[int, list[BindingLock]]:
    below = "account__paths_down__descendant"
    open_locks = AccountLock.objects.filter(released_at=None, **{f"{below}__in": account_ids}).order_by("opened_at")
    found: defaultdict[int, list[BindingLock]] = defaultdict(list)
    for account_id, mode, cause, opened_at in open_locks.values_list(below, "mode", "cause", "opened_at"):
        found[account_id].append(BindingLock(LockMode(mode), LockCause(cause), opened_at))
    return found


def _status(account: Account, record: AdminActionRecord | None, locks: Sequence[BindingLock], now: datetime) -> Fields:
    is_liquidate_only = trading_mode(lock.mode for lock in locks) is TradingMode.LIQUIDATE_ONLY
    by_user = is_liquidate_only and any(lock.cause is LockCause.AUTO_LIQ for lock in locks)
    action, since = _action(record, locks, now)
    return present(
        id=account.pk,
        adminAction=action,
        adminTimestamp=since,
        liquidateOnly=locks[0].opened_at if is_liquidate_only else None,
        userTriggeredLiqOnly=by_user or None,
        maxNetLiq=account.session.max_net_liq,
        minNetLiq=_floor(account),
    )


def _action(
    record: AdminActionRecord | None, locks: Sequence[BindingLock], now: datetime
) -> tuple[AdminAction | None, datetime | None]:
    """Return the administrator's action; where that restricts nothing, what the lock in force comes to, and since when.

    So a client sees that an account is locked whoever locked it: the engine, a lockout, or an ancestor.
    """
    standing = standing_admin_action(record, now)
    if locks and standing in {None, AdminAction.NORMAL}:
        lock = max(locks, key=lambda lock: (lock.mode is LockMode.LOCKED, lock.cause is LockCause.AUTO_LIQ))
        return _as_action(lock), lock.opened_at
    return standing, None if record is None else _set_at(record, now)


def _as_action(lock: BindingLock) -> AdminAction:
    if lock.mode is LockMode.LIQUIDATE_ONLY:
        return AdminAction.LIQUIDATE_ONLY_MODE_IMMEDIATELY
    is_liquidation = lock.cause is LockCause.AUTO_LIQ
    return AdminAction.LIQUIDATE_IMMEDIATELY if is_liquidation else AdminAction.LOCK_TRADING_IMMEDIATELY


def _set_at(record: AdminActionRecord, now: datetime) -> datetime:
    """A hold that has run out became Normal when it ended."""
    if record.action != AdminAction.NORMAL and standing_admin_action(record, now) is AdminAction.NORMAL:
        return record.expires_at or record.set_at
    return record.set_at


def _floor(account: Account) -> Decimal | None:
    """The net liq at which the engine acts on the trailing drawdown; without a balance kept, the peak less it."""
    session, drawdown = account.session, account.auto_liq.trailing_max_drawdown
    if drawdown is None:
        return None
    if session.starting_balance is None and session.original_balance is None:
        return None if session.max_net_liq is None else session.max_net_liq - drawdown
    limits = AutoLiqLimits(trailing_max_drawdown_limit=account.auto_liq.trailing_max_drawdown_limit)
    figures = SessionFigures(
        starting_balance=session.starting_balance,
        original_balance=session.original_balance,
        week_pnl_before=session.week_pnl_before,
        margin=None,
        max_net_liq=session.max_net_liq,
    )
    return (session.starting_balance or Decimal(0)) + drawdown_level(drawdown, limits, figures)
