"""Real races in threads of their own, each with its own connection to the database."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection

from accounts.errors import InvalidValue
from accounts.models import Account, AccountLock, AccountPath, AuditEntry, Fill, Order, Position
from accounts.permissions import TASK
from accounts.queue import carried_by
from accounts.rules.audit import AuditAction
from accounts.rules.hierarchy import AccountType
from accounts.rules.locks import LockCause, LockMode
from accounts.rules.pnl import Side
from accounts.rules.pretrade import FailureReason
from accounts.services import audit, locks, structure
from accounts.services.fills import record_fill
from accounts.services.orders import cancel_order
from accounts.services.venue_reports import claim_for_sending
from tests import builders
from tests.accounts.evidence import entries
from tests.accounts.gate import pending, submit
from tests.builders import NOW

pytestmark = pytest.mark.django_db(transaction=True)


def race(*contenders: Callable[[], Any]) -> list[Any]:
    """Let all start at once; return what each returned or raised."""
    start = Barrier(len(contenders))

    def run(contender: Callable[[], Any]) -> Any:
        try:
            start.wait(timeout=30)
            with carried_by(lambda task, arguments, delay: None):
                return contender()
        except (DatabaseError, InvalidValue) as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(contenders)) as pool:
        return [future.result(timeout=60) for future in [pool.submit(run, one) for one in contenders]]


@pytest.fixture
def account():
    return builders.account(builders.company("ALPHA"), "A-1")


def lock(account):
    return locks.lock_account(
        account_id=account.pk, actor=TASK, cause=LockCause.ADMIN, mode=LockMode.LOCKED, reason="race", now=NOW
    )


def test_20_lock_calls_at_once_make_one_lock_and_one_audit_entry(account):
    results = race(*[lambda: lock(account)] * 20)
    assert sorted(result.is_new for result in results) == [False] * 19 + [True]
    assert len({result.lock_id for result in results}) == 1
    assert AccountLock.objects.count() == len(entries(AuditAction.ACCOUNT_LOCKED)) == 1


@pytest.mark.parametrize("level", ["own", "parent"])
def test_an_order_against_a_lock_either_came_first_or_is_denied(account, level):
    child = builders.account(account.company, parent=account)
    builders.instrument()
    actor = builders.platform()
    locked = child if level == "own" else account
    results = race(
        *[lambda: submit(child, actor=actor)] * 4, lambda: lock(locked), *[lambda: submit(child, actor=actor)] * 4
    )
    del results[4]
    lock_entry = AuditEntry.objects.get(action=AuditAction.ACCOUNT_LOCKED)
    denied = {result.order_id for result in results if result.failure_reason is FailureReason.TradingLocked}
    assert len(results) == Order.objects.count() == 8
    for entry in entries(AuditAction.ORDER_SUBMITTED):
        assert entry.object_id not in denied
        assert entry.pk < lock_entry.pk
    for order in Order.objects.exclude(pk__in=denied):
        assert claim_for_sending(order_id=order.pk, now=NOW) is None


def test_a_claim_a_cancel_and_a_lock_of_the_same_order_all_come_to_an_end(account):
    actor = builders.platform()
    for _ in range(5):
        order = pending(account)
        results = race(
            lambda order=order: claim_for_sending(order_id=order.pk, now=NOW),
            lambda order=order: cancel_order(order_id=order.pk, actor=actor, now=NOW),
            lambda order=order: submit(account, actor=actor),
        )
        assert not [result for result in results if isinstance(result, Exception)]
        order.refresh_from_db()
        assert order.status == ("CANCELED" if order.sent_at is None else "PENDING_CANCEL")


def test_the_same_execution_reported_by_8_at_once_counts_once(account):
    instrument = builders.instrument()

    def report():
        return record_fill(
            venue="CME", execution_id="X1", account=account, instrument=instrument, side=Side.BUY, qty=2,
            price=Decimal(6000), filled_at=NOW, actor=TASK, now=NOW,
        )  # fmt: skip

    results = race(*[report] * 8)
    assert sorted(result.is_new for result in results) == [False] * 7 + [True]
    assert (Fill.objects.count(), Position.objects.get().net) == (1, 2)


def test_different_executions_at_once_all_count(account):
    instrument = builders.instrument()

    def report(number):
        return lambda: record_fill(
            venue="CME", execution_id=f"X{number}", account=account, instrument=instrument, side=Side.BUY, qty=1,
            price=Decimal(6000), filled_at=NOW, actor=TASK, now=NOW,
        )  # fmt: skip

    assert all(result.is_new for result in race(*[report(number) for number in range(8)]))
    assert Position.objects.get().net == 8


@pytest.mark.parametrize("has_links", [False, True])
def test_sealers_at_once_never_fork_the_chain(account, has_links):
    if has_links:
        audit.seal()
        builders.account(account.company)
    race(*[audit.seal] * 4)
    audit.seal()
    verification = audit.verify()
    assert (verification.is_intact, verification.entries) == (True, AuditEntry.objects.count())


def test_a_sealer_that_lost_the_race_has_written_nothing_or_found_nothing(account):
    results = race(*[audit.seal] * 4)
    written = [result for result in results if not isinstance(result, IntegrityError)]
    assert sum(written) == AuditEntry.objects.count()


def test_two_accounts_are_never_moved_under_each_other(account):
    other, actor = builders.account(account.company), builders.platform()

    def move(row, parent):
        return lambda: structure.move_account(account_id=row.pk, parent=parent, actor=actor, now=NOW, reason="race")

    results = race(move(account, other), move(other, account))
    assert sorted(isinstance(result, InvalidValue) for result in results) == [False, True]
    assert Account.objects.exclude(parent=None).count() == 1
    assert AccountPath.objects.count() == 3


def test_an_account_made_while_its_parent_moves_has_the_parents_new_ancestors(account):
    firm, actor = account.company, builders.platform()
    parent = builders.account(firm, parent=account)
    new_top = builders.account(firm)
    made, _ = race(
        lambda: structure.create_account(
            company=firm, name="new", account_type=AccountType.ROUTING_INTERNAL, parent=parent, actor=actor, now=NOW
        ),
        lambda: structure.move_account(account_id=parent.pk, parent=new_top, actor=actor, now=NOW, reason="race"),
    )
    above = set(AccountPath.objects.filter(descendant=made).values_list("ancestor_id", flat=True))
    assert above == {made.pk, parent.pk, new_top.pk}


@pytest.mark.postgresql
def test_rows_that_point_at_a_held_account_are_written_without_waiting(account):
    """Two accounts of one tree trade at once: each holds the parent's row and writes orders and entries below it."""
    children = [builders.account(account.company, parent=account) for _ in range(4)]
    actor = builders.platform()
    orders = [pending(child) for child in children]
    results = race(
        *[lambda child=child: submit(child, actor=actor) for child in children],
        *[lambda order=order: claim_for_sending(order_id=order.pk, now=NOW) for order in orders],
        *[lambda order=order: cancel_order(order_id=order.pk, actor=actor, now=NOW) for order in orders],
    )
    assert not [result for result in results if isinstance(result, Exception)]
