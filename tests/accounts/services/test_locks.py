"""Locks: one row per cause, in force by the commit, lifted one cause at a time."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from accounts.errors import InvalidValue, NotFound, NotPermitted
from accounts.models import AccountLock, AccountSession
from accounts.permissions import ENGINE, TASK
from accounts.rules.audit import AuditAction
from accounts.rules.locks import LockCause, LockMode, TradingMode
from accounts.rules.roles import Role
from accounts.selectors import locks_in_force, trading_mode_of
from accounts.services import locks
from tests import builders
from tests.accounts.evidence import entries, only_entry
from tests.builders import NOW, seconds

pytestmark = pytest.mark.django_db
EVERY_CAUSE = frozenset(LockCause)


@pytest.fixture
def account():
    return builders.account(builders.company("ALPHA"), "A-1")


def lock(account, actor=None, **changes):
    wanted = {"cause": LockCause.ADMIN, "mode": LockMode.LOCKED, "reason": "too fast", "now": NOW}
    return locks.lock_account(account_id=account.pk, actor=actor or builders.platform(), **(wanted | changes))


def unlock(account, *causes, actor=None, reason="cleared up"):
    return locks.unlock_account(
        account_id=account.pk,
        actor=actor or builders.platform(),
        causes=frozenset(causes) or EVERY_CAUSE,
        reason=reason,
        now=NOW,
    )


def test_a_lock_is_in_force_at_once_and_says_who_why_and_until_when(account):
    result = lock(account, release_due_at=NOW + seconds(60))
    row = AccountLock.objects.get(pk=result.lock_id)
    assert result.is_new
    assert trading_mode_of(account.pk) is TradingMode.LOCKED
    assert (row.reason, row.opened_by, row.opened_at) == ("too fast", "platform", NOW)
    entry = only_entry(AuditAction.ACCOUNT_LOCKED)
    assert entry.before == {}
    assert entry.after == {
        "cause": "ADMIN",
        "mode": "LOCKED",
        "release_due_at": (NOW + seconds(60)).isoformat(),
    }
    assert (entry.reason, entry.account) == ("too fast", account)


def test_safe_to_repeat_a_second_call_for_the_same_cause_and_mode_changes_nothing(account):
    first = lock(account)
    again = lock(account, reason="again", now=NOW + seconds(1))
    assert (again.lock_id, again.is_new) == (first.lock_id, False)
    assert len(entries(AuditAction.ACCOUNT_LOCKED)) == 1
    assert AccountLock.objects.get().reason == "too fast"


@pytest.mark.parametrize(
    ("standing", "wanted", "expected"),
    [(60, 59, 60), (60, 60, 60), (60, 61, 61), (60, None, None), (None, 60, None), (None, None, None)],
)
def test_a_repeated_lock_may_only_hold_for_longer(account, standing, wanted, expected):
    def due(after):
        return None if after is None else NOW + seconds(after)

    first = lock(account, release_due_at=due(standing))
    again = lock(account, release_due_at=due(wanted), reason="the week's limit too")
    assert (again.lock_id, again.is_new) == (first.lock_id, False)
    assert AccountLock.objects.get().release_due_at == due(expected)
    changed = entries(AuditAction.ACCOUNT_LOCKED)[1:]
    assert len(changed) == (expected != standing)
    for entry in changed:
        assert entry.before["release_due_at"] == due(standing).isoformat()
        assert entry.after["release_due_at"] == (due(expected) and due(expected).isoformat())


def test_each_cause_has_a_row_of_its_own_and_lifting_one_lifts_no_other(account):
    for cause in LockCause:
        lock(account, cause=cause)
    assert AccountLock.objects.count() == len(LockCause)
    assert unlock(account, LockCause.ADMIN).released == 1
    standing = set(locks_in_force(account.pk).values_list("cause", flat=True))
    assert standing == set(LockCause) - {LockCause.ADMIN}
    assert trading_mode_of(account.pk) is TradingMode.LOCKED


def test_unlocking_writes_the_lock_that_was_lifted_and_is_safe_to_repeat(account):
    lock(account)
    assert unlock(account).released == 1
    assert unlock(account).released == 0
    entry = only_entry(AuditAction.ACCOUNT_UNLOCKED)
    assert (entry.before, entry.reason) == ({"cause": "ADMIN", "mode": "LOCKED"}, "cleared up")
    row = AccountLock.objects.get()
    assert (row.released_at, row.released_by, row.release_reason) == (NOW, "platform", "cleared up")
    assert trading_mode_of(account.pk) is TradingMode.NORMAL


def test_a_lifted_lock_may_be_put_on_again_as_a_new_row(account):
    first = lock(account)
    unlock(account)
    assert lock(account).lock_id != first.lock_id


def test_nobody_lifts_a_market_impact_lock_before_its_time(account):
    lock(account, cause=LockCause.MARKET_IMPACT, release_due_at=NOW + seconds(5))
    assert unlock(account, LockCause.MARKET_IMPACT).released == 0
    assert trading_mode_of(account.pk) is TradingMode.LOCKED


def test_an_ancestors_lock_binds_and_is_not_lifted_from_below(account):
    child = builders.account(account.company, parent=account)
    grandchild = builders.account(account.company, parent=child)
    lock(account)
    lock(child, mode=LockMode.LIQUIDATE_ONLY)
    assert trading_mode_of(grandchild.pk) is TradingMode.LOCKED
    assert unlock(grandchild).released == 0
    assert unlock(account).released == 1
    assert trading_mode_of(grandchild.pk) is TradingMode.LIQUIDATE_ONLY
    assert trading_mode_of(account.pk) is TradingMode.NORMAL


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_a_lock_and_an_unlock_need_a_reason(account, reason):
    for attempt in (lambda: lock(account, reason=reason), lambda: unlock(account, reason=reason)):
        with pytest.raises(InvalidValue) as caught:
            attempt()
        assert caught.value.field == "reason"


def test_an_unknown_account_is_not_found():
    with pytest.raises(NotFound):
        locks.locked_account(0)


@pytest.mark.parametrize("engine", [ENGINE, TASK])
def test_the_engine_locks_but_never_unlocks(account, engine):
    assert lock(account, actor=engine).is_new
    with pytest.raises(NotPermitted):
        unlock(account, actor=engine)
    assert trading_mode_of(account.pk) is TradingMode.LOCKED


@pytest.mark.parametrize(
    ("role", "may_lock", "may_unlock"),
    [
        (Role.COMPANY_ADMIN, True, True),
        (Role.ACCOUNT_ADMIN, True, True),
        (Role.RISK_OPERATOR, True, False),
        (Role.TRADER, True, False),
        (Role.VIEW_ONLY, False, False),
    ],
)
def test_who_may_lock_and_unlock(account, role, may_lock, may_unlock):
    user = builders.user(account.company, role=role)
    builders.structure.assign_user(account_id=account.pk, user=user, actor=builders.platform(), now=NOW)
    lock(account, cause=LockCause.COMPANY)
    for is_allowed, attempt in (
        (may_lock, lambda: lock(account, actor=builders.actor(user))),
        (may_unlock, lambda: unlock(account, actor=builders.actor(user))),
    ):
        if is_allowed:
            attempt()
        else:
            with pytest.raises(NotPermitted):
                attempt()


@pytest.mark.parametrize("cause", sorted(set(LockCause) - {LockCause.ADMIN, LockCause.MARKET_IMPACT}))
def test_an_account_administrator_lifts_administrators_locks_alone(account, cause):
    user = builders.user(account.company, role=Role.ACCOUNT_ADMIN)
    builders.structure.assign_user(account_id=account.pk, user=user, actor=builders.platform(), now=NOW)
    every = {"account_id": account.pk, "causes": frozenset(LockCause), "reason": "cleared up", "now": NOW}
    lock(account)
    stays = lock(account, cause=cause)
    assert locks.unlock_account(**every, actor=builders.actor(user)).released == 1
    assert list(locks_in_force(account.pk).values_list("pk", flat=True)) == [stays.lock_id]
    with pytest.raises(NotPermitted, match="only an administrator's lock"):
        locks.unlock_account(**every, actor=builders.actor(user))
    assert locks.unlock_account(**every, actor=builders.actor(builders.admin(account.company))).released == 1
    assert locks.unlock_account(**every, actor=builders.actor(user)).released == 0


def test_a_shared_with_company_sees_the_account_but_does_not_lock_it(account):
    guest = builders.company("BETA", liquidation_user=False)
    builders.share(account, guest)
    with pytest.raises(NotPermitted):
        lock(account, actor=builders.actor(builders.admin(guest)))


@pytest.mark.parametrize(("after", "released"), [(59, 0), (60, 1), (61, 1)])
def test_a_due_lock_is_lifted_at_its_time_and_not_before(account, after, released):
    due = lock(account, release_due_at=NOW + seconds(60))
    assert locks.release_due_lock(lock_id=due.lock_id, now=NOW + seconds(after)).released == released
    assert len(entries(AuditAction.ACCOUNT_UNLOCKED)) == released


def test_a_due_lock_is_lifted_once(account):
    due = lock(account, release_due_at=NOW)
    assert [locks.release_due_lock(lock_id=due.lock_id, now=NOW).released for _ in range(2)] == [1, 0]
    assert only_entry(AuditAction.ACCOUNT_UNLOCKED).actor == "task"


def due_auto_liq(account, mode=LockMode.LOCKED):
    return lock(account, cause=LockCause.AUTO_LIQ, mode=mode, release_due_at=NOW).lock_id


@pytest.mark.parametrize(("net", "released"), [(-1, 0), (0, 1), (1, 0)])
def test_a_limits_lock_waits_until_the_whole_tree_is_flat(account, net, released):
    child = builders.account(account.company, parent=account)
    due = due_auto_liq(account)
    builders.position(child, net=net)
    assert locks.release_due_lock(lock_id=due, now=NOW).released == released
    builders.position(child, net=0)
    assert locks.release_due_lock(lock_id=due, now=NOW + seconds(1)).released == 1 - released


def test_a_limits_lock_waits_until_no_order_of_the_tree_works(account):
    child = builders.account(account.company, parent=account)
    order = builders.working_order(child)
    due = due_auto_liq(account)
    assert locks.release_due_lock(lock_id=due, now=NOW).released == 0
    type(order).objects.update(status="CANCELED")
    assert locks.release_due_lock(lock_id=due, now=NOW).released == 1


def test_a_lock_that_promises_no_flat_account_waits_for_none(account):
    builders.position(account)
    lifted = [due_auto_liq(account, LockMode.LIQUIDATE_ONLY)]
    lifted += [
        lock(account, cause=cause, release_due_at=NOW).lock_id for cause in (LockCause.MARKET_IMPACT, LockCause.LOCKOUT)
    ]
    assert [locks.release_due_lock(lock_id=lock_id, now=NOW).released for lock_id in lifted] == [1, 1, 1]


@pytest.mark.parametrize("mode", list(LockMode))
@pytest.mark.parametrize(("after", "released"), [(-1, 0), (0, 0), (1, 1)])
def test_a_limits_lock_waits_for_the_reset_of_its_tree_that_is_due(account, mode, after, released):
    child = builders.account(account.company, parent=account)
    AccountSession.objects.filter(account=child).update(next_reset_at=NOW)  # the top's counts
    AccountSession.objects.filter(account=account).update(next_reset_at=NOW + seconds(after))
    assert locks.release_due_lock(lock_id=due_auto_liq(child, mode), now=NOW).released == released


def test_a_lock_without_a_time_waits_for_a_person(account):
    standing = lock(account)
    later = NOW + timedelta(days=3650)
    assert locks.release_due_lock(lock_id=standing.lock_id, now=later).released == 0


def test_a_newer_action_replaces_the_other_mode_of_its_cause_alone(account):
    lock(account, mode=LockMode.LIQUIDATE_ONLY)
    kept = lock(account)
    other = lock(account, cause=LockCause.CREDIT_LOSS, mode=LockMode.LIQUIDATE_ONLY)
    replaced = locks.release_replaced(
        account=account, cause=LockCause.ADMIN, keep=LockMode.LOCKED, actor=builders.platform(), now=NOW
    )
    assert replaced == 1
    assert set(locks_in_force(account.pk).values_list("pk", flat=True)) == {kept.lock_id, other.lock_id}


def test_the_database_refuses_a_second_open_lock_of_a_cause_and_mode(account):
    lock(account)
    values = {"account": account, "cause": "ADMIN", "mode": "LOCKED", "opened_at": NOW, "opened_by": "x", "reason": "x"}
    with pytest.raises(IntegrityError), transaction.atomic():
        AccountLock.objects.create(**values)
    assert AccountLock.objects.create(**values, released_at=NOW).pk
