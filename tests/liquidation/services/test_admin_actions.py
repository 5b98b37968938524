"""The eight admin actions: lock first, loosen never while a run is active."""

from datetime import timedelta

import pytest

from accounts.errors import AccountClosed, InvalidValue, LiquidationInProgress, NotFound, NotPermitted
from accounts.models import Account, AccountLock, AdminActionRecord, AuditEntry
from accounts.permissions import ENGINE, Actor
from accounts.rules.locks import AdminAction, LockCause, LockMode
from accounts.rules.roles import Role
from accounts.selectors import newest_admin_actions, standing_admin_action, trading_mode_of
from accounts.services import structure
from liquidation.models import LiquidationRun
from liquidation.rules.states import RunState
from liquidation.services.admin_actions import AdminActionResult, set_admin_action, unlock
from tests import builders as b

pytestmark = pytest.mark.django_db


def act(
    account: Account,
    action: AdminAction,
    *,
    by: Actor | None = None,
    code: str = "Other",
    reason: str = "why",
    now=b.NOW,
) -> AdminActionResult:
    return set_admin_action(
        account_id=account.pk, action=action, reason_code=code, reason=reason, actor=by or b.platform(), now=now
    )


def locks(account: Account) -> set[tuple[str, str]]:
    return {(lock.cause, lock.mode) for lock in AccountLock.objects.filter(account=account, released_at=None)}


@pytest.fixture
def account() -> Account:
    return b.account(b.company())


LOCKED = {("ADMIN", "LOCKED")}
REDUCING = {("ADMIN", "LIQUIDATE_ONLY")}


@pytest.mark.parametrize(
    ("action", "expected", "liquidates"),
    [
        (AdminAction.NORMAL, set(), False),
        (AdminAction.PLACE_AUTO_LIQ_ON_HOLD, set(), False),
        (AdminAction.DISABLE_AUTO_LIQ, set(), False),
        (AdminAction.AGREED_ON_LIQ_ONLY_MODE_BY_AUTO_LIQ, set(), False),
        (AdminAction.AGREED_ON_LIQUIDATION_BY_AUTO_LIQ, set(), False),
        (AdminAction.LIQUIDATE_ONLY_MODE_IMMEDIATELY, REDUCING, False),
        (AdminAction.LOCK_TRADING_IMMEDIATELY, LOCKED, False),
        (AdminAction.LIQUIDATE_IMMEDIATELY, LOCKED, True),
    ],
)
def test_each_action_does_what_it_says(account: Account, action: AdminAction, expected: set, liquidates: bool) -> None:
    result = act(account, action)
    assert (result.is_new, locks(account), result.run_id is not None) == (True, expected, liquidates)
    entry = AuditEntry.objects.get(action="admin_action.set")
    assert (entry.after["action"], entry.reason, entry.door) == (action.value, "why", "COMMAND")


@pytest.mark.parametrize("action", list(AdminAction))
def test_the_same_action_repeated_answers_with_what_stands_and_changes_nothing(
    account: Account, action: AdminAction
) -> None:
    first = act(account, action)
    entries = AuditEntry.objects.count()
    second = act(account, action)
    assert (second.is_new, second.run_id) == (False, first.run_id)
    assert AuditEntry.objects.count() == entries
    assert LiquidationRun.objects.count() == int(first.run_id is not None)


def test_liquidate_then_lock_changes_the_status_and_nothing_else(account: Account) -> None:
    run_id = act(account, AdminAction.LIQUIDATE_IMMEDIATELY).run_id
    act(account, AdminAction.LOCK_TRADING_IMMEDIATELY)
    assert locks(account) == LOCKED
    assert LiquidationRun.objects.get(pk=run_id).state == RunState.REQUESTED
    assert AccountLock.objects.count() == 1
    assert newest_admin_actions([account.pk])[account.pk].action == "LockTradingImmediately"


def test_an_administrators_newer_action_takes_the_place_of_the_older_lock(account: Account) -> None:
    act(account, AdminAction.LOCK_TRADING_IMMEDIATELY)
    act(account, AdminAction.LIQUIDATE_ONLY_MODE_IMMEDIATELY)
    assert locks(account) == REDUCING


