"""Reads of runs."""

from datetime import datetime

from django.db.models import Q, QuerySet

from accounts.models import Account, User
from accounts.selectors import lineage_ids, subtree_ids
from liquidation.models import LiquidationRun
from liquidation.rules.states import ACTIVE

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
