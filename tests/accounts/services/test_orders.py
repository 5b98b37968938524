"""The order gate: locks, repeats and refusals. What credit has to say is in test_order_credit."""

from decimal import Decimal

import pytest
from django.db import transaction

from accounts.errors import InvalidValue, NotFound, NotPermitted
from accounts.models import Order
from accounts.permissions import ENGINE
from accounts.queue import carried_by
from accounts.rules.audit import AuditAction
from accounts.rules.locks import LockMode
from accounts.rules.orders import OPEN_STATUSES, OrderStatus, OrderType
from accounts.rules.pnl import Side
from accounts.rules.pretrade import FailureReason
from accounts.rules.roles import Role
from accounts.services import orders, structure
from accounts.services.orders import cancel_order
from tests import builders
from tests.accounts.evidence import entries, only_entry, snapshot
from tests.accounts.gate import pending, submit
from tests.builders import NOW

pytestmark = pytest.mark.django_db
BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture
def firm():
    return builders.company("ALPHA")


@pytest.fixture
def account(firm):
    return builders.account(firm, "A-1")


@pytest.fixture
def woken(django_capture_on_commit_callbacks):
    """Run what waits for the commit and return the tasks woken."""
    tasks = []

    def run(action):
        with (
            carried_by(lambda task, arguments, delay: tasks.append((task, *arguments))),
            django_capture_on_commit_callbacks(execute=True),
        ):
            action()
        return tasks

    return run


def test_an_order_that_passes_is_kept_recorded_and_sent_on_its_way(account, woken):
    trader = builders.trader(account.company, account)
    wanted = {"type": OrderType.LIMIT, "price": Decimal("5999.75"), "is_automated": True, "client_order_id": "mine"}
    tasks = woken(lambda: submit(account, BUY, 2, actor=builders.actor(trader), **wanted))
    order = Order.objects.get()
    assert tasks == [("liquidation.send_order", order.pk)]
    assert (order.status, order.side, order.qty, order.price) == ("PENDING_NEW", "BUY", 2, Decimal("5999.75"))
    assert (order.submitted_by, order.is_automated, order.sent_at) == (trader, True, None)
    assert order.operator_id == trader.exchange_settings.get(exchange="CME").operator_id
    entry = only_entry(AuditAction.ORDER_SUBMITTED)
    assert entry.after == {"symbol": "ESZ6", "side": "BUY", "qty": 2, "price": "5999.75"}
    assert entry.account == account


def test_the_engine_and_a_user_whom_the_exchange_does_not_know_have_no_operator_id(account):
    for actor in (ENGINE, builders.platform()):
        assert Order.objects.get(pk=submit(account, actor=actor).order_id).operator_id == ""


def test_an_order_goes_by_the_gateway_of_the_accounts_connection(account):
    account.company.connections.filter(exchange="CME").update(gateway="fix-1")
    assert Order.objects.get(pk=submit(account).order_id).venue == "fix-1"


def test_a_denied_order_is_kept_recorded_and_sent_nowhere(account, woken):
    builders.lock(account)
    assert woken(lambda: submit(account)) == []
    order = Order.objects.get()
    assert (order.status, order.failure_reason) == ("DENIED", "TradingLocked")
    assert order.failure_text == "Pre-trade risk rejection: Trading disabled for account (A-1) (admin)"
    assert only_entry(AuditAction.ORDER_DENIED).reason == order.failure_text


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_lock_on_the_account_or_on_any_ancestor_denies_even_a_closing_order(firm, account, level):
    child = builders.account(firm, "A-1-1", parent=account)
    bottom = builders.account(firm, "A-1-1-1", parent=child)
    builders.position(bottom, net=5)
    lineage = [bottom, child, account]
    builders.lock(lineage[level])
    result = submit(bottom, SELL)
    assert result.failure_reason is FailureReason.TradingLocked
    assert f"({lineage[level].name})" in result.failure_text


