"""The tasks read the clock and call one service; the sweeps find what was lost."""

import pytest
from django.utils import timezone

from accounts.models import Account, Order
from accounts.queue import carried_by
from accounts.rules.orders import OrderStatus, OrderType
from accounts.rules.pnl import Side
from accounts.services.orders import NewOrder, cancel_order, submit_order
from liquidation import tasks
from liquidation.gateways.simulated import SimulatedExchange
from liquidation.models import LiquidationRun, VenueOrder
from liquidation.rules.states import RunState
from liquidation.services.runs import request_run
from tests import builders as b

pytestmark = pytest.mark.django_db(transaction=True)


def placed(account: Account) -> Order:
    result = submit_order(
        account_id=account.pk,
        order=NewOrder("ESZ6", Side.BUY, 1, OrderType.LIMIT, b.Decimal(5900)),
        actor=b.actor(b.trader(account.company, account)),
        now=timezone.now(),
    )
    return Order.objects.get(pk=result.order_id)


@pytest.fixture
def account() -> Account:
    b.mark()
    return b.account(b.company())


def test_an_order_is_sent_and_canceled(account: Account) -> None:
    order = placed(account)
    tasks.send_order(order.pk)
    order.refresh_from_db()
    assert order.status == OrderStatus.WORKING
    cancel_order(order_id=order.pk, actor=b.platform(), now=timezone.now())
    tasks.send_cancel(order.pk)
    order.refresh_from_db()
    assert order.status == OrderStatus.CANCELED


def test_the_sweep_carries_on_orders_and_cancels_whose_wake_up_was_lost(account: Account) -> None:
    order = placed(account)
    tasks.sweep_orders()
    order.refresh_from_db()
    assert order.status == OrderStatus.WORKING
    cancel_order(order_id=order.pk, actor=b.platform(), now=timezone.now())
    tasks.sweep_orders()
    order.refresh_from_db()
    assert order.status == OrderStatus.CANCELED


def test_a_run_is_advanced_and_the_sweep_wakes_one_that_nobody_carries_on(account: Account) -> None:
    run_id = request_run(account_id=account.pk, cause="TEST", actor=b.platform(), now=timezone.now()).run_id
    woken: list[tuple[str, tuple[int, ...]]] = []
    with carried_by(lambda task, arguments, _delay: woken.append((task, arguments))):
        tasks.sweep_runs()
    assert woken == [("liquidation.advance_run", (run_id,))]
    tasks.advance_run(run_id)
    assert LiquidationRun.objects.get().state == RunState.CANCELING


def test_a_fill_whose_report_was_lost_is_found_by_asking(account: Account) -> None:
    order = placed(account)
    tasks.send_order(order.pk)
    SimulatedExchange().move_price("ESZ6", b.Decimal(5890), timezone.now())
    tasks.reconcile_orders()
    order.refresh_from_db()
    assert order.status == OrderStatus.WORKING  # heard of a moment ago
    Order.objects.update(updated_at=timezone.now() - b.seconds(30))
    tasks.reconcile_orders()
    order.refresh_from_db()
    assert (order.status, order.filled_qty) == (OrderStatus.FILLED, 1)


def test_an_order_the_venue_does_not_know_goes_to_the_end_of_the_reconciliation(account: Account) -> None:
    order = b.working_order(account)
    VenueOrder.objects.all().delete()
    Order.objects.update(updated_at=timezone.now() - b.seconds(3600))
    tasks.reconcile_orders()
    order.refresh_from_db()
    assert order.status == OrderStatus.WORKING
    assert timezone.now() - order.updated_at < b.seconds(60)
