"""Lock and unlock accounts. A lock is in force the moment its row is committed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from accounts.errors import InvalidValue, NotFound, NotPermitted
from accounts.models import Account, AccountLock, AccountSession
from accounts.permissions import TASK, Actor, may, require
from accounts.rules.audit import AuditAction
from accounts.rules.locks import LockCause, LockMode, is_releasable
from accounts.rules.roles import Verb
from accounts.selectors import held_positions, subtree_ids, working_orders
from accounts.services import audit


@dataclass(frozen=True, slots=True)
class LockResult:
    """The lock that stands, and whether this call made it."""

    lock_id: int
    is_new: bool


@dataclass(frozen=True, slots=True)
class UnlockResult:
    """How many locks this call lifted."""

    released: int


def locked_account(account_id: int) -> Account:
    """Return the account with its row held until the transaction ends, so that locks and orders take turns.

    Raises:
        NotFound: no such account.
    """
    # NO KEY: rows that point at the account, an order's or an entry's, may be written meanwhile.
    account = Account.objects.select_for_update(no_key=True).filter(pk=account_id).first()
    if account is None:
        raise NotFound("Not found")
    return account


@transaction.atomic
def lock_account(
    *,
    account_id: int,
    actor: Actor,
    cause: LockCause,
    mode: LockMode,
    reason: str,
    now: datetime,
    release_due_at: datetime | None = None,
) -> LockResult:
    """Stop new orders on the account and its sub-accounts.

    Safe to repeat: a second call for the same cause and mode changes nothing and writes no second audit entry, but
    for one that asks for longer: the lock that stands is then held for longer.
    Working orders stay in the market; canceling them is a liquidation's job.

    Args:
        release_due_at: Aware UTC; the lock lifts itself then. None: a person must lift it.

    Raises:
        NotPermitted: the actor may not lock this account (for example a shared-with company).
        NotFound: no such account, or none that the actor may see.
        InvalidValue: a person gave no reason.
    """
    account = locked_account(account_id)
    require(actor, Verb.LOCK, account)
    if not reason.strip():
        raise InvalidValue("Say why the account is locked.", field="reason")
    standing = AccountLock.objects.filter(account=account, cause=cause, mode=mode, released_at=None).first()
    if standing is not None:
        _hold_longer(standing, release_due_at, actor=actor, reason=reason, now=now)
        return LockResult(standing.pk, is_new=False)
    lock = AccountLock.objects.create(
        account=account,
        cause=cause,
        mode=mode,
        reason=reason,
        opened_at=now,
        opened_by=actor.name,
        release_due_at=release_due_at,
    )
    after = {"cause": cause.value, "mode": mode.value, "release_due_at": release_due_at}
    audit.record(actor=actor, action=AuditAction.ACCOUNT_LOCKED, now=now, subject=account, after=after, reason=reason)
    return LockResult(lock.pk, is_new=True)


def _hold_longer(lock: AccountLock, until: datetime | None, *, actor: Actor, reason: str, now: datetime) -> None:
    before = lock.release_due_at
    if before is None or (until is not None and until <= before):
        return
    lock.release_due_at = until
    lock.save(update_fields=["release_due_at"])
    audit.record(
        actor=actor,
        action=AuditAction.ACCOUNT_LOCKED,
        now=now,
        subject=lock.account,
        before={"cause": lock.cause, "mode": lock.mode, "release_due_at": before},
        after={"cause": lock.cause, "mode": lock.mode, "release_due_at": until},
        reason=reason,
    )


@transaction.atomic
def unlock_account(
    *, account_id: int, actor: Actor, causes: frozenset[LockCause], reason: str, now: datetime
) -> UnlockResult:
    """Lift the account's own locks of these causes; an ancestor's locks and other causes stay.

    Safe to repeat: with nothing to lift it changes nothing and writes no audit entry. A market-impact lock is lifted
    by its cooling-off period alone. A run that is active is the caller's to ask about: `liquidation.services` does.
    An account administrator lifts administrators' locks; what a limit or the company locked stays.

    Raises:
        NotPermitted: the actor may not unlock (the engine never may), or none of the locks that are there.
        NotFound: no such account, or none that the actor may see.
        InvalidValue: no reason.
    """
    account = locked_account(account_id)
    require(actor, Verb.UNLOCK, account)
    if not reason.strip():
        raise InvalidValue("Say why the account is unlocked.", field="reason")
    releasable = frozenset(cause for cause in causes if is_releasable(cause, by_engine=False, cooling_off=True))
    if not may(actor, Verb.UNLOCK_ANY, account):
        releasable = _administrators_own(account, releasable, actor)
    return UnlockResult(_release(account, releasable, actor=actor, reason=reason, now=now))


def _administrators_own(account: Account, causes: frozenset[LockCause], actor: Actor) -> frozenset[LockCause]:
    own = causes & {LockCause.ADMIN}
    standing = set(AccountLock.objects.filter(account=account, released_at=None).values_list("cause", flat=True))
    if standing & causes and not standing & own:
        raise NotPermitted(f"{actor.name} may lift only an administrator's lock on account {account.name}.")
    return own


@transaction.atomic
def release_due_lock(*, lock_id: int, now: datetime) -> UnlockResult:
    """Lift one lock whose time has come; nothing happens before that time or twice.

    A lock by which a limit protects an account waits on: for the account's tree to be rolled where its session is
    over, or the old session's loss would lock again at once; and, where it promises a flat account, until the tree
    holds nothing and works no order in our books.
    """
    locked_account(AccountLock.objects.values_list("account_id", flat=True).get(pk=lock_id))
    lock = AccountLock.objects.select_related("account").get(pk=lock_id)
    if lock.released_at is not None or lock.release_due_at is None or lock.release_due_at > now:
        return UnlockResult(0)
    if lock.cause == LockCause.AUTO_LIQ and (_awaits_roll(lock, now) or _awaits_flat(lock)):
        return UnlockResult(0)
    _write_release(lock, actor=TASK, reason="Its time has come", now=now)
    return UnlockResult(1)


def release_due_locks(*, account_ids: Iterable[int], now: datetime) -> int:
    """Lift those locks of these accounts whose time has come, as `release_due_lock` does; return how many.

    For the caller's transaction.
    """
    due = AccountLock.objects.filter(account__in=list(account_ids), released_at=None, release_due_at__lte=now)
    lock_ids = list(due.order_by("id").values_list("pk", flat=True))
    return sum(release_due_lock(lock_id=lock_id, now=now).released for lock_id in lock_ids)


def _awaits_roll(lock: AccountLock, now: datetime) -> bool:
    over = AccountSession.objects.filter(account__parent=None, account__closed_at=None, next_reset_at__lte=now)
    return over.filter(account__paths_down__descendant=lock.account_id).exists()


def _awaits_flat(lock: AccountLock) -> bool:
    if lock.mode != LockMode.LOCKED:
        return False
    tree = subtree_ids(lock.account_id)
    return bool(held_positions(tree)) or working_orders(tree).exists()


def _release(account: Account, causes: frozenset[LockCause], *, actor: Actor, reason: str, now: datetime) -> int:
    locks = list(AccountLock.objects.filter(account=account, cause__in=sorted(causes), released_at=None).order_by("id"))
    for lock in locks:
        _write_release(lock, actor=actor, reason=reason, now=now)
    return len(locks)


def _write_release(lock: AccountLock, *, actor: Actor, reason: str, now: datetime) -> None:
    lock.released_at, lock.released_by, lock.release_reason = now, actor.name, reason
    lock.save(update_fields=["released_at", "released_by", "release_reason"])
    audit.record(
        actor=actor,
        action=AuditAction.ACCOUNT_UNLOCKED,
        now=now,
        subject=lock.account,
        before={"cause": lock.cause, "mode": lock.mode},
        reason=reason,
    )


def release_replaced(*, account: Account, cause: LockCause, keep: LockMode | None, actor: Actor, now: datetime) -> int:
    """Lift the account's locks of `cause` but for mode `keep`: a newer action of the same cause has taken their place.

    For the caller's transaction, after its own permission check.
    """
    locks = AccountLock.objects.filter(account=account, cause=cause, released_at=None)
    replaced = [lock for lock in locks.order_by("id") if lock.mode != keep]
    for lock in replaced:
        _write_release(lock, actor=actor, reason="Replaced by a newer action", now=now)
    return len(replaced)