@pytest.mark.parametrize(
    ("lock_action", "expected"),
    [(AdminAction.LOCK_TRADING_IMMEDIATELY, LOCKED), (AdminAction.LIQUIDATE_ONLY_MODE_IMMEDIATELY, REDUCING)],
)
def test_a_hold_never_unlocks_and_reads_the_lock_it_left_when_it_has_run_out(
    account: Account, lock_action: AdminAction, expected: set
) -> None:
    act(account, lock_action)
    act(account, AdminAction.PLACE_AUTO_LIQ_ON_HOLD)
    record = newest_admin_actions([account.pk])[account.pk]
    assert locks(account) == expected
    assert standing_admin_action(record, b.NOW) == AdminAction.PLACE_AUTO_LIQ_ON_HOLD
    assert standing_admin_action(record, b.NOW + timedelta(seconds=60)) == lock_action


def test_locking_again_locks_again_where_the_lock_was_lifted_since(account: Account) -> None:
    act(account, AdminAction.LOCK_TRADING_IMMEDIATELY)
    unlock(account_id=account.pk, causes=frozenset({LockCause.ADMIN}), actor=b.platform(), reason="mistaken", now=b.NOW)
    assert act(account, AdminAction.LOCK_TRADING_IMMEDIATELY).is_new
    assert locks(account) == LOCKED


def test_normal_lifts_every_lock_of_the_account_and_none_of_its_ancestors() -> None:
    firm = b.company()
    parent = b.account(firm)
    child = b.account(firm, parent=parent)
    for cause in (LockCause.CREDIT_LOSS, LockCause.AUTO_LIQ, LockCause.LOCKOUT):
        b.lock(child, cause=cause)
    b.lock(parent)
    act(child, AdminAction.NORMAL)
    assert (locks(child), locks(parent)) == (set(), LOCKED)
    assert trading_mode_of(child.pk) == "LOCKED"


def test_normal_again_lifts_what_was_locked_since(account: Account) -> None:
    act(account, AdminAction.NORMAL)
    b.lock(account, cause=LockCause.AUTO_LIQ)
    assert act(account, AdminAction.NORMAL).is_new
    assert locks(account) == set()


@pytest.mark.parametrize(
    "action",
    [a for a in AdminAction if a not in {AdminAction.LOCK_TRADING_IMMEDIATELY, AdminAction.LIQUIDATE_IMMEDIATELY}],
)
def test_nothing_is_loosened_while_a_run_is_active(account: Account, action: AdminAction) -> None:
    act(account, AdminAction.LIQUIDATE_IMMEDIATELY)
    with pytest.raises(LiquidationInProgress, match=r"^Liquidation is in progress$"):
        act(account, action)
    assert (locks(account), AdminActionRecord.objects.count()) == (LOCKED, 1)


@pytest.mark.parametrize(
    "action", [AdminAction.PLACE_AUTO_LIQ_ON_HOLD, AdminAction.AGREED_ON_LIQ_ONLY_MODE_BY_AUTO_LIQ]
)
@pytest.mark.parametrize(("seconds", "expected"), [(59.999, None), (60, AdminAction.NORMAL), (61, AdminAction.NORMAL)])
def test_a_hold_lasts_60_seconds_and_reads_normal_then(
    account: Account, action: AdminAction, seconds: float, expected: AdminAction | None
) -> None:
    act(account, action)
    record = newest_admin_actions([account.pk])[account.pk]
    assert standing_admin_action(record, b.NOW + timedelta(seconds=seconds)) == (expected or action)


def test_other_needs_a_reason_and_white_space_is_none(account: Account) -> None:
    with pytest.raises(InvalidValue, match="Admin Action Reason should be specified") as refused:
        act(account, AdminAction.LOCK_TRADING_IMMEDIATELY, reason=" \t\n")
    assert refused.value.field == "reason"
    assert locks(account) == set()


