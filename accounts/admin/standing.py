"""How many accounts stand at once: mode, cause, depth and run, in a constant number of queries."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from accounts.models import AccountLock, AccountPath
from accounts.rules.locks import LockMode, TradingMode, trading_mode
from liquidation.models import LiquidationRun
from liquidation.rules.states import ACTIVE, RunState

ON_THE_DESK = ACTIVE | {RunState.NEEDS_OPERATOR}
"""Runs that somebody, a worker or a person, still has to finish."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What an account may do now, the lock that decides it, its depth in the tree, and the run that works on it."""

    mode: TradingMode
    lock: AccountLock | None
    depth: int
    run: LiquidationRun | None

    def cause(self, account_id: int) -> str:
        """Return why the account is not normal, naming the ancestor the lock is on."""
        if self.lock is None:
            return ""
        cause = self.lock.get_cause_display()
        return cause if self.lock.account_id == account_id else f"{cause} on {self.lock.account.name}"


def standings(account_ids: Iterable[int]) -> dict[int, Standing]:
    """Return the standing of each account."""
    lineages: dict[int, list[int]] = defaultdict(list)
    paths = AccountPath.objects.filter(descendant__in=list(account_ids)).order_by("descendant_id", "depth")
    for descendant, ancestor in paths.values_list("descendant_id", "ancestor_id"):
        lineages[descendant].append(ancestor)
    everyone = {ancestor for lineage in lineages.values() for ancestor in lineage}
    locks = _open_locks(everyone)
    runs = {run.account_id: run for run in LiquidationRun.objects.filter(account__in=everyone, state__in=ON_THE_DESK)}
    return {account_id: _standing(lineage, locks, runs) for account_id, lineage in lineages.items()}


def _open_locks(account_ids: Iterable[int]) -> dict[int, list[AccountLock]]:
    found: dict[int, list[AccountLock]] = defaultdict(list)
    rows = AccountLock.objects.filter(account__in=list(account_ids), released_at=None)
    for lock in rows.select_related("account").order_by("id"):
        found[lock.account_id].append(lock)
    return found


def _standing(lineage: list[int], locks: dict[int, list[AccountLock]], runs: dict[int, LiquidationRun]) -> Standing:
    in_force = [lock for ancestor in lineage for lock in locks.get(ancestor, ())]
    mode = trading_mode(LockMode(lock.mode) for lock in in_force)
    deciding = next((lock for lock in in_force if lock.mode == mode), None)
    run = next((runs[ancestor] for ancestor in lineage if ancestor in runs), None)
    return Standing(mode, deciding, len(lineage) - 1, run)
