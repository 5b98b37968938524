"""A run against a venue that misbehaves: it ends flat or asks for a person, and never closes too much."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Account, AuditEntry, Fill, Order, Position
from accounts.rules.orders import OrderStatus, OrderType
from accounts.rules.pnl import Side
from accounts.services.orders import NewOrder, submit_order
from liquidation.gateways.base import VenueUnavailable
from liquidation.gateways.registry import GATEWAYS
from liquidation.models import Alert, LiquidationRun, VenueOrder, VenuePosition
from liquidation.rules.states import RunState
from liquidation.selectors import due_runs
from liquidation.services import routing, steps
from liquidation.services.runs import request_run
from tests import builders as b
from tests.drive import Desk, working_desk
from tests.faults import FaultyVenue, Killed, killed_at, unavailable

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def desk() -> Iterator[Desk]:
    with working_desk() as desk:
        yield desk


@pytest.fixture
def venue(monkeypatch: pytest.MonkeyPatch) -> FaultyVenue:
    venue = FaultyVenue()
    monkeypatch.setitem(GATEWAYS, "simulated", venue)
    return venue


def house(net: int = 3) -> Account:
    account = b.account(b.company())
    b.position(account, net=net, price="6000")
    b.mark(price="5980")
    return account


def requested(account: Account, desk: Desk) -> LiquidationRun:
    result = request_run(account_id=account.pk, cause="TEST", actor=b.platform(), now=desk.now)
    return LiquidationRun.objects.get(pk=result.run_id)


def finish(desk: Desk, run: LiquidationRun, *, seconds: float = 400) -> LiquidationRun:
    """Work with the sweep beside, as the beat does, until the run has ended."""
    end = desk.now + b.seconds(seconds)
    while run.is_active and desk.now < end:
        try:
            desk.work(seconds=2)
        except Killed:
            desk.due.clear()
        desk.now += b.seconds(2)
        if due_runs(desk.now).filter(pk=run.pk).exists():
            desk.carry("liquidation.advance_run", (run.pk,), 0)
        run.refresh_from_db()
    return run


def venue_net(account: Account) -> int:
    return sum(VenuePosition.objects.filter(account_ref=str(account.pk)).values_list("net", flat=True))


def our_net(account: Account) -> int:
    return sum(position.net for position in Position.objects.filter(account=account))


def closed(account: Account) -> int:
    return sum(Fill.objects.filter(account=account, order__is_liquidation=True).values_list("qty", flat=True))


def test_a_flat_account_ends_flat_at_once_without_an_order(desk: Desk, venue: FaultyVenue) -> None:
    account = b.account(b.company())
    assert finish(desk, requested(account, desk)).state == RunState.FLAT
    assert not Order.objects.exists()


def test_a_short_is_bought_back(desk: Desk, venue: FaultyVenue) -> None:
    account = house(net=-4)
    assert finish(desk, requested(account, desk)).state == RunState.FLAT
    order = Order.objects.get()
    assert (order.side, order.qty, order.is_automated) == (Side.BUY, 4, True)


def test_every_contract_is_closed_by_its_own_leg(desk: Desk, venue: FaultyVenue) -> None:
    account = house()
    b.position(account, "NQZ6", net=-1, price="20000")
    b.mark("NQZ6", "20000")
    run = finish(desk, requested(account, desk))
    assert run.state == RunState.FLAT
    assert sorted(run.run_orders.values_list("leg", "attempt")) == [(1, 1), (2, 1)]


def test_asked_for_twice_there_is_one_run_and_one_audit_entry(desk: Desk, venue: FaultyVenue) -> None:
    account = house()
    first, second = requested(account, desk), requested(account, desk)
    assert first == second
    assert AuditEntry.objects.filter(action="run.requested").count() == 1


def test_no_answer_is_waited_out_and_nothing_is_concluded_from_it(desk: Desk, venue: FaultyVenue) -> None:
    account = house()
    venue.before = unavailable("look", times=3)
    assert finish(desk, requested(account, desk)).state == RunState.FLAT
    assert closed(account) == 3


def test_an_order_that_got_no_answer_is_asked_for_and_not_made_twice(desk: Desk, venue: FaultyVenue) -> None:
    account = house()
    venue.after = unavailable("submit")
    assert finish(desk, requested(account, desk)).state == RunState.FLAT
    assert (closed(account), our_net(account), VenueOrder.objects.count()) == (3, 0, 1)


def test_a_rejected_close_falls_back_along_the_ladder(desk: Desk, venue: FaultyVenue) -> None:
    account = house()
    venue.reject_next = 2
    assert finish(desk, requested(account, desk)).state == RunState.FLAT
    kinds = [(ticket.type, ticket.time_in_force, ticket.qty) for ticket in venue.tickets]
    assert kinds == [
        ("MARKET", "DAY", 3),
        ("LIMIT", "DAY", 3),
        ("MARKET", "IOC", 1),
        ("MARKET", "IOC", 1),
        ("MARKET", "IOC", 1),
    ]
    assert venue.tickets[1].price == Decimal(5970)  # 40 ticks below 5980


def test_five_rejections_ask_for_a_person_and_keep_every_attempt(desk: Desk, venue: FaultyVenue) -> None:
    account = house()
    venue.reject_next = 99
    run = finish(desk, requested(account, desk))
    assert (run.state, run.reason) == (RunState.NEEDS_OPERATOR, "REJECTED")
    assert (run.run_orders.count(), venue_net(account)) == (5, 3)
    assert Alert.objects.filter(code="RUN_REJECTED").exists()


def test_a_partial_fill_and_silence_cancels_the_rest_and_closes_what_is_left(desk: Desk, venue: FaultyVenue) -> None:
    account = house(net=5)
    venue.rest_next, venue.partial_qty = 1, 2
    assert finish(desk, requested(account, desk)).state == RunState.FLAT
    assert [ticket.qty for ticket in venue.tickets] == [5, 3]
    assert closed(account) == 5


def test_accepted_but_unfilled_does_not_count_as_flat(desk: Desk, venue: FaultyVenue) -> None:
    account = house()
    venue.rest_next = 1
    run = requested(account, desk)
    desk.work(seconds=3)
    run.refresh_from_db()
    assert run.state == RunState.FLATTENING
    assert finish(desk, run).state == RunState.FLAT
    assert closed(account) == 3


def test_a_cancel_that_crosses_a_fill_is_a_fill(desk: Desk, venue: FaultyVenue) -> None:
    account = house()
    resting = b.working_order(account, side=Side.SELL, qty=2, price="5990")

    def fill_first(call: str) -> None:
        order = VenueOrder.objects.get(client_order_id=resting.client_order_id)
        if call == "cancel" and order.status == OrderStatus.WORKING:
            venue.fill_partly(order, 2, price="5990")

    venue.before = fill_first
    assert finish(desk, requested(account, desk)).state == RunState.FLAT
    assert [ticket.qty for ticket in venue.tickets] == [1]
    assert (venue_net(account), our_net(account)) == (0, 0)


def test_an_unanswered_cancel_is_alerted_and_the_close_is_sized_for_the_worst(desk: Desk, venue: FaultyVenue) -> None:
    account = house()
    resting = b.working_order(account, side=Side.SELL, qty=2, price="5990")
    venue.deaf_to_cancels = True
    run = requested(account, desk)
    for _ in range(8):
        desk.work(seconds=2)
        desk.now += b.seconds(2)
    assert [ticket.qty for ticket in venue.tickets] == [1]
    assert Alert.objects.filter(code="CANCEL_UNCONFIRMED").exists()
    venue.fill_partly(VenueOrder.objects.get(client_order_id=resting.client_order_id), 2, price="5990")
    assert finish(desk, run).state == RunState.FLAT
    assert (venue_net(account), our_net(account)) == (0, 0)


def test_an_order_that_comes_to_light_late_is_canceled_too(desk: Desk, venue: FaultyVenue) -> None:
    account = house()
    run = requested(account, desk)
    for _ in range(2):  # requested, canceling
        desk.step()
    b.working_order(account, side=Side.BUY, qty=7, price="5900")
    assert finish(desk, run).state == RunState.FLAT
    assert not VenueOrder.objects.filter(status=OrderStatus.WORKING).exists()
    assert run.steps.filter(event="LATE_ORDER").exists()


def test_an_order_that_comes_to_light_at_the_second_look_leads_back_to_canceling(
    desk: Desk, venue: FaultyVenue
) -> None:
    account = house()
    run = requested(account, desk)
    raced: list[str] = []

    def order_behind(call: str) -> None:
        run.refresh_from_db()
        if call == "look" and run.state == RunState.VERIFYING and not raced:
            raced.append(call)
            b.working_order(account, side=Side.BUY, qty=7, price="5900")

    venue.before = order_behind
    assert finish(desk, run).state == RunState.FLAT
    assert list(run.steps.filter(event="LATE_ORDER").values_list("state", flat=True)) == ["CANCELING"]


def test_an_order_that_was_not_sent_yet_is_canceled_without_the_venue(desk: Desk, venue: FaultyVenue) -> None:
    account = house()
    waiting = b.working_order(account)
    Order.objects.filter(pk=waiting.pk).update(status=OrderStatus.PENDING_NEW, sent_at=None)
    VenueOrder.objects.all().delete()
    assert finish(desk, requested(account, desk)).state == RunState.FLAT
    waiting.refresh_from_db()
    assert waiting.status == OrderStatus.CANCELED
    assert "cancel" not in venue.calls


def test_an_order_the_venue_knows_and_we_do_not_is_canceled_as_well(desk: Desk, venue: FaultyVenue) -> None:
    account = house()
    VenueOrder.objects.create(
        client_order_id="STRANGER", account_ref=str(account.pk), symbol="ESZ6", side="BUY", qty=1, type="LIMIT",
        time_in_force="DAY", price=Decimal(5900), operator_id="X", status="WORKING",
    )  # fmt: skip
    assert finish(desk, requested(account, desk)).state == RunState.FLAT
    assert VenueOrder.objects.get(client_order_id="STRANGER").status == OrderStatus.CANCELED


def test_an_order_that_never_reached_the_venue_does_not_hold_the_run_up(desk: Desk, venue: FaultyVenue) -> None:
    account = house()
    lost = b.working_order(account)
    VenueOrder.objects.all().delete()
    run = finish(desk, requested(account, desk))
    lost.refresh_from_db()
    assert (run.state, lost.status, lost.failure_text) == (
        RunState.FLAT, OrderStatus.CANCELED, "It never reached the venue",
    )  # fmt: skip


def test_an_order_given_up_for_lost_that_arrives_after_all_is_canceled(desk: Desk, venue: FaultyVenue) -> None:
    account = house()
    lost = b.working_order(account)
    VenueOrder.objects.all().delete()
    Order.objects.filter(pk=lost.pk).update(status=OrderStatus.CANCELED)
    venue.seed_order(lost)
    assert finish(desk, requested(account, desk)).state == RunState.FLAT
    assert VenueOrder.objects.get(client_order_id=lost.client_order_id).status == OrderStatus.CANCELED


def test_flat_is_not_said_while_a_cancel_is_unanswered(desk: Desk, venue: FaultyVenue) -> None:
    account = b.account(b.company())
    b.working_order(account)
    venue.deaf_to_cancels = True
    run = finish(desk, requested(account, desk))
    assert (run.state, run.reason) == (RunState.NEEDS_OPERATOR, "DEADLINE")
    assert run.steps.filter(text="Orders are open still").exists()


def test_a_fill_between_the_look_and_the_close_never_flips_the_position(desk: Desk, venue: FaultyVenue) -> None:
    account = house()
    run = requested(account, desk)
    raced: list[str] = []

    def trade_behind(call: str) -> None:
        if call == "look" and run.steps.filter(event="ORDERS_GONE").exists() and not raced:
            raced.append(call)
            b.fill(account, side=Side.SELL, qty=2, price="5980")

    venue.after = trade_behind
    assert finish(desk, run).state == RunState.FLAT
    assert raced
    assert (venue_net(account), our_net(account), closed(account)) == (0, 0, 1)


def test_a_fill_after_the_first_look_leads_back(desk: Desk, venue: FaultyVenue) -> None:
    account = house()
    run = requested(account, desk)
    raced: list[str] = []

    def trade_behind(call: str) -> None:
        run.refresh_from_db()
        if call == "look" and run.state == RunState.VERIFYING and not raced:
            raced.append(call)
            b.fill(account, side=Side.BUY, qty=1, price="5980")

    venue.before = trade_behind
    assert finish(desk, run).state == RunState.FLAT
    assert run.steps.filter(event="LATE_FILL").exists()
    assert venue_net(account) == 0


def test_the_venues_number_counts_where_ours_differs_and_the_mismatch_is_alerted(
    desk: Desk, venue: FaultyVenue
) -> None:
    account = house(net=3)
    venue.seed_position(str(account.pk), "ESZ6", 2)
    assert finish(desk, requested(account, desk)).state == RunState.FLAT
    assert [ticket.qty for ticket in venue.tickets] == [2]
    assert Alert.objects.filter(code="POSITION_MISMATCH").exists()


def test_a_duplicated_report_is_applied_once(desk: Desk, venue: FaultyVenue) -> None:
    account = house()
    finish(desk, requested(account, desk))
    order = Order.objects.get()
    for _ in range(3):
        steps_fills = Fill.objects.count()
        b.refresh(order, desk.now)
        assert Fill.objects.count() == steps_fills
    assert our_net(account) == 0


def test_the_deadline_ends_in_a_persons_hands_and_the_run_can_be_resumed(desk: Desk, venue: FaultyVenue) -> None:
    account = house()
    venue.before = unavailable("look", times=9999)
    run = finish(desk, requested(account, desk))
    assert (run.state, run.reason) == (RunState.NEEDS_OPERATOR, "DEADLINE")
    venue.before = lambda _call: None
    b.runs.resume_run(run_id=run.pk, actor=b.platform(), reason="The venue is back", now=desk.now)
    run.refresh_from_db()
    assert finish(desk, run).state == RunState.FLAT
    assert closed(account) == 3


def test_a_worker_that_lost_its_lease_changes_nothing(desk: Desk, venue: FaultyVenue) -> None:
    account = house()
    run = requested(account, desk)
    stolen: list[str] = []

    def steal(call: str) -> None:
        if call == "look" and not stolen:
            stolen.append(call)
            LiquidationRun.objects.filter(pk=run.pk).update(lease_token="another", lease_expires_at=desk.now)

    venue.after = steal
    desk.step()
    desk.step()
    run.refresh_from_db()
    assert (stolen, run.state, run.lease_token) == (["look"], RunState.CANCELING, "another")
    assert finish(desk, run).state == RunState.FLAT


def test_while_one_worker_holds_the_lease_another_does_nothing(desk: Desk, venue: FaultyVenue) -> None:
    run = requested(house(), desk)
    LiquidationRun.objects.filter(pk=run.pk).update(lease_token="held", lease_expires_at=desk.now + b.seconds(5))
    assert steps.advance(run_id=run.pk, now=desk.now + b.seconds(4.999)) is None
    assert steps.advance(run_id=run.pk, now=desk.now + b.seconds(5)) == RunState.CANCELING


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(1, 9))
def test_killed_at_any_call_to_the_venue_it_ends_flat_and_closes_once(
    desk: Desk, venue: FaultyVenue, number: int, when: str
) -> None:
    account = house(net=3)
    b.working_order(account, side=Side.SELL, qty=2, price="6100")
    setattr(venue, when, killed_at(number))
    run = finish(desk, requested(account, desk))
    assert run.state == RunState.FLAT
    assert (closed(account), venue_net(account), our_net(account)) == (3, 0, 0)


def test_a_run_of_an_ancestor_takes_over_the_runs_below(desk: Desk, venue: FaultyVenue) -> None:
    firm = b.company()
    parent = b.account(firm)
    child = b.account(firm, parent=parent)
    b.position(child, net=2, price="6000")
    b.mark(price="5980")
    below = requested(child, desk)
    above = requested(parent, desk)
    below.refresh_from_db()
    assert (below.state, below.reason) == (RunState.STOPPED, "SUPERSEDED_BY_ANCESTOR")
    covered = requested(child, desk)
    assert (covered.state, covered.reason) == (RunState.STOPPED, "COVERED_BY_ANCESTOR")
    assert finish(desk, above).state == RunState.FLAT
    assert (venue_net(parent), venue_net(child)) == (-2, 2)  # the net of the tree is closed at the parent


def test_a_resumed_run_takes_over_what_began_below_it_meanwhile(desk: Desk, venue: FaultyVenue) -> None:
    firm = b.company()
    parent = b.account(firm)
    child = b.account(firm, parent=parent)
    b.position(child, net=5, price="6000")
    b.mark(price="5980")
    venue.before = unavailable("look", times=9999)
    above = finish(desk, requested(parent, desk))
    below = requested(child, desk)
    venue.before = lambda _call: None
    b.runs.resume_run(run_id=above.pk, actor=b.platform(), reason="Back", now=desk.now)
    below.refresh_from_db()
    above.refresh_from_db()
    assert below.state == RunState.STOPPED
    assert finish(desk, above).state == RunState.FLAT
    assert venue_net(parent) + venue_net(child) == 0
    assert [ticket.qty for ticket in venue.tickets] == [5]


def test_a_close_is_not_sized_on_a_look_that_another_account_of_the_tree_has_made_old(
    desk: Desk, venue: FaultyVenue
) -> None:
    firm = b.company()
    parent = b.account(firm)
    child = b.account(firm, parent=parent)
    b.position(child, net=3, price="6000")
    b.mark(price="5980")
    run = requested(child, desk)
    raced: list[str] = []

    def trade_above(call: str) -> None:
        if call == "look" and run.steps.filter(event="ORDERS_GONE").exists() and not raced:
            raced.append(call)
            b.fill(parent, side=Side.SELL, qty=1, price="5980")

    venue.after = trade_above
    desk.work(seconds=0)
    assert raced
    assert finish(desk, run).state == RunState.FLAT
    assert venue.calls.count("look") > 4  # the look was taken again


@pytest.mark.parametrize("minutes", [1, 30])
def test_a_closed_market_is_waited_for_and_the_position_closed_at_the_open(
    desk: Desk, venue: FaultyVenue, minutes: int
) -> None:
    account = house()
    opens_at = desk.now + b.seconds(60 * minutes)
    venue.is_shut = lambda: desk.now < opens_at
    run = finish(desk, requested(account, desk), seconds=60 * minutes + 60)
    assert (run.state, closed(account), venue_net(account)) == (RunState.FLAT, 3, 0)
    assert [ticket.client_order_id for ticket in venue.tickets] == [f"RL{run.pk}-1-1"]
    assert run.steps.filter(text="Waits for the open: ESZ6").count() == 1


def test_another_accounts_venue_is_not_asked(desk: Desk, venue: FaultyVenue) -> None:
    account = house()
    other = b.account(account.company, connected=False)
    unreachable = b.structure.create_connection(
        company=account.company, name="OTHER", exchange="EUREX", actor=b.platform(), now=b.NOW
    )
    unreachable.gateway = "not-installed"
    unreachable.save()
    b.structure.assign_connection(account_id=other.pk, connection=unreachable, actor=b.platform(), now=b.NOW)
    assert finish(desk, requested(account, desk)).state == RunState.FLAT


def test_an_order_sent_without_an_answer_is_not_sent_again_into_a_lock(desk: Desk, venue: FaultyVenue) -> None:
    account = house()
    venue.before = unavailable("submit")
    result = submit_order(
        account_id=account.pk,
        order=NewOrder("ESZ6", Side.BUY, 1, OrderType.MARKET),
        actor=b.actor(b.trader(account.company, account)),
        now=desk.now,
    )
    desk.work()
    b.lock(account)
    routing.send_order(order_id=result.order_id, now=desk.now + b.seconds(4.999))
    assert Order.objects.get(pk=result.order_id).status == OrderStatus.PENDING_NEW  # it may be on its way
    routing.send_order(order_id=result.order_id, now=desk.now + b.seconds(5))
    assert Order.objects.get(pk=result.order_id).status == OrderStatus.DENIED
    assert not VenueOrder.objects.exists()


def test_an_order_sent_without_an_answer_is_sent_again_where_nothing_locks_it(desk: Desk, venue: FaultyVenue) -> None:
    account = house()
    venue.after = unavailable("submit")
    result = submit_order(
        account_id=account.pk,
        order=NewOrder("ESZ6", Side.BUY, 1, OrderType.MARKET),
        actor=b.actor(b.trader(account.company, account)),
        now=desk.now,
    )
    desk.work()
    order = routing.send_order(order_id=result.order_id, now=desk.now + b.seconds(9))
    assert order is not None
    assert (order.status, VenueOrder.objects.count()) == (OrderStatus.FILLED, 1)
    assert routing.send_order(order_id=result.order_id + 999, now=desk.now) is None


def test_an_order_that_waited_while_its_account_was_locked_never_reaches_the_venue(
    desk: Desk, venue: FaultyVenue
) -> None:
    account = house()
    result = submit_order(
        account_id=account.pk,
        order=NewOrder("ESZ6", Side.BUY, 1, OrderType.MARKET),
        actor=b.actor(b.trader(account.company, account)),
        now=desk.now,
    )
    assert result.failure_reason is None
    b.lock(account)
    desk.work()
    assert Order.objects.get(pk=result.order_id).status == OrderStatus.DENIED
    assert venue.tickets == []


FATES = ["fine"] * 6 + ["silence", "killed", "reject", "rest"]
RESTING = st.lists(st.tuples(st.sampled_from(list(Side)), st.integers(1, 3)), max_size=2)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(net=st.integers(-4, 4).filter(bool), resting=RESTING, fates=st.lists(st.sampled_from(FATES), max_size=20))
def test_whatever_the_venue_does_the_position_never_flips_and_never_grows(
    net: int, resting: list[tuple[Side, int]], fates: list[str]
) -> None:
    venue = FaultyVenue()
    sizes: list[int] = []
    left = list(reversed(fates))
    with working_desk() as desk:
        account = house(net=net)
        for side, qty in resting:
            b.working_order(account, side=side, qty=qty, price="5000" if side is Side.BUY else "7000")

        def trouble(call: str) -> None:
            sizes.append(venue_net(account))
            fate = left.pop() if left else "fine"
            if fate == "silence":
                raise VenueUnavailable("silence")
            if fate == "killed":
                raise Killed
            venue.reject_next = int(fate == "reject")
            venue.rest_next = int(fate == "rest")

        venue.before = venue.after = trouble
        original = GATEWAYS["simulated"]
        GATEWAYS["simulated"] = venue
        try:
            run = finish(desk, requested(account, desk))
        finally:
            GATEWAYS["simulated"] = original
    sizes.append(venue_net(account))
    assert run.state in {RunState.FLAT, RunState.NEEDS_OPERATOR}
    assert all(size * net >= 0 and abs(size) <= abs(net) for size in sizes)
    if run.state == RunState.FLAT:
        assert (sizes[-1], our_net(account)) == (0, 0)