def test_another_code_needs_no_reason_and_is_the_locks_reason_then(account: Account) -> None:
    act(account, AdminAction.LOCK_TRADING_IMMEDIATELY, code="CloseFraud", reason="")
    assert AccountLock.objects.get().reason == "CloseFraud"


def test_an_unknown_code_is_refused_by_name(account: Account) -> None:
    with pytest.raises(InvalidValue) as refused:
        act(account, AdminAction.LOCK_TRADING_IMMEDIATELY, code="Whim")
    assert refused.value.field == "reason_code"


def test_a_closed_account_is_refused(account: Account) -> None:
    structure.close_account(account_id=account.pk, actor=b.platform(), now=b.NOW, reason="gone")
    with pytest.raises(AccountClosed, match=r"^Account is closed$"):
        act(account, AdminAction.LOCK_TRADING_IMMEDIATELY)


def test_an_unknown_account_is_not_found() -> None:
    with pytest.raises(NotFound):
        set_admin_action(
            account_id=999, action=AdminAction.NORMAL, reason_code="Other", reason="x", actor=b.platform(), now=b.NOW
        )


def test_a_risk_operator_locks_and_liquidates_and_never_loosens(account: Account) -> None:
    operator = b.actor(b.user(account.company, role=Role.RISK_OPERATOR))
    act(account, AdminAction.LOCK_TRADING_IMMEDIATELY, by=operator)
    act(account, AdminAction.LIQUIDATE_IMMEDIATELY, by=operator)
    LiquidationRun.objects.update(state=RunState.FLAT)
    for action in (AdminAction.NORMAL, AdminAction.DISABLE_AUTO_LIQ, AdminAction.PLACE_AUTO_LIQ_ON_HOLD):
        with pytest.raises(NotPermitted):
            act(account, action, by=operator)
    assert locks(account) == LOCKED


def test_liquidate_only_over_a_lock_is_loosening_and_not_a_risk_operators_to_do(account: Account) -> None:
    operator = b.actor(b.user(account.company, role=Role.RISK_OPERATOR))
    act(account, AdminAction.LOCK_TRADING_IMMEDIATELY, by=operator)
    with pytest.raises(NotPermitted):
        act(account, AdminAction.LIQUIDATE_ONLY_MODE_IMMEDIATELY, by=operator)
    assert locks(account) == LOCKED


def test_a_stranger_learns_nothing(account: Account) -> None:
    with pytest.raises(NotFound):
        act(account, AdminAction.LOCK_TRADING_IMMEDIATELY, by=b.actor(b.admin(b.company())))


def test_the_engine_never_releases(account: Account) -> None:
    b.lock(account)
    with pytest.raises(NotPermitted):
        act(account, AdminAction.NORMAL, by=ENGINE)


def test_unlocking_one_cause_leaves_the_others(account: Account) -> None:
    b.lock(account, cause=LockCause.ADMIN)
    b.lock(account, cause=LockCause.AUTO_LIQ, mode=LockMode.LIQUIDATE_ONLY)
    result = unlock(
        account_id=account.pk, causes=frozenset({LockCause.AUTO_LIQ}), actor=b.platform(), reason="raised", now=b.NOW
    )
    assert (result.released, locks(account)) == (1, LOCKED)


def test_unlocking_while_a_run_is_active_is_refused(account: Account) -> None:
    act(account, AdminAction.LIQUIDATE_IMMEDIATELY)
    with pytest.raises(LiquidationInProgress):
        unlock(account_id=account.pk, causes=frozenset(LockCause), actor=b.platform(), reason="x", now=b.NOW)


@pytest.mark.parametrize("action", [AdminAction.DISABLE_AUTO_LIQ, AdminAction.PLACE_AUTO_LIQ_ON_HOLD])
def test_an_account_administrator_does_not_suppress_auto_liquidation(account: Account, action: AdminAction) -> None:
    person = b.user(account.company, role=Role.ACCOUNT_ADMIN)
    structure.assign_user(account_id=account.pk, user=person, actor=b.platform(), now=b.NOW)
    with pytest.raises(NotPermitted):
        act(account, action, by=b.actor(person))
