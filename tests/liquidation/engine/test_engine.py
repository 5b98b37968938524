"""The engine on a real database, with the simulated exchange and every service."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from accounts.models import AccountLock, Order, Position
from accounts.rules.credit import CreditLossAction
from accounts.rules.hierarchy import AccountType
from accounts.rules.locks import LockCause, LockMode
from accounts.rules.orders import OrderStatus
from accounts.rules.pnl import Side
from accounts.services import limits
from liquidation.engine import RiskEngine
from liquidation.gateways.simulated import SimulatedExchange
from liquidation.models import Alert, Evaluation, LiquidationRun
from liquidation.rules.states import RunState
from liquidation.services import runs
from tests import builders as b
from tests.drive import Desk, working_desk

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def desk() -> Iterator[Desk]:
    with working_desk() as desk:
        yield desk


def started(desk: Desk) -> RiskEngine:
    engine = RiskEngine(mark_max_age_seconds=None)
    engine.load(desk.now)
    return engine


def move(engine: RiskEngine, desk: Desk, price: str, symbol: str = "ESZ6") -> None:
    desk.now += b.seconds(1)
    SimulatedExchange().move_price(symbol, Decimal(price), desk.now)
    engine.on_mark(symbol, Decimal(price), desk.now, "test")
    desk.work()
    engine.refresh(desk.now)


def modes(account: object) -> set[tuple[str, str]]:
    return {(lock.cause, lock.mode) for lock in AccountLock.objects.filter(account=account, released_at=None)}


def test_a_breach_locks_cancels_closes_and_ends_flat(desk: Desk) -> None:
    firm = b.company()
    # 3 contracts at 50 a point: 8,000 is lost 53.33 points below 6000, so at 5946.50 and not at 5946.75
    house = b.account(firm, daily_limit="10000", loss_pct="80", action=CreditLossAction.AUTO_LIQUIDATE)
    b.position(house, net=3, price="6000")
    resting = b.working_order(house, side=Side.BUY, qty=2, price="5900")
    engine = started(desk)
    move(engine, desk, "6000")
    move(engine, desk, "5946.75")
    assert modes(house) == set()
    move(engine, desk, "5946.50")
    assert modes(house) == {("AUTO_LIQ", "LOCKED")}
    run = LiquidationRun.objects.get()
    assert run.state == RunState.FLAT
    evaluation = Evaluation.objects.get()
    assert (evaluation.pnl, evaluation.threshold) == (Decimal(-8025), Decimal(8000))
    resting.refresh_from_db()
    assert resting.status == OrderStatus.CANCELED
    closing = Order.objects.get(is_liquidation=True)
    assert (closing.side, closing.qty, closing.filled_qty, closing.operator_id) == (Side.SELL, 3, 3, "OP1")
    assert Position.objects.get().net == 0


def test_a_loss_of_exactly_the_limit_is_a_breach(desk: Desk) -> None:
    house = b.account(b.company(), daily_limit="10000", loss_pct="80", action=CreditLossAction.DISABLE)
    b.position(house, net=2, price="6000")
    engine = started(desk)
    move(engine, desk, "5920.25")
    assert modes(house) == set()
    move(engine, desk, "5920")
    assert modes(house) == {("CREDIT_LOSS", "LOCKED")}


def test_disable_leaves_orders_and_positions_alone(desk: Desk) -> None:
    house = b.account(b.company(), daily_limit="10000", loss_pct="80", action=CreditLossAction.DISABLE)
    b.position(house, net=2, price="6000")
    order = b.working_order(house)
    move(started(desk), desk, "5910")
    order.refresh_from_db()
    assert (order.status, Position.objects.get().net) == (OrderStatus.WORKING, 2)
    assert not LiquidationRun.objects.exists()


def test_disable_and_cancel_takes_orders_out_and_leaves_the_position(desk: Desk) -> None:
    house = b.account(b.company(), daily_limit="10000", loss_pct="80", action=CreditLossAction.DISABLE_AND_CANCEL)
    b.position(house, net=2, price="6000")
    order = b.working_order(house)
    move(started(desk), desk, "5910")
    order.refresh_from_db()
    assert (order.status, Position.objects.get().net) == (OrderStatus.CANCELED, 2)


def test_a_breach_while_disabled_already_does_nothing_again(desk: Desk) -> None:
    house = b.account(b.company(), daily_limit="10000", loss_pct="80", action=CreditLossAction.DISABLE)
    b.position(house, net=2, price="6000")
    engine = started(desk)
    for price in ("5910", "5950", "5900", "5800"):
        move(engine, desk, price)
    assert Evaluation.objects.count() == 1
    restarted = started(desk)
    move(restarted, desk, "5700")
    assert Evaluation.objects.count() == 1


def test_a_parent_counts_its_childrens_losses_and_closes_their_net_at_its_own_level(desk: Desk) -> None:
    firm = b.company()
    parent = b.account(firm, "DESK", daily_limit="5000", loss_pct="100", action=CreditLossAction.AUTO_LIQUIDATE)
    one = b.account(firm, "ONE", parent=parent, account_type=AccountType.ROUTING_INTERNAL)
    two = b.account(firm, "TWO", parent=parent, account_type=AccountType.ROUTING_INTERNAL)
    b.position(one, net=3, price="6000")
    b.position(two, net=-1, price="6000")
    # net 2: 5,000 is lost at 50 points
    engine = started(desk)
    move(engine, desk, "5950.25")
    assert not LiquidationRun.objects.exists()
    move(engine, desk, "5950")
    run = LiquidationRun.objects.get()
    assert (run.account, run.state) == (parent, RunState.FLAT)
    closing = Order.objects.get(is_liquidation=True)
    assert (closing.account, closing.side, closing.qty) == (parent, Side.SELL, 2)
    assert modes(one) == set()


def test_an_auto_liquidation_below_an_active_one_is_ignored(desk: Desk) -> None:
    firm = b.company()
    parent = b.account(firm, daily_limit="50000", loss_pct="100", action=CreditLossAction.AUTO_LIQUIDATE)
    child = b.account(
        firm,
        parent=parent,
        account_type=AccountType.ROUTING_INTERNAL,
        daily_limit="1000",
        loss_pct="50",
        action=CreditLossAction.AUTO_LIQUIDATE,
    )
    b.position(child, net=1, price="6000")
    move(started(desk), desk, "5900")
    assert modes(child) == set()
    assert not LiquidationRun.objects.exists()


def test_an_auto_liquidation_on_a_non_routing_account_is_inactive_and_alerted(desk: Desk) -> None:
    house = b.account(b.company(), daily_limit="1000", loss_pct="50", action=CreditLossAction.AUTO_LIQUIDATE)
    house.type = AccountType.NON_ROUTING
    house.save()
    b.position(house, net=1, price="6000")
    engine = started(desk)
    move(engine, desk, "5980")
    assert modes(house) == set()
    assert Alert.objects.get(cleared_at=None).code == "CREDIT_LOSS_ACTION_INACTIVE"
    move(engine, desk, "6000")
    assert not Alert.objects.filter(cleared_at=None).exists()


def test_without_a_liquidation_user_the_lock_stands_orders_go_and_a_person_is_needed(desk: Desk) -> None:
    firm = b.company()
    house = b.account(firm, daily_limit="1000", loss_pct="50", action=CreditLossAction.AUTO_LIQUIDATE)
    firm.auto_liquidation_user = None
    firm.save()
    b.position(house, net=1, price="6000")
    order = b.working_order(house)
    move(started(desk), desk, "5980")
    run = LiquidationRun.objects.get()
    order.refresh_from_db()
    assert (run.state, run.reason) == (RunState.NEEDS_OPERATOR, "NO_LIQUIDATION_USER")
    assert (order.status, modes(house)) == (OrderStatus.CANCELED, {("AUTO_LIQ", "LOCKED")})
    assert Alert.objects.filter(code="RUN_NO_LIQUIDATION_USER").exists()


def test_what_can_be_closed_is_closed_before_a_person_is_asked(desk: Desk) -> None:
    firm = b.company()
    house = b.account(firm, daily_limit="1000", loss_pct="50", action=CreditLossAction.AUTO_LIQUIDATE)
    b.position(house, net=1, price="6000")
    b.position(house, "FDAXZ6", net=1, price="20000")
    b.rate()
    b.mark("FDAXZ6", "20000")
    move(started(desk), desk, "5980")
    run = LiquidationRun.objects.get()
    assert (run.state, run.reason) == (RunState.NEEDS_OPERATOR, "NO_OPERATOR_ID")
    assert {p.instrument.symbol: p.net for p in Position.objects.all()} == {"ESZ6": 0, "FDAXZ6": 1}


def test_a_position_without_a_price_is_not_evaluable_never_fine_and_never_a_breach(desk: Desk) -> None:
    house = b.account(b.company(), daily_limit="1000", loss_pct="50", action=CreditLossAction.AUTO_LIQUIDATE)
    b.position(house, net=1, price="6000")
    b.position(house, "NQZ6", net=1, price="20000")
    engine = started(desk)
    move(engine, desk, "5900")
    assert not Alert.objects.exists()  # the first prices may still come
    desk.now += b.seconds(60)
    move(engine, desk, "5900")
    assert modes(house) == set()
    assert Alert.objects.get(cleared_at=None).code == "NOT_EVALUABLE:PRICE"
    move(engine, desk, "20000", "NQZ6")
    assert modes(house) == {("AUTO_LIQ", "LOCKED")}
    assert not Alert.objects.filter(code="NOT_EVALUABLE:PRICE", cleared_at=None).exists()


def test_a_missing_rate_is_not_evaluable(desk: Desk) -> None:
    house = b.account(b.company(), daily_limit="1000", loss_pct="50", action=CreditLossAction.DISABLE)
    b.position(house, "FDAXZ6", net=1, price="20000")
    engine = started(desk)
    move(engine, desk, "19000", "FDAXZ6")
    assert Alert.objects.get(cleared_at=None).code == "NOT_EVALUABLE:RATE_MISSING"
    assert modes(house) == set()


def test_a_loss_in_another_currency_is_converted_first(desk: Desk) -> None:
    house = b.account(b.company(), daily_limit="1350", loss_pct="100", action=CreditLossAction.DISABLE)
    b.rate(value="1.35")
    b.position(house, "FDAXZ6", net=1, price="20000")
    engine = started(desk)
    move(engine, desk, "19961", "FDAXZ6")  # 39 x 25 EUR x 1.35 = 1,316.25
    assert modes(house) == set()
    move(engine, desk, "19960", "FDAXZ6")  # 40 x 25 EUR x 1.35 = 1,350
    assert modes(house) == {("CREDIT_LOSS", "LOCKED")}


def test_a_single_bad_tick_decides_nothing(desk: Desk) -> None:
    house = b.account(b.company(), daily_limit="1000", loss_pct="50", action=CreditLossAction.AUTO_LIQUIDATE)
    b.position(house, net=1, price="6000")
    engine = started(desk)
    move(engine, desk, "6000")
    move(engine, desk, "600")
    assert modes(house) == set()
    assert Alert.objects.get(cleared_at=None).code == "MARK_SUSPECT:ESZ6"
    move(engine, desk, "6000")
    assert modes(house) == set()


def test_a_genuine_gap_is_acted_on_once_it_is_confirmed(desk: Desk) -> None:
    house = b.account(b.company(), daily_limit="1000", loss_pct="50", action=CreditLossAction.AUTO_LIQUIDATE)
    b.position(house, net=1, price="6000")
    engine = started(desk)
    move(engine, desk, "6000")
    for price in ("2900", "2901", "2900"):
        move(engine, desk, price)
    assert modes(house) == {("AUTO_LIQ", "LOCKED")}


def test_a_silent_source_stops_decisions_and_is_alerted(desk: Desk) -> None:
    house = b.account(b.company(), daily_limit="1000", loss_pct="50", action=CreditLossAction.DISABLE)
    b.position(house, net=1, price="6000")
    engine = RiskEngine(mark_max_age_seconds=10)
    engine.load(desk.now)
    move(engine, desk, "6000")
    engine.tick(desk.now + b.seconds(10))
    assert not Alert.objects.exists()
    engine.tick(desk.now + b.seconds(10.001))
    assert [alert.code for alert in Alert.objects.filter(cleared_at=None)] == ["FEED_SILENT:test"]
    engine.hear("test", desk.now + b.seconds(11))
    engine.tick(desk.now + b.seconds(11))
    assert not Alert.objects.filter(cleared_at=None).exists()


def test_a_setting_saved_is_in_force_in_the_engine_at_once(desk: Desk) -> None:
    house = b.account(b.company(), daily_limit="10000", loss_pct="80", action=CreditLossAction.DISABLE)
    b.position(house, net=1, price="6000")
    engine = started(desk)
    move(engine, desk, "5950")
    assert modes(house) == set()
    limits.save_account_credit(
        account_id=house.pk, changes={"daily_limit": Decimal(2000)}, actor=b.platform(), now=desk.now
    )
    engine.refresh(desk.now)
    assert modes(house) == {("CREDIT_LOSS", "LOCKED")}


def test_the_company_switch_off_stops_every_action_and_on_again_evaluates_at_once(desk: Desk) -> None:
    firm = b.company(post_trade_risk_enabled=False)
    house = b.account(firm, daily_limit="1000", loss_pct="50", action=CreditLossAction.DISABLE)
    b.position(house, net=1, price="6000")
    engine = started(desk)
    move(engine, desk, "5900")
    assert modes(house) == set()
    b.companies.change_company(
        company_id=firm.pk, changes={"post_trade_risk_enabled": True}, actor=b.platform(), now=desk.now
    )
    engine.refresh(desk.now)
    assert modes(house) == {("CREDIT_LOSS", "LOCKED")}


def test_check_credit_off_means_no_action(desk: Desk) -> None:
    house = b.account(b.company(), daily_limit="1000", loss_pct="50", action=CreditLossAction.DISABLE)
    limits.save_account_credit(account_id=house.pk, changes={"check_credit": False}, actor=b.platform(), now=b.NOW)
    b.position(house, net=1, price="6000")
    move(started(desk), desk, "5000")
    assert modes(house) == set()


@pytest.mark.parametrize(
    ("field", "amount", "price", "expected"),
    [
        ("daily_loss_liq_only", "500", "5990", {(LockCause.AUTO_LIQ, LockMode.LIQUIDATE_ONLY)}),
        ("daily_loss_auto_liq", "500", "5990", {(LockCause.AUTO_LIQ, LockMode.LOCKED)}),
        ("weekly_loss_auto_liq", "500", "5990", {(LockCause.AUTO_LIQ, LockMode.LOCKED)}),
        ("daily_profit_auto_liq", "500", "6010", {(LockCause.AUTO_LIQ, LockMode.LOCKED)}),
        ("weekly_profit_auto_liq", "500", "6010", {(LockCause.AUTO_LIQ, LockMode.LOCKED)}),
        ("daily_loss_percentage_auto_liq", "5", "5990", {(LockCause.AUTO_LIQ, LockMode.LOCKED)}),
        ("margin_percentage_auto_liq", "44", "5990", {(LockCause.AUTO_LIQ, LockMode.LOCKED)}),
    ],
)
def test_every_wire_limit_acts_at_its_level(
    desk: Desk, field: str, amount: str, price: str, expected: set[tuple[str, str]]
) -> None:
    # one contract: 10 points are 500; the base is 10,000; margin 4,180 is 44 % of 9,500
    house = b.account(b.company(), daily_limit="10000", auto_liq={field: Decimal(amount)})
    b.position(house, net=1, price="6000")
    engine = started(desk)
    nearly = "5990.25" if price == "5990" else "6009.75"
    move(engine, desk, "6000")
    move(engine, desk, nearly)
    assert modes(house) == set()
    move(engine, desk, price)
    assert modes(house) == expected


def test_a_trailing_drawdown_hangs_from_the_highest_price_between_two_looks(desk: Desk) -> None:
    house = b.account(
        b.company(),
        daily_limit="10000",
        auto_liq={
            "trailing_max_drawdown": Decimal(1000),
            "trailing_max_drawdown_mode": "RealTime",
            "trailing_max_drawdown_limit": Decimal(10_500),
        },
    )
    b.position(house, net=1, price="6000")
    engine = started(desk)
    for price in ("6000", "6004", "6014", "6004"):  # peak 10,700 so the floor is 9,700: P/L -300
        move(engine, desk, price)
    move(engine, desk, "5994.25")
    assert modes(house) == set()
    move(engine, desk, "5994")
    assert modes(house) == {("AUTO_LIQ", "LOCKED")}
    house.session.refresh_from_db()
    assert house.session.max_net_liq == Decimal(10_700)


def test_an_alert_is_raised_once_per_crossing_and_armed_again(desk: Desk) -> None:
    house = b.account(b.company(), auto_liq={"daily_loss_alert": Decimal(500)})
    b.position(house, net=1, price="6000")
    engine = started(desk)
    for price in ("5990", "5985", "5990", "5990.25", "5989"):
        move(engine, desk, price)
    assert [alert.code for alert in Alert.objects.order_by("id")] == ["DAILY_LOSS_ALERT", "DAILY_LOSS_ALERT"]
    assert Alert.objects.filter(cleared_at=None).count() == 1


def test_a_daily_limit_unlocks_at_the_next_session_unless_told_not_to(desk: Desk) -> None:
    firm = b.company()
    one = b.account(firm, auto_liq={"daily_loss_auto_liq": Decimal(500)})
    two = b.account(firm, auto_liq={"daily_loss_auto_liq": Decimal(500), "do_not_unlock": True})
    for house in (one, two):
        b.position(house, net=1, price="6000")
    move(started(desk), desk, "5990")
    due = {lock.account_id: lock.release_due_at for lock in AccountLock.objects.all()}
    assert due[two.pk] is None
    assert due[one.pk].isoformat() == "2026-11-20T23:00:00+00:00"  # 17:00 in Chicago


def test_a_fill_after_flat_starts_another_run_while_the_lock_stands(desk: Desk) -> None:
    house = b.account(b.company(), daily_limit="1000", loss_pct="50", action=CreditLossAction.AUTO_LIQUIDATE)
    b.position(house, net=1, price="6000")
    engine = started(desk)
    move(engine, desk, "5980")
    assert LiquidationRun.objects.get().state == RunState.FLAT
    desk.now += b.seconds(1)
    b.fill(house, side=Side.BUY, qty=2, price="5980", at=desk.now)
    engine.refresh(desk.now)
    desk.work()
    runs = LiquidationRun.objects.order_by("id")
    assert [run.state for run in runs] == [RunState.FLAT, RunState.FLAT]
    assert runs[1].cause == "POSITION_AFTER_FLAT"
    assert sum(p.net for p in Position.objects.all()) == 0


def test_a_flatten_timestamp_flattens_once_and_leaves_the_account_open(desk: Desk) -> None:
    house = b.account(b.company(), auto_liq={"flatten_timestamp": b.NOW + b.seconds(60)})
    b.position(house, net=1, price="6000")
    engine = started(desk)
    move(engine, desk, "6000")
    engine.tick(b.NOW + b.seconds(59))
    assert not LiquidationRun.objects.exists()
    desk.now = b.NOW + b.seconds(60)
    engine.tick(desk.now)
    assert modes(house) == {("FLATTEN", "LOCKED")}
    desk.work()
    engine.refresh(desk.now)
    assert (LiquidationRun.objects.get().state, modes(house)) == (RunState.FLAT, set())
    engine.tick(desk.now + b.seconds(60))
    assert LiquidationRun.objects.count() == 1


def test_a_flatten_lock_ends_whichever_run_did_the_work(desk: Desk) -> None:
    house = b.account(b.company(), auto_liq={"flatten_timestamp": b.NOW + b.seconds(60)})
    b.position(house, net=1, price="6000")
    engine = started(desk)
    move(engine, desk, "6000")
    runs.request_run(account_id=house.pk, cause="TEST", actor=b.platform(), now=desk.now)
    desk.now = b.NOW + b.seconds(60)
    engine.tick(desk.now)
    assert modes(house) == {("FLATTEN", "LOCKED")}
    desk.work()
    assert (LiquidationRun.objects.get().cause, modes(house)) == ("TEST", set())
