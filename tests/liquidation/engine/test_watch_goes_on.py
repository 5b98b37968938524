"""What must not end or blind the watch: old prices, late commits, bad rows and events, alerts that stood before."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import OperationalError

from accounts.models import (
    AccountCredit,
    AccountLock,
    AccountSession,
    AuditEntry,
    Instrument,
    Mark,
    Order,
    Position,
)  # fmt: skip
from accounts.rules.credit import CreditLossAction
from accounts.rules.hierarchy import AccountType
from accounts.rules.locks import AdminAction
from accounts.rules.orders import OrderStatus
from accounts.rules.pnl import Side
from liquidation.engine import RiskEngine
from liquidation.engine import engine as engine_module
from liquidation.engine.changes import GAP_SECONDS, ORDER_OVERLAP_SECONDS, ChangeFeed
from liquidation.engine.loop import EngineLoop
from liquidation.engine.prices import SUSPECT_SECONDS
from liquidation.feeds.base import FillEvent, MarkEvent
from liquidation.gateways.simulated import SimulatedExchange
from liquidation.models import Alert, Evaluation, LiquidationRun, VenuePosition
from liquidation.rules.states import RunState
from liquidation.selectors import accounts_held_again
from liquidation.services import routing
from liquidation.services.admin_actions import set_admin_action
from liquidation.services.alerts import raise_alert
from tests import builders as b
from tests.drive import Desk, working_desk
from tests.liquidation.engine.feed import ListFeed

pytestmark = pytest.mark.django_db(transaction=True)
MAX_AGE = 10.0
DISABLE = CreditLossAction.DISABLE
AUTO_LIQUIDATE = CreditLossAction.AUTO_LIQUIDATE


@pytest.fixture
def desk() -> Iterator[Desk]:
    with working_desk() as desk:
        yield desk


def started(desk: Desk, max_age: float | None = MAX_AGE, **how) -> RiskEngine:
    engine = RiskEngine(mark_max_age_seconds=max_age, **how)
    engine.load(desk.now)
    return engine


def mark(engine: RiskEngine, desk: Desk, price: str, symbol: str = "ESZ6", after: float = 1) -> None:
    desk.now += b.seconds(after)
    SimulatedExchange().move_price(symbol, Decimal(price), desk.now)
    engine.on_mark(symbol, Decimal(price), desk.now, "test", desk.now)


def holder(action: CreditLossAction = DISABLE, **how):
    house = b.account(b.company(), daily_limit="10000", loss_pct="80", action=action, **how)
    b.position(house, net=3, price="6000")
    return house


def open_codes() -> set[str]:
    return set(Alert.objects.filter(cleared_at=None).values_list("code", flat=True))


@pytest.mark.parametrize(("age", "decides"), [(MAX_AGE - 0.001, True), (MAX_AGE, True), (MAX_AGE + 0.001, False)])
def test_a_stored_mark_decides_at_the_start_only_while_it_is_fresh(desk: Desk, age: float, decides: bool) -> None:
    holder()
    b.mark(price="5900", at=desk.now - b.seconds(age))
    started(desk)
    assert Evaluation.objects.exists() is decides


def test_a_backlog_sets_the_price_and_decides_nothing(desk: Desk) -> None:
    holder()
    old = [
        MarkEvent("ESZ6", Decimal(5900), desk.now - timedelta(hours=2), "test"),
        MarkEvent("ESZ6", Decimal(5990), desk.now - timedelta(hours=1), "test"),
    ]
    engine = RiskEngine(mark_max_age_seconds=MAX_AGE)
    loop = EngineLoop(engine, ListFeed(old), lambda: desk.now)
    engine.load(desk.now)
    loop.turn()
    assert (engine.prices.ticks["ESZ6"], Evaluation.objects.count()) == (5990 * 4, 0)


def test_a_source_heard_again_has_its_accounts_looked_at_at_once(desk: Desk) -> None:
    house = holder()
    b.mark(price="5900", at=desk.now - timedelta(hours=1))
    engine = started(desk)
    engine.tick(desk.now)
    assert open_codes() == {"FEED_SILENT:test"}
    engine.hear("test", desk.now, desk.now)
    assert Evaluation.objects.get().account == house
    assert "FEED_SILENT:test" not in open_codes()


def test_a_price_of_another_contract_keeps_no_price_fresh(desk: Desk) -> None:
    house = holder()
    b.instrument("NQZ6")
    engine = started(desk)
    mark(engine, desk, "6000")
    mark(engine, desk, "20000", "NQZ6", after=MAX_AGE + 1)
    engine.tick(desk.now)
    assert open_codes() == {"PRICE_STALE:ESZ6"}
    mark(engine, desk, "5900")
    assert Evaluation.objects.get().account == house
    assert "PRICE_STALE:ESZ6" not in open_codes()


@pytest.mark.parametrize(
    ("waited", "believed"), [(SUSPECT_SECONDS - 0.001, False), (SUSPECT_SECONDS, True), (SUSPECT_SECONDS + 0.001, True)]
)
def test_a_jump_is_believed_when_its_source_leaves_it_standing(desk: Desk, waited: float, believed: bool) -> None:
    holder()
    engine = started(desk)
    mark(engine, desk, "6000")
    mark(engine, desk, "2900")
    desk.now += b.seconds(waited)
    engine.hear("test", desk.now, desk.now)
    engine.tick(desk.now)
    assert Evaluation.objects.exists() is believed
    assert ("MARK_SUSPECT:ESZ6" in open_codes()) is not believed


def test_a_jump_of_a_source_that_fell_silent_or_of_a_tape_is_not_believed_by_time(desk: Desk) -> None:
    holder()
    for engine in (started(desk), started(desk, None)):
        mark(engine, desk, "6000")
        mark(engine, desk, "2900")
        desk.now += b.seconds(60)
        engine.tick(desk.now)
    assert not Evaluation.objects.exists()


def test_a_heartbeat_keeps_the_stored_marks_fresh_once_a_second(desk: Desk) -> None:
    holder()
    engine = started(desk)
    mark(engine, desk, "6000")
    engine.flush()
    for after, expected in ((2, 2), (0.5, 2), (0.5, 3)):
        desk.now += b.seconds(after)
        engine.hear("test", desk.now, desk.now)
        engine.flush()
        assert Mark.objects.get().seen_at == b.NOW + b.seconds(1 + expected)


def test_a_late_fill_after_a_flat_by_hand_is_closed_too_without_any_limit(desk: Desk) -> None:
    house = b.account(b.company())
    b.position(house, net=3)
    b.mark(price="6000")
    engine = started(desk, None)
    set_admin_action(
        account_id=house.pk, action=AdminAction.LIQUIDATE_IMMEDIATELY, reason_code="Other", reason="x",
        actor=b.platform(), now=desk.now,
    )  # fmt: skip
    desk.work()
    engine.refresh(desk.now)
    b.fill(house, side=Side.BUY, qty=2, at=desk.now)
    assert accounts_held_again({house.pk}) == []  # at the very moment of the end it was counted
    desk.now += b.seconds(1)
    b.fill(house, side=Side.BUY, qty=1, at=desk.now)
    engine.refresh(desk.now)
    desk.work()
    assert list(LiquidationRun.objects.values_list("state", flat=True)) == [RunState.FLAT] * 2
    assert sum(row.net for row in Position.objects.all()) == 0
    assert accounts_held_again(None) == accounts_held_again(set()) == []


def test_a_mere_difference_of_the_books_starts_nothing(desk: Desk) -> None:
    holder(AUTO_LIQUIDATE)
    VenuePosition.objects.all().delete()
    engine = started(desk, None)
    for _ in range(4):
        mark(engine, desk, "5900")
        desk.work()
        engine.refresh(desk.now)
    assert LiquidationRun.objects.count() == 1


def test_a_lock_set_after_the_account_was_flat_liquidates_nothing(desk: Desk) -> None:
    house = holder(AUTO_LIQUIDATE)
    engine = started(desk, None)
    mark(engine, desk, "5900")
    desk.work()
    AccountLock.objects.update(opened_at=desk.now + b.seconds(1))
    b.fill(house, side=Side.BUY, qty=1, at=desk.now + b.seconds(2))
    assert accounts_held_again(None) == []


def test_an_account_whose_rows_are_broken_is_alerted_and_the_others_are_watched(desk: Desk) -> None:
    broken, house = holder(), holder()
    AccountCredit.objects.filter(account=broken).delete()
    engine = started(desk, None)
    mark(engine, desk, "5900")
    assert Evaluation.objects.get().account == house
    assert Alert.objects.get(account=broken).code == "NOT_EVALUABLE:FAULT"
    AccountCredit.objects.create(account=broken)
    desk.now += b.seconds(5)
    engine.tick(desk.now)
    assert not Alert.objects.filter(account=broken, cleared_at=None).exists()


def test_a_decision_that_fails_is_alerted_tried_again_and_stops_no_other(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = holder(), holder()
    real = engine_module.act_on_breach

    def fails_once(**how):
        if how["account_id"] == first.pk:
            raise ValueError("no")
        return real(**how)

    engine = started(desk, None)
    monkeypatch.setattr(engine_module, "act_on_breach", fails_once)
    mark(engine, desk, "5900")
    assert Evaluation.objects.get().account == second
    assert "NOT_EVALUABLE:FAULT" in open_codes()
    monkeypatch.setattr(engine_module, "act_on_breach", real)
    desk.now += b.seconds(5)
    engine.tick(desk.now)
    assert set(Evaluation.objects.values_list("account", flat=True)) == {first.pk, second.pk}
    assert "NOT_EVALUABLE:FAULT" not in open_codes()


def test_a_fill_that_cannot_be_stored_is_set_aside_and_the_batch_goes_on(desk: Desk) -> None:
    house = holder()
    bad = FillEvent("v", "e", "", str(house.pk), "ESZ6", Side.BUY, 3, Decimal("1651.33333333333"), desk.now)
    feed = ListFeed([bad, MarkEvent("ESZ6", Decimal(5900), desk.now, "test")])
    loop = EngineLoop(started(desk), feed, lambda: desk.now)
    loop.turn()
    assert [event for event, _ in feed.aside] == [bad]
    assert Evaluation.objects.get().account == house
    assert "EVENT_SET_ASIDE" in open_codes()


def test_an_outage_of_the_database_ends_the_engine(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_):
        raise OperationalError("gone")

    holder()
    engine = started(desk)
    monkeypatch.setattr(engine_module, "act_on_breach", away)
    loop = EngineLoop(engine, ListFeed([MarkEvent("ESZ6", Decimal(5900), desk.now, "test")]), lambda: desk.now)
    with pytest.raises(OperationalError):
        loop.turn()


def test_a_stored_mark_off_its_tick_is_left_out_and_alerted(desk: Desk) -> None:
    b.mark(price="6000.25")
    Instrument.objects.update(tick_size=Decimal("0.5"))
    assert "ESZ6" not in started(desk).prices.ticks
    assert open_codes() == {"MARK_OFF_TICK:ESZ6"}


def entry(number: int, house) -> None:
    AuditEntry.objects.create(
        pk=number, at=b.NOW, action="account.changed", actor="x", door="ADMIN", account=house, object_type="account"
    )


def test_a_change_committed_late_under_a_lower_number_is_seen_until_it_must_be_a_rollback(desk: Desk) -> None:
    house = b.account(b.company())
    changes = ChangeFeed()
    changes.start(desk.now)
    last = AuditEntry.objects.order_by("-id").first().pk
    for number in range(last + 4, last + 304):
        entry(number, house)
    assert changes.take(desk.now).trees == {house.pk}
    entry(last + 2, house)
    assert changes.take(desk.now + b.seconds(GAP_SECONDS - 0.001)).trees == {house.pk}
    assert changes.take(desk.now + b.seconds(GAP_SECONDS - 0.001)).is_empty
    entry(last + 1, house)
    assert changes.take(desk.now + b.seconds(GAP_SECONDS)).is_empty


def test_everything_is_read_anew_at_its_interval(desk: Desk) -> None:
    house = holder()
    engine = started(desk, None, second_look_seconds=60)
    AccountCredit.objects.filter(account=house).update(check_credit=False)  # committed, and nobody told of it
    assert not engine.refresh(desk.now + b.seconds(59.999))
    assert engine.refresh(desk.now + b.seconds(60))
    assert house.pk not in engine.nodes


def test_an_order_that_ends_without_a_fill_frees_its_margin(desk: Desk) -> None:
    house = b.account(b.company(), daily_limit="10000", auto_liq={"margin_percentage_auto_liq": Decimal(90)})
    b.position(house, net=1)
    order = b.working_order(house, side=Side.BUY, qty=1)
    engine = started(desk, None)
    assert engine.nodes[house.pk].figures.margin == 8360
    SimulatedExchange().cancel(order.client_order_id)
    desk.now += b.seconds(1)
    routing.refresh_order(order_id=order.pk, now=desk.now)
    assert Order.objects.get().status == OrderStatus.CANCELED
    assert engine.refresh(desk.now)
    assert engine.nodes[house.pk].figures.margin == 4180
    assert not engine.refresh(desk.now + b.seconds(ORDER_OVERLAP_SECONDS))


def test_alerts_that_stood_before_a_restart_are_cleared_and_ring_again(desk: Desk) -> None:
    house = b.account(b.company(), auto_liq={"daily_loss_alert": Decimal(500)})
    b.position(house, net=3)
    mark(started(desk, None), desk, "5990")
    engine = started(desk, None)
    mark(engine, desk, "6010")
    assert open_codes() == set()
    mark(engine, desk, "5980")
    assert Alert.objects.filter(code="DAILY_LOSS_ALERT").count() == 2


def test_a_refused_mark_rings_again_after_a_good_one(desk: Desk) -> None:
    b.instrument()
    engine = started(desk, None)
    for price in ("6000", "59000", "6000", "59000"):
        mark(engine, desk, price)
    assert Alert.objects.filter(code="MARK_SUSPECT:ESZ6").count() == 2


def test_an_event_of_its_own_rings_each_time_and_one_stands(desk: Desk) -> None:
    house = b.account(b.company())
    for account in (house, house, None, None):
        assert raise_alert(account=account, code="X" * 80, text="x", now=desk.now, again=True)
    assert (Alert.objects.count(), Alert.objects.filter(cleared_at=None).count()) == (4, 2)
    assert not raise_alert(account=None, code="X" * 80, text="x", now=desk.now)


def test_an_ancestor_that_cannot_act_silences_nobody_below(desk: Desk) -> None:
    firm = b.company()
    parent = b.account(firm, daily_limit="10000", loss_pct="80", action=AUTO_LIQUIDATE)
    child = b.account(
        firm, parent=parent, account_type=AccountType.ROUTING_INTERNAL, daily_limit="1000", loss_pct="80",
        action=AUTO_LIQUIDATE,
    )  # fmt: skip
    AccountSession.objects.filter(account=parent).update(base=None)
    b.position(child, net=3)
    engine = started(desk, None)
    mark(engine, desk, "5900")
    assert Evaluation.objects.get().account == child


def test_a_price_of_a_batch_is_not_held_against_what_was_bought_after_it(desk: Desk) -> None:
    house = holder()
    bought = FillEvent("v", "e", "", str(house.pk), "ESZ6", Side.BUY, 30, Decimal(6000), desk.now)
    prices = [MarkEvent("ESZ6", Decimal(price), desk.now, "test") for price in (5950, 6000)]
    engine = started(desk)
    EngineLoop(engine, ListFeed([*prices, bought]), lambda: desk.now).turn()
    assert (engine.nodes[house.pk].nets, Evaluation.objects.count()) == ({"ESZ6": 33}, 0)
