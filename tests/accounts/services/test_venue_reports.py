"""The last look before the venue, and what comes back: twice, late, and out of order."""

from datetime import timedelta
from decimal import Decimal
from itertools import permutations

import pytest

from accounts.models import AccountLock, Fill, Order, Position
from accounts.rules.audit import AuditAction
from accounts.rules.credit import CreditRule
from accounts.rules.locks import LockMode
from accounts.rules.orders import OPEN_STATUSES, Execution, OrderReport, OrderStatus
from accounts.rules.pnl import Side
from accounts.services.orders import cancel_order
from accounts.services.venue_reports import apply_report, claim_for_sending, note_market_closed
from tests import builders
from tests.accounts.evidence import entries, only_entry, snapshot
from tests.accounts.gate import holding_at, pending
from tests.builders import NOW, seconds

pytestmark = pytest.mark.django_db
BUY, SELL = Side.BUY, Side.SELL
LATER = NOW + seconds(5)


@pytest.fixture
def account():
    return builders.account(builders.company("ALPHA"), "A-1")


def claim(order, now=LATER):
    return claim_for_sending(order_id=order.pk, now=now)


def status_of(order):
    return Order.objects.get(pk=order.pk).status


# the last look


def test_an_order_is_claimed_with_the_time_and_safe_to_repeat(account):
    order = pending(account)
    assert claim(order).sent_at == LATER
    assert claim(order, LATER + seconds(9)).sent_at == LATER
    assert status_of(order) == OrderStatus.PENDING_NEW


@pytest.mark.parametrize("is_inherited", [False, True])
def test_an_order_that_waited_while_its_account_was_locked_is_denied(account, is_inherited):
    child = builders.account(account.company, parent=account)
    order = pending(child)
    builders.lock(account if is_inherited else child)
    assert claim(order) is None
    order.refresh_from_db()
    assert (order.status, order.failure_reason, order.sent_at) == ("DENIED", "TradingLocked", None)
    entry = only_entry(AuditAction.ORDER_DENIED)
    assert (entry.actor, entry.account, entry.reason) == ("task", child, order.failure_text)
    before = snapshot()
    assert claim(order) is None
    assert snapshot() == before


def test_a_lock_that_came_and_went_while_the_order_waited_stops_nothing(account):
    order = pending(account)
    builders.lock(account)
    AccountLock.objects.update(released_at=NOW)
    assert claim(order)


@pytest.mark.parametrize(
    ("net", "side", "qty", "is_sent"),
    [(2, SELL, 1, True), (2, SELL, 2, True), (2, SELL, 3, False), (2, BUY, 1, False), (-2, BUY, 2, True)],
)
@pytest.mark.parametrize("is_inherited", [False, True])
def test_in_liquidate_only_an_order_that_waited_goes_if_it_can_only_reduce(
    account, net, side, qty, is_sent, is_inherited
):
    child = builders.account(account.company, parent=account)
    builders.position(child, net=net)
    order = pending(child, side, qty)
    builders.lock(account if is_inherited else child, mode=LockMode.LIQUIDATE_ONLY)
    assert bool(claim(order)) is is_sent
    if not is_sent:
        assert Order.objects.get(pk=order.pk).failure_reason == "LiquidationOnly"


def test_two_closing_orders_that_waited_do_not_flip_the_position_together(account):
    builders.position(account, net=1)
    first, second = pending(account, SELL), pending(account, SELL)
    builders.lock(account, mode=LockMode.LIQUIDATE_ONLY)
    assert [bool(claim(first)), bool(claim(second))] == [False, True]


def test_credit_that_was_used_up_meanwhile_does_not_stop_an_order_that_passed_the_gate(account):
    holding_at(account, 2, "-500")
    order = pending(account, SELL)
    builders.limits.save_account_credit(
        account_id=account.pk,
        changes={
            "check_credit": True,
            "daily_limit": Decimal(100),
            "rule": CreditRule.PNL_AND_MARGIN,
            "trade_out_allowed": False,
        },
        actor=builders.platform(),
        now=NOW,
    )
    builders.lock(account, mode=LockMode.LIQUIDATE_ONLY)
    assert claim(order)


def test_a_closing_order_of_a_liquidation_passes_the_lock_that_it_is_for(account):
    order = pending(account)
    Order.objects.filter(pk=order.pk).update(is_liquidation=True)
    builders.lock(account)
    assert claim(order).sent_at == LATER


def test_an_order_that_was_sent_and_never_arrived_is_held_against_the_locks_anew(account):
    order = pending(account)
    claim(order)
    assert claim(order).sent_at == LATER
    builders.lock(account)
    assert claim(order) is None
    order.refresh_from_db()
    assert order.status == OrderStatus.DENIED


def test_a_shut_market_is_noted_until_the_order_goes_in(account):
    order = pending(account)
    claim(order)
    noted = note_market_closed(order_id=order.pk, now=LATER)
    assert (noted.failure_reason, noted.sent_at, noted.status) == ("SessionClosed", None, OrderStatus.PENDING_NEW)
    assert claim(order).failure_reason == ""
    Order.objects.update(status=OrderStatus.CANCELED)
    assert note_market_closed(order_id=order.pk, now=LATER).failure_reason == ""


@pytest.mark.parametrize("status", sorted(set(OrderStatus) - {OrderStatus.PENDING_NEW}))
def test_only_an_order_that_waits_is_sent(account, status):
    order = pending(account)
    Order.objects.filter(pk=order.pk).update(status=status)
    assert claim(order) is None


