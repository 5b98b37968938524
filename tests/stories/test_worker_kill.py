"""A worker is killed in the middle of a liquidation; the next one brings it to flat, and nothing is closed twice."""

import pytest
from celery import current_app
from django.utils import timezone

from accounts.models import Fill, Order
from accounts.permissions import ENGINE
from accounts.rules.locks import LockCause, LockMode
from accounts.rules.orders import OrderStatus
from accounts.rules.pnl import Side
from accounts.services.locks import lock_account
from liquidation.gateways.simulated import SimulatedExchange
from liquidation.models import LiquidationRun, RunOrder, RunStep, VenueExecution
from liquidation.rules.states import RunState
from liquidation.services.runs import request_run
from tests.builders import account, company, mark, position, working_order
from tests.processes import until

pytestmark = [pytest.mark.worker, pytest.mark.django_db(transaction=True)]
NETS = {"ESZ6": 7, "NQZ6": -4, "GCZ6": 3, "CLF7": -2}
PRICES = {"ESZ6": "6000", "NQZ6": "21500", "GCZ6": "2650", "CLF7": "70"}
MOMENTS = {
    "as it starts": RunStep.objects.filter(event="START").exists,
    "when its closing orders are promised": RunOrder.objects.exists,
    "when the first of them has traded": VenueExecution.objects.exists,
}


@pytest.fixture
def holder():
    row = account(company())
    for symbol, net in NETS.items():
        position(row, symbol, net=net, price=PRICES[symbol])
        mark(symbol, PRICES[symbol])
    for number in range(3):
        working_order(row, side=Side.BUY, price=str(5800 - number))
    return row


def ask_for_liquidation(row):
    lock_account(
        account_id=row.pk,
        actor=ENGINE,
        cause=LockCause.AUTO_LIQ,
        mode=LockMode.LOCKED,
        reason="too much lost",
        now=timezone.now(),
    )
    return request_run(account_id=row.pk, cause="CREDIT_LOSS", actor=ENGINE, now=timezone.now()).run_id


def is_flat(run_id):
    """Whether the run is flat; the sweep, which the beat would wake, is woken here."""

    def look():
        current_app.send_task("liquidation.sweep_runs")
        return LiquidationRun.objects.get(pk=run_id).state == RunState.FLAT

    return look


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_worker_killed_in_the_middle_costs_seconds_and_no_position(holder, celery_worker_process, moment):
    first = celery_worker_process()
    run_id = ask_for_liquidation(holder)
    assert until(MOMENTS[moment])
    first.kill()
    celery_worker_process()
    assert until(is_flat(run_id), seconds=60)
    venue = SimulatedExchange().look([str(holder.pk)])
    assert (dict(venue.positions), list(venue.open_orders)) == ({}, [])
    assert {row.instrument.symbol: row.net for row in holder.positions.all()} == dict.fromkeys(NETS, 0)
    closing = Order.objects.filter(is_liquidation=True, status=OrderStatus.FILLED)
    assert sum(order.filled_qty for order in closing) == sum(abs(net) for net in NETS.values())
    assert Fill.objects.filter(order__in=closing).count() == closing.count()
    assert Order.objects.filter(is_liquidation=False, status=OrderStatus.CANCELED).count() == 3


def test_two_workers_at_once_close_nothing_twice(holder, celery_worker_process):
    celery_worker_process()
    celery_worker_process()
    run_id = ask_for_liquidation(holder)
    assert until(is_flat(run_id), seconds=60)
    assert sum(order.filled_qty for order in Order.objects.filter(is_liquidation=True)) == sum(map(abs, NETS.values()))