def test_a_lock_below_or_beside_binds_nobody_else(firm, account):
    left, right = (builders.account(firm, parent=account) for _ in range(2))
    builders.lock(left)
    for free in (account, right):
        assert submit(free).failure_reason is None
    assert submit(left).failure_reason is FailureReason.TradingLocked


@pytest.mark.parametrize(
    ("net", "working_buys", "working_sells", "side", "qty", "is_denied"),
    [
        (0, 0, 0, BUY, 1, True),
        (3, 0, 0, BUY, 1, True),
        (3, 0, 0, SELL, 2, False),
        (3, 0, 0, SELL, 3, False),
        (3, 0, 0, SELL, 4, True),
        (3, 0, 2, SELL, 1, False),
        (3, 0, 2, SELL, 2, True),
        (3, 9, 0, SELL, 3, False),  # buys on the other side do not make room
        (-3, 0, 0, BUY, 3, False),
        (-3, 0, 0, BUY, 4, True),
        (-3, 1, 0, BUY, 3, True),
        (-3, 0, 0, SELL, 1, True),
    ],
)
@pytest.mark.parametrize("is_inherited", [False, True])
def test_liquidate_only_goes_by_the_position_as_it_would_be_not_by_the_side(
    firm, account, net, working_buys, working_sells, side, qty, is_denied, is_inherited
):
    child = builders.account(firm, parent=account)
    builders.position(child, net=net)
    for working_side, working in ((BUY, working_buys), (SELL, working_sells)):
        if working:
            builders.working_order(child, side=working_side, qty=working)
    builders.lock(account if is_inherited else child, mode=LockMode.LIQUIDATE_ONLY)
    expected = FailureReason.LiquidationOnly if is_denied else None
    assert submit(child, side, qty).failure_reason is expected


def test_a_closed_account_and_an_account_below_one_take_no_order(firm, account):
    structure.close_account(account_id=account.pk, actor=builders.platform(), now=NOW, reason="left")
    assert submit(account).failure_reason is FailureReason.AccountClosed


def test_a_shared_accounts_locks_bind_the_guests_sub_account_and_not_the_other_way_round(account):
    guest = builders.company("BETA")
    builders.share(account, guest)
    below = builders.account(guest, "B-1", parent=account)
    lock_id = builders.lock(below)
    assert submit(account).failure_reason is None
    assert submit(below).failure_reason is FailureReason.TradingLocked
    builders.locks.AccountLock.objects.filter(pk=lock_id).update(released_at=NOW)
    builders.lock(account)
    assert "(A-1)" in submit(below).failure_text


def test_a_repeated_client_order_id_answers_with_the_order_that_stands(account):
    first = submit(account, client_order_id="mine")
    before = snapshot()
    assert submit(account, SELL, 7, client_order_id="mine") == first
    assert snapshot() == before
    assert submit(account).order_id != first.order_id


def test_a_repeated_denied_order_stays_denied_after_the_lock_is_gone(account):
    lock_id = builders.lock(account)
    first = submit(account, client_order_id="mine")
    builders.locks.AccountLock.objects.filter(pk=lock_id).update(released_at=NOW)
    again = submit(account, client_order_id="mine")
    assert again == first
    assert again.failure_reason is FailureReason.TradingLocked


def test_another_accounts_client_order_id_is_in_nobodys_way(firm, account):
    first, other = (submit(row, client_order_id="mine") for row in (account, builders.account(firm)))
    assert first.order_id != other.order_id


@pytest.mark.parametrize(
    ("field", "order"),
    [
        ("qty", {"qty": 0}),
        ("qty", {"qty": -1}),
        ("price", {"type": OrderType.LIMIT}),
        ("price", {"type": OrderType.STOP_LIMIT, "stop_price": Decimal(6000)}),
        ("stop_price", {"type": OrderType.STOP}),
        ("stop_price", {"type": OrderType.STOP_LIMIT, "price": Decimal(6000)}),
        ("price", {"type": OrderType.LIMIT, "price": Decimal("6000.10")}),
        ("price", {"type": OrderType.LIMIT, "price": Decimal("NaN")}),
        ("stop_price", {"type": OrderType.STOP, "stop_price": Decimal("6000.10")}),
        ("client_order_id", {"client_order_id": "x" * 65}),
    ],
)
def test_an_order_that_cannot_be_names_its_field_and_leaves_nothing(account, field, order):
    builders.instrument()
    before = snapshot()
    with pytest.raises(InvalidValue) as caught:
        submit(account, **order)
    assert caught.value.field == field
    assert snapshot() == before


