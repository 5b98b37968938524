"""Reads of runs."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime

from django.db.models import Max, Q, QuerySet

from accounts.models import Account, AccountLock, AccountPath, Fill, Position, User
from accounts.rules.locks import LockCause, LockMode
from accounts.selectors import lineage_ids, subtree_ids
from liquidation.models import LiquidationRun
from liquidation.rules.states import ACTIVE, RunState

ACTIVE_STATES = sorted(ACTIVE)


def whole_tree_ids(account_id: int) -> list[int]:
    """Return the ids of every account of the tree that the account stands in, from its top down."""
    return subtree_ids(lineage_ids(account_id)[-1])


def active_run(account_id: int) -> LiquidationRun | None:
    """Return the account's active run."""
    return LiquidationRun.objects.filter(account=account_id, state__in=ACTIVE_STATES).first()


def active_run_above(account_id: int) -> LiquidationRun | None:
    """Return an active run of an ancestor, which closes the account's positions with its own tree's."""
    above = [ancestor for ancestor in lineage_ids(account_id) if ancestor != account_id]
    return LiquidationRun.objects.filter(account__in=above, state__in=ACTIVE_STATES).first()


def active_runs_below(account_id: int) -> QuerySet[LiquidationRun]:
    """Return the active runs of the account's descendants."""
    below = [descendant for descendant in subtree_ids(account_id) if descendant != account_id]
    return LiquidationRun.objects.filter(account__in=below, state__in=ACTIVE_STATES).order_by("id")


def due_runs(now: datetime) -> QuerySet[LiquidationRun]:
    """Return the active runs that nobody carries on although something is due: a wake-up or a worker was lost."""
    free = Q(lease_expires_at=None) | Q(lease_expires_at__lte=now)
    return LiquidationRun.objects.filter(free, state__in=ACTIVE_STATES, wake_at__lte=now).order_by("id")


def liquidation_user_of(account: Account) -> User | None:
    """Return who closes the account's positions: the user of the company that set the action, else the owner's."""
    company = account.credit.credit_loss_company or account.company
    return company.auto_liquidation_user or account.company.auto_liquidation_user


def accounts_held_again(account_ids: Collection[int] | None) -> list[int]:
    """Return the accounts that were proved flat, are still locked, and have traded and hold something since (F12).

    Their newest run is FLAT, a lock that stood then (other than a flatten timestamp's) is still open on themselves, no
    run is active on them or above, a fill of their tree was applied after the run ended, and its net in our books is
    not zero. Of two on one line only the upper is named: its run closes the whole tree. A mere difference between our
    books and the venue's starts nothing.

    Args:
        account_ids: Look at these and their ancestors only; all where None is given.
    """
    ended = _flat_and_locked(account_ids)
    if not ended:
        return []
    lines: dict[int, set[int]] = defaultdict(set)
    for below, above in AccountPath.objects.filter(descendant__in=ended).values_list("descendant_id", "ancestor_id"):
        lines[below].add(above)
    ancestors = set().union(*lines.values())
    running = LiquidationRun.objects.filter(account__in=ancestors, state__in=ACTIVE_STATES)
    active = set(running.values_list("account_id", flat=True))
    held = _trees_that_hold(ended)
    found = {pk for pk, at in ended.items() if pk in held and not lines[pk] & active and _has_traded(pk, at)}
    return sorted(pk for pk in found if not (lines[pk] - {pk}) & found)


def _flat_and_locked(account_ids: Collection[int] | None) -> dict[int, datetime]:
    """Return when the newest run ended, by account, of those whose run is FLAT and whose lock of then is open."""
    locks = AccountLock.objects.filter(released_at=None, mode=LockMode.LOCKED).exclude(cause=LockCause.FLATTEN)
    if account_ids is not None:
        if not account_ids:
            return {}
        paths = AccountPath.objects.filter(descendant__in=account_ids)
        locks = locks.filter(account__in=paths.values("ancestor"))
    opened: dict[int, datetime] = {}
    for account_id, at in locks.values_list("account_id", "opened_at"):
        opened[account_id] = min(at, opened.get(account_id, at))
    if not opened:
        return {}
    newest = LiquidationRun.objects.filter(account__in=opened).order_by().values("account").annotate(newest=Max("id"))
    flat = LiquidationRun.objects.filter(pk__in=newest.values("newest"), state=RunState.FLAT)
    ends = flat.filter(account__closed_at=None).values_list("account_id", "ended_at")
    return {account_id: at for account_id, at in ends if at is not None and opened[account_id] <= at}


def _trees_that_hold(account_ids: Collection[int]) -> set[int]:
    paths = AccountPath.objects.filter(ancestor__in=account_ids).values_list("ancestor_id", "descendant_id")
    above: dict[int, list[int]] = defaultdict(list)
    for ancestor, descendant in paths:
        above[descendant].append(ancestor)
    nets: dict[tuple[int, int], int] = defaultdict(int)
    trees = AccountPath.objects.filter(ancestor__in=account_ids).values("descendant")
    for position in Position.objects.filter(account__in=trees):
        for ancestor in above[position.account_id]:
            nets[ancestor, position.instrument_id] += position.net
    return {account_id for (account_id, _), net in nets.items() if net}


def _has_traded(account_id: int, since: datetime) -> bool:
    tree = AccountPath.objects.filter(ancestor=account_id).values("descendant")
    return Fill.objects.filter(account__in=tree, applied_at__gt=since).exists()
