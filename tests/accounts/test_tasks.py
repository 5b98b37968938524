"""The clock's own work."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import OperationalError
from django.utils import timezone

from accounts import tasks
from accounts.models import AccountCredit, AccountLock, AccountSession, AuditEntry, AuditSeal, Mark
from accounts.rules.locks import LockCause, LockMode
from accounts.services import structure
from accounts.services.locks import lock_account
from tests import builders
from tests.builders import NOW, seconds

pytestmark = pytest.mark.django_db
MONDAY_EVENING = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)


@pytest.fixture
def account():
    return builders.account(builders.company("ALPHA"), "A-1", daily_limit="10000")


@pytest.fixture
def clock(monkeypatch):
    def at(now):
        monkeypatch.setattr(timezone, "now", lambda: now)

    return at


def test_sealing_seals_every_entry(account):
    tasks.seal_audit()
    assert AuditSeal.objects.count() == AuditEntry.objects.count()


def test_locks_whose_time_has_come_are_lifted_and_no_others(account, clock):
    for cause, due in ((LockCause.AUTO_LIQ, 10), (LockCause.MARKET_IMPACT, 11), (LockCause.ADMIN, None)):
        lock_account(
            account_id=account.pk,
            actor=builders.platform(),
            cause=cause,
            mode=LockMode.LOCKED,
            reason="x",
            now=NOW,
            release_due_at=None if due is None else NOW + seconds(due),
        )
    clock(NOW + seconds(10))
    tasks.expire_locks()
    tasks.expire_locks()
    assert set(AccountLock.objects.filter(released_at=None).values_list("cause", flat=True)) == {
        "MARKET_IMPACT",
        "ADMIN",
    }


def rolled(account):
    return AccountSession.objects.get(account=account).trading_day > date(2026, 11, 20)


def test_sessions_whose_reset_has_passed_are_rolled_at_the_last_marks(account, clock):
    builders.position(account, net=1, price="6000")
    builders.mark("ESZ6", "6007.25")
    clock(MONDAY_EVENING)
    tasks.roll_sessions()
    assert rolled(account)
    assert account.positions.get().prev_price == Decimal("6007.25")
    before = AuditEntry.objects.count()
    tasks.roll_sessions()
    assert AuditEntry.objects.count() == before


def test_a_session_that_is_young_is_not_looked_at(account, clock):
    clock(NOW)
    tasks.roll_sessions()
    assert not rolled(account)


def test_an_account_that_cannot_be_rolled_is_said_and_holds_up_no_other(account, clock, caplog):
    without_price, without_rate, fine = (builders.account(account.company) for _ in range(3))
    builders.position(without_price, "NQZ6")
    builders.position(without_rate, "FDAXZ6", price="18000")
    builders.mark("FDAXZ6", "18001")
    clock(MONDAY_EVENING)
    tasks.roll_sessions()
    assert [rolled(row) for row in (account, without_price, without_rate, fine)] == [True, False, False, True]
    assert f"Account {without_price.pk} was not rolled: NQZ6 has no settlement price." in caplog.text
    assert f"Account {without_rate.pk} was not rolled: No rate from EUR to USD." in caplog.text
    assert Mark.objects.count() == 1


def test_a_closed_account_is_not_rolled(account, clock):
    structure.close_account(account_id=account.pk, actor=builders.platform(), now=NOW, reason="left")
    clock(MONDAY_EVENING + timedelta(days=7))
    tasks.roll_sessions()
    assert not rolled(account)


def test_a_limits_lock_is_lifted_by_the_reset_and_not_before(account, clock):
    due = datetime(2026, 11, 20, 23, 0, tzinfo=UTC)
    lock_account(
        account_id=account.pk, actor=builders.platform(), cause=LockCause.AUTO_LIQ, mode=LockMode.LOCKED, reason="x",
        now=NOW, release_due_at=due,
    )  # fmt: skip
    clock(due + seconds(1))
    tasks.expire_locks()
    assert AccountLock.objects.filter(released_at=None).exists()
    tasks.roll_sessions()
    assert not AccountLock.objects.filter(released_at=None).exists()


def test_a_sub_account_is_rolled_by_its_top_alone(account, clock):
    child = builders.account(account.company, parent=account)
    AccountSession.objects.filter(account=child).update(next_reset_at=NOW)
    clock(NOW)
    tasks.roll_sessions()
    assert not rolled(child)
    clock(MONDAY_EVENING)
    tasks.roll_sessions()
    assert rolled(account)
    assert rolled(child)


def test_a_tick_rolls_so_many_trees_the_oldest_first_and_the_failed_last(account, clock, monkeypatch):
    monkeypatch.setattr(tasks, "TREES_A_TICK", 2)
    bad, *others = [builders.account(account.company) for _ in range(3)]
    builders.position(bad, "NQZ6")
    rows = [bad, account, *others]
    for number, row in enumerate(rows):
        AccountSession.objects.filter(account=row).update(next_reset_at=NOW + seconds(number))
    clock(MONDAY_EVENING)
    tasks.roll_sessions()
    assert [rolled(row) for row in rows] == [False, True, False, False]
    tasks.roll_sessions()
    assert [rolled(row) for row in rows] == [False, True, True, True]
    builders.mark("NQZ6", "20000")
    tasks.roll_sessions()
    assert rolled(bad)
    assert AccountSession.objects.get(account=bad).roll_failed_at is None


def test_a_tree_with_a_row_that_cannot_be_read_holds_up_no_other(account, clock, caplog):
    broken = builders.account(account.company)
    AccountCredit.objects.filter(account=broken).delete()
    clock(MONDAY_EVENING)
    tasks.roll_sessions()
    assert [rolled(broken), rolled(account)] == [False, True]
    assert f"Account {broken.pk} was not rolled" in caplog.text


def test_a_database_that_fails_ends_the_tick(account, clock, monkeypatch):
    def fails(**_):
        raise OperationalError("database is locked")

    monkeypatch.setattr(tasks, "roll_session", fails)
    clock(MONDAY_EVENING)
    with pytest.raises(OperationalError):
        tasks.roll_sessions()
    assert AccountSession.objects.get(account=account).roll_failed_at is None