def test_a_canceled_and_an_unknown_order_are_not_sent(account):
    order = pending(account)
    cancel_order(order_id=order.pk, actor=builders.platform(), now=NOW)
    assert claim(order) is None
    assert claim_for_sending(order_id=0, now=NOW) is None


# what comes back


def execution(number, qty=1, price="6000"):
    return Execution(f"E{number}", qty, Decimal(price), NOW + timedelta(milliseconds=number))


def report(order, status, *executions, text="", now=LATER):
    return apply_report(order_id=order.pk, report=OrderReport(order.client_order_id, status, executions, text), now=now)


def net_of(account):
    return sum(position.net for position in Position.objects.filter(account=account))


def test_a_report_moves_the_order_and_its_executions_the_position(account):
    order = builders.working_order(account, side=SELL, qty=3)
    report(order, OrderStatus.WORKING, execution(1, 2))
    order.refresh_from_db()
    assert (order.status, order.filled_qty, order.leaves_qty, order.updated_at) == ("WORKING", 2, 1, LATER)
    report(order, OrderStatus.FILLED, execution(1, 2), execution(2))
    order.refresh_from_db()
    assert (order.status, order.filled_qty, order.leaves_qty) == ("FILLED", 3, 0)
    assert net_of(account) == -3
    assert set(Fill.objects.values_list("order", "venue", "execution_id")) == {
        (order.pk, "simulated", "E1"),
        (order.pk, "simulated", "E2"),
    }


def test_safe_to_repeat_each_execution_counts_once(account):
    order = builders.working_order(account, qty=3)
    report(order, OrderStatus.WORKING, execution(1), execution(2))
    before = snapshot()
    report(order, OrderStatus.WORKING, execution(2), execution(1))
    assert snapshot() == before


def test_safe_out_of_order_the_end_is_the_same_whatever_came_first(account):
    steps = [
        (OrderStatus.PENDING_NEW, ()),
        (OrderStatus.WORKING, (execution(1),)),
        (OrderStatus.WORKING, (execution(1), execution(2))),
        (OrderStatus.CANCELED, (execution(1), execution(2))),
    ]
    for number, order_of_steps in enumerate(permutations(steps)):
        own = [
            (status, tuple(Execution(f"{number}-{e.execution_id}", e.qty, e.price, e.at) for e in executions))
            for status, executions in order_of_steps
        ]
        order = builders.working_order(account, qty=3)
        for status, executions in own:
            report(order, status, *executions)
        order.refresh_from_db()
        assert (order.status, order.filled_qty) == ("CANCELED", 2)
    assert net_of(account) == 2 * 24


@pytest.mark.parametrize("end", sorted(set(OrderStatus) - OPEN_STATUSES))
@pytest.mark.parametrize("reported", sorted(OrderStatus))
def test_a_status_never_leads_back_from_an_end(account, end, reported):
    order = builders.working_order(account)
    Order.objects.filter(pk=order.pk).update(status=end)
    report(order, reported)
    assert status_of(order) == end


@pytest.mark.parametrize(
    ("standing", "reported", "expected"),
    [
        ("PENDING_NEW", "PENDING_NEW", "PENDING_NEW"),
        ("PENDING_NEW", "WORKING", "WORKING"),
        ("WORKING", "PENDING_NEW", "WORKING"),
        ("WORKING", "PENDING_CANCEL", "PENDING_CANCEL"),
        ("PENDING_CANCEL", "PENDING_NEW", "PENDING_CANCEL"),
        ("PENDING_CANCEL", "WORKING", "PENDING_CANCEL"),
        ("PENDING_CANCEL", "CANCELED", "CANCELED"),
        ("PENDING_CANCEL", "REJECTED", "REJECTED"),
        ("PENDING_NEW", "REJECTED", "REJECTED"),
        ("WORKING", "EXPIRED", "EXPIRED"),
    ],
)
def test_a_report_that_is_older_than_what_we_know_changes_no_status(account, standing, reported, expected):
    order = builders.working_order(account)
    Order.objects.filter(pk=order.pk).update(status=standing)
    report(order, OrderStatus(reported))
    assert status_of(order) == expected


def test_a_late_fill_after_the_cancel_counts_and_the_order_stays_canceled(account):
    order = builders.working_order(account, qty=2)
    report(order, OrderStatus.CANCELED)
    report(order, OrderStatus.CANCELED, execution(1))
    order.refresh_from_db()
    assert (order.status, order.filled_qty, net_of(account)) == ("CANCELED", 1, 1)
    report(order, OrderStatus.CANCELED, execution(1), execution(2))
    assert (status_of(order), net_of(account)) == ("FILLED", 2)


def test_a_venue_that_fills_too_much_is_believed_in_the_position(account):
    order = builders.working_order(account, qty=2)
    report(order, OrderStatus.WORKING, execution(1, 1), execution(2, 4))
    order.refresh_from_db()
    assert (order.status, order.filled_qty, net_of(account)) == ("FILLED", 2, 5)


def test_a_venues_words_are_kept_until_it_has_others(account):
    order = builders.working_order(account)
    for text, expected in (("", ""), ("too far away", "too far away"), ("", "too far away"), ("gone", "gone")):
        report(order, OrderStatus.WORKING, text=text)
        assert Order.objects.get(pk=order.pk).failure_text == expected


def test_fills_count_while_the_account_is_locked(account):
    order = builders.working_order(account)
    builders.lock(account)
    report(order, OrderStatus.FILLED, execution(1))
    assert net_of(account) == 1
    assert not entries(AuditAction.ORDER_DENIED)