def test_the_longest_client_order_id_and_a_negative_price_are_held(account):
    assert submit(account, client_order_id="x" * 64).failure_reason is None
    result = submit(account, symbol="CLF7", type=OrderType.LIMIT, price=Decimal("-37.63"))
    assert Order.objects.get(pk=result.order_id).price == Decimal("-37.63")


def test_an_unknown_contract_makes_no_row(account):
    result = submit(account, symbol="ZZZ9")
    assert (result.order_id, result.failure_reason) == (None, FailureReason.InvalidContract)
    assert not Order.objects.exists()


@pytest.mark.parametrize("role", [Role.VIEW_ONLY, Role.RISK_OPERATOR])
def test_who_may_not_trade_leaves_nothing(account, role):
    with pytest.raises(NotPermitted):
        submit(account, actor=builders.actor(builders.user(account.company, role=role)))
    assert not Order.objects.exists()


def test_nobody_trades_on_an_account_that_is_not_there_or_not_theirs(account):
    with pytest.raises(NotFound):
        submit(account, actor=builders.actor(builders.trader(account.company)))
    account.pk = 0
    with pytest.raises(NotFound):
        submit(account)


# cancels


def cancel(order, actor=None):
    return cancel_order(order_id=order.pk, actor=actor or builders.platform(), now=NOW)


def test_an_order_that_no_venue_has_seen_is_canceled_at_once(account, woken):
    order = pending(account)
    assert woken(lambda: cancel(order)) == []
    order.refresh_from_db()
    assert order.status == OrderStatus.CANCELED
    assert only_entry(AuditAction.ORDER_CANCEL_REQUESTED).account == account


def test_a_cancel_of_a_working_order_is_asked_for_once_and_safe_to_repeat(account, woken):
    order = builders.working_order(account)
    assert woken(lambda: cancel(order)) == [("liquidation.send_cancel", order.pk)]
    again = cancel(order)
    assert (again.order_id, again.is_new, again.failure_reason) == (order.pk, False, None)
    assert len(entries(AuditAction.ORDER_CANCEL_REQUESTED)) == 1


def test_a_cancel_is_allowed_while_the_account_is_locked(account):
    order = builders.working_order(account)
    builders.lock(account)
    assert cancel(order).is_new


@pytest.mark.parametrize("status", sorted(set(OrderStatus) - OPEN_STATUSES))
def test_a_cancel_of_a_finished_order_comes_too_late(account, status):
    order = builders.working_order(account)
    Order.objects.filter(pk=order.pk).update(status=status)
    result = cancel(order)
    assert (result.is_new, result.failure_reason) == (False, FailureReason.TooLate)
    assert not entries(AuditAction.ORDER_CANCEL_REQUESTED)


def test_who_may_not_cancel_and_what_is_not_there(account):
    order = builders.working_order(account)
    with pytest.raises(NotPermitted):
        cancel(order, builders.actor(builders.user(account.company)))
    with pytest.raises(NotFound):
        cancel(order, builders.actor(builders.admin(builders.company("OMEGA"))))
    order.pk = 0
    with pytest.raises(NotFound):
        cancel(order)


def test_a_lineage_that_was_moved_while_it_was_waited_for_is_read_again(monkeypatch):
    firm = builders.company()
    parent = builders.account(firm)
    child = builders.account(firm, parent=parent)
    read = orders._depths
    answers = [{child.pk: 0}]
    monkeypatch.setattr(orders, "_depths", lambda account_id: answers.pop() if answers else read(account_id))
    with transaction.atomic():
        assert orders.locked_lineage(child.pk) == [child, parent]
