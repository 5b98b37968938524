"""A worker is killed in the middle of a liquidation; the next one brings it to flat, and nothing is closed twice."""

import signal
from decimal import Decimal

import pytest
from celery import current_app
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Fill, Order
from accounts.permissions import ENGINE
from accounts.rules.credit import CreditLossAction
from accounts.rules.locks import LockCause, LockMode, TradingMode
from accounts.rules.orders import OrderStatus
from accounts.rules.pnl import Side
from accounts.selectors import trading_mode_of
from accounts.services import limits
from accounts.services.locks import lock_account
from liquidation.engine import RiskEngine
from liquidation.gateways.simulated import SimulatedExchange
from liquidation.models import LiquidationRun
from liquidation.rules.states import RunState
from liquidation.services.runs import request_run
from tests.builders import PASSWORD, account, admin, company, mark, platform, position, working_order
from tests.processes import until

pytestmark = [pytest.mark.worker, pytest.mark.django_db(transaction=True)]
NETS = {"ESZ6": 7, "NQZ6": -4, "GCZ6": 3, "CLF7": -2}
PRICES = {"ESZ6": "6000", "NQZ6": "21500", "GCZ6": "2650", "CLF7": "70"}
# Every call that a run makes to the venue, before it is made and after it was answered; by step of the run.
MOMENTS = {
    "canceling, before a cancel is asked for": "cancel before 1",
    "canceling, after the venue canceled": "cancel after 1",
    "canceling, between two cancels": "cancel before 2",
    "canceling, after the look for strangers": "look after 1",
    "flattening, before the look": "look before 2",
    "flattening, after the look": "look after 2",
    "flattening, before the first closing order": "submit before 1",
    "flattening, after it traded and before it is noted": "submit after 1",
    "flattening, after the last closing order": "submit after 4",
    "flattening, before the look that finds nothing": "look before 3",
    "verifying, before the second look": "look before 4",
    "verifying, after the second look": "look after 4",
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


def assert_flat_once(row):
    """Flat at the venue and here, every contract closed once and no more, every resting order gone."""
    venue = SimulatedExchange().look([str(row.pk)])
    assert (dict(venue.positions), list(venue.open_orders)) == ({}, [])
    assert {position.instrument.symbol: position.net for position in row.positions.all()} == dict.fromkeys(NETS, 0)
    closing = Order.objects.filter(is_liquidation=True, status=OrderStatus.FILLED)
    assert sum(order.filled_qty for order in closing) == sum(abs(net) for net in NETS.values())
    assert Fill.objects.filter(order__in=closing).count() == closing.count()
    assert Order.objects.filter(is_liquidation=False, status=OrderStatus.CANCELED).count() == 3


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_worker_killed_at_each_step_of_a_run_costs_seconds_and_no_position(
    holder, celery_worker_process, tmp_path, moment
):
    deaths = tmp_path / "deaths"
    mortal = celery_worker_process(
        application="tests.mortal_worker",
        pool=1,
        RISKADMIN_TEST_DIES_AT=MOMENTS[moment],
        RISKADMIN_TEST_DEATHS=str(deaths),
    )
    run_id = ask_for_liquidation(holder)
    assert mortal.process.wait(timeout=30) == -signal.SIGKILL
    assert deaths.read_text() == MOMENTS[moment]
    assert LiquidationRun.objects.get().is_active
    assert trading_mode_of(holder.pk) == TradingMode.LOCKED
    celery_worker_process()
    assert until(is_flat(run_id), seconds=60)
    assert_flat_once(holder)


def test_without_a_worker_a_breach_leaves_a_lock_and_a_promise_and_starting_one_keeps_it(holder, celery_worker_process):
    limits.save_account_credit(
        account_id=holder.pk,
        changes={
            "check_credit": True,
            "daily_limit": Decimal(10_000),
            "credit_loss_pct": Decimal(50),
            "credit_loss_action": CreditLossAction.AUTO_LIQUIDATE,
        },
        actor=platform(),
        now=timezone.now(),
    )
    engine = RiskEngine(mark_max_age_seconds=None)
    engine.load(timezone.now())
    engine.on_mark("ESZ6", Decimal(5985), timezone.now(), "test")  # 7 x 15 x 50 = 5,250 of 5,000
    run = LiquidationRun.objects.get()
    assert (run.state, trading_mode_of(holder.pk)) == (RunState.REQUESTED, TradingMode.LOCKED)
    celery_worker_process()
    assert until(is_flat(run.pk), seconds=60)
    assert_flat_once(holder)


def test_an_order_right_after_the_admin_action_answers_is_refused_without_any_worker(holder, valkey, real_queue):
    administrator = admin(holder.company)
    client = APIClient()
    token = client.post(
        "/v1/auth/accesstokenrequest", {"name": administrator.username, "password": PASSWORD}, format="json"
    ).json()["accessToken"]
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    locked = client.post(
        "/v1/accountRiskStatus/setAdminAutoLiqAction",
        {"accountId": holder.pk, "adminAction": "LiquidateImmediately", "adminActionReasonCode": "CloseFraud"},
        format="json",
    ).json()
    order = {"accountId": holder.pk, "action": "Buy", "symbol": "ESZ6", "orderQty": 1, "orderType": "Market"}
    answer = client.post("/v1/order/placeOrder", order, format="json").json()
    assert locked["accountRiskStatus"]["adminAction"] == "LiquidateImmediately"
    assert answer["failureReason"] == "TradingLocked"
    assert LiquidationRun.objects.get().state == RunState.REQUESTED
    valkey.client().flushall()


def test_two_workers_at_once_close_nothing_twice(holder, celery_worker_process):
    celery_worker_process()
    celery_worker_process()
    run_id = ask_for_liquidation(holder)
    assert until(is_flat(run_id), seconds=60)
    assert sum(order.filled_qty for order in Order.objects.filter(is_liquidation=True)) == sum(map(abs, NETS.values()))
