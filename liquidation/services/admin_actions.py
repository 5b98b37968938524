"""The eight admin actions, and unlocking with an eye on what runs."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from accounts.errors import AccountClosed, InvalidValue, LiquidationInProgress
from accounts.models import Account, AccountLock, AdminActionRecord
from accounts.permissions import Actor, require
from accounts.rules.audit import AuditAction
from accounts.rules.locks import AdminAction, AdminActionReasonCode, AdminEffect, LockCause, LockMode, admin_effect
from accounts.rules.roles import Verb
from accounts.selectors import newest_admin_actions, standing_admin_action
from accounts.services import audit
from accounts.services.locks import UnlockResult, lock_account, locked_account, release_replaced, unlock_account
from accounts.services.orders import locked_lineage
from liquidation.selectors import active_run
from liquidation.services.runs import request_run

ALL_CAUSES = frozenset(LockCause)


@dataclass(frozen=True, slots=True)
class AdminActionResult:
    """The account, whether this call changed anything, and the run that it asked for or that stands."""

    account_id: int
    is_new: bool
    run_id: int | None


@transaction.atomic
def set_admin_action(
    *, account_id: int, action: AdminAction, reason_code: str, reason: str, actor: Actor, now: datetime
) -> AdminActionResult:
    """Lock, liquidate, hold or release an account, as `setAdminAutoLiqAction` does.

    The lock is in force when the call returns. Safe to repeat: the action that stands is answered with what stands
    and starts no second run.

    Raises:
        NotFound, NotPermitted: the actor may not do this to the account.
        AccountClosed: the account is closed.
        LiquidationInProgress: the action would loosen while a run is active.
        InvalidValue: the reason code is unknown, or `Other` without a reason; names the field.
    """
    account = locked_lineage(account_id)[0]
    effect = admin_effect(action)
    require(actor, _verb(effect, account), account)
    _check(account, reason_code, reason)
    standing = standing_admin_action(newest_admin_actions([account.pk]).get(account.pk), now)
    if standing is action and not _is_more_to_do(account, effect):
        run = active_run(account.pk)
        return AdminActionResult(account.pk, is_new=False, run_id=run.pk if run else None)
    if active_run(account.pk) is not None and effect.lock_mode is not LockMode.LOCKED:
        raise LiquidationInProgress("Liquidation is in progress")
    _record(account, action, effect, reason_code, reason, actor, now)
    _apply_lock(account, effect, reason or reason_code, actor, now)
    if not effect.liquidates:
        return AdminActionResult(account.pk, is_new=True, run_id=None)
    run_result = request_run(account_id=account.pk, cause=action.value, actor=actor, now=now)
    return AdminActionResult(account.pk, is_new=True, run_id=run_result.run_id)


def _verb(effect: AdminEffect, account: Account) -> Verb:
    """Return what the actor must be allowed to do; liquidate-only in the place of a full lock is unlocking."""
    if effect.liquidates:
        return Verb.LIQUIDATE
    if effect.lock_mode is LockMode.LOCKED:
        return Verb.LOCK
    if effect.suppresses_auto_liq:
        return Verb.EDIT_AUTO_LIQ
    standing = AccountLock.objects.filter(
        account=account, cause=LockCause.ADMIN, mode=LockMode.LOCKED, released_at=None
    )
    return Verb.UNLOCK if effect.lock_mode is None or standing.exists() else Verb.LOCK


def _check(account: Account, reason_code: str, reason: str) -> None:
    if account.is_closed:
        raise AccountClosed("Account is closed")
    if reason_code not in set(AdminActionReasonCode):
        raise InvalidValue(f"{reason_code} is not a reason code.", field="reason_code")
    if reason_code == AdminActionReasonCode.OTHER and not reason.strip():
        raise InvalidValue("Admin Action Reason should be specified", field="reason")


def _is_more_to_do(account: Account, effect: AdminEffect) -> bool:
    """An action said again still puts on the lock that was lifted since, and Normal lifts what was locked since."""
    open_locks = AccountLock.objects.filter(account=account, released_at=None)
    if effect.lock_mode is not None:
        return not open_locks.filter(cause=LockCause.ADMIN, mode=effect.lock_mode).exists()
    return effect.releases and open_locks.exists()


def _lock_action(account: Account) -> AdminAction:
    """Return what the status reads when a hold has run out: the administrator's lock that stands, else Normal."""
    lock = AccountLock.objects.filter(account=account, cause=LockCause.ADMIN, released_at=None).first()
    if lock is None:
        return AdminAction.NORMAL
    is_locked = lock.mode == LockMode.LOCKED
    return AdminAction.LOCK_TRADING_IMMEDIATELY if is_locked else AdminAction.LIQUIDATE_ONLY_MODE_IMMEDIATELY


def _record(
    account: Account,
    action: AdminAction,
    effect: AdminEffect,
    reason_code: str,
    reason: str,
    actor: Actor,
    now: datetime,
) -> None:
    hold = effect.hold_seconds
    AdminActionRecord.objects.create(
        account=account,
        action=action,
        reason_code=reason_code,
        reason=reason,
        set_at=now,
        set_by=actor.user,
        expires_at=None if hold is None else now + timedelta(seconds=hold),
        next_action=_lock_action(account),
    )
    after = {"action": action.value, "reason_code": reason_code}
    audit.record(actor=actor, action=AuditAction.ADMIN_ACTION_SET, now=now, subject=account, after=after, reason=reason)


def _apply_lock(account: Account, effect: AdminEffect, reason: str, actor: Actor, now: datetime) -> None:
    """Put on the action's lock in the place of the administrator's older one; a hold leaves every lock as it is."""
    if effect.releases:
        unlock_account(account_id=account.pk, actor=actor, causes=ALL_CAUSES, reason=reason, now=now)
    if effect.lock_mode is not None:
        lock_account(
            account_id=account.pk, actor=actor, cause=LockCause.ADMIN, mode=effect.lock_mode, reason=reason, now=now
        )
        release_replaced(account=account, cause=LockCause.ADMIN, keep=effect.lock_mode, actor=actor, now=now)


@transaction.atomic
def unlock(*, account_id: int, causes: frozenset[LockCause], actor: Actor, reason: str, now: datetime) -> UnlockResult:
    """Lift the account's own locks of these causes, unless a liquidation runs.

    Raises:
        LiquidationInProgress: a run of the account is active (F47).
        NotFound, NotPermitted, InvalidValue: as `accounts.services.locks.unlock_account`.
    """
    account = locked_account(account_id)
    require(actor, Verb.UNLOCK, account)
    if active_run(account.pk) is not None:
        raise LiquidationInProgress("Liquidation is in progress")
    return unlock_account(account_id=account_id, actor=actor, causes=causes, reason=reason, now=now)
