"""The engine's loop: a batch of the feed, then what is due."""

from datetime import timedelta
from decimal import Decimal

import pytest

from accounts.models import Mark, Position
from accounts.rules.credit import CreditLossAction
from accounts.rules.pnl import Side
from liquidation.engine import RiskEngine
from liquidation.engine.loop import FLUSH_SECONDS, FUTURE_SECONDS, EngineLoop
from liquidation.feeds.base import FillEvent, Heartbeat, MarkEvent
from liquidation.models import Alert, Evaluation
from tests.builders import NOW, account, company, position, seconds
from tests.liquidation.engine.feed import ListFeed

pytestmark = pytest.mark.django_db
MAX_AGE_SECONDS = 10


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def holder():
    """Three long from 6000 with 8,000 to lose: 53.5 points below."""
    row = account(company(), daily_limit="10000", loss_pct="80", action=CreditLossAction.DISABLE)
    position(row, net=3, price="6000")
    return row


def mark(price, at=NOW, source="sim"):
    return MarkEvent("ESZ6", Decimal(price), at, source)


def run(clock, *batches):
    feed = ListFeed(*batches)
    engine = RiskEngine(mark_max_age_seconds=MAX_AGE_SECONDS)
    EngineLoop(engine, feed, clock).run(feed.done)
    return engine


def test_a_mark_that_breaches_is_decided_in_the_same_turn(holder, clock):
    run(clock, [mark("5946.50")])
    assert Evaluation.objects.get().account == holder


def test_a_mark_a_tick_above_decides_nothing(holder, clock):
    run(clock, [mark("5946.75")])
    assert not Evaluation.objects.exists()


def test_what_is_in_memory_is_written_at_the_end(holder, clock):
    run(clock, [mark("5999")])
    assert Mark.objects.get().price == 5999


def test_a_fill_of_the_feed_counts_for_the_price_that_follows_it(holder, clock):
    sold = FillEvent("venue", "E-1", "", str(holder.pk), "ESZ6", Side.SELL, 3, Decimal(5990), NOW)
    run(clock, [mark("5990"), sold, mark("5900")])
    assert Position.objects.get(account=holder).net == 0
    assert not Evaluation.objects.exists()  # flat since 5990: 5900 loses nothing more


@pytest.mark.parametrize(("late_seconds", "used"), [(0, True), (FUTURE_SECONDS, True), (FUTURE_SECONDS + 0.001, False)])
def test_an_event_dated_too_far_ahead_is_left_out(holder, clock, late_seconds, used):
    run(clock, [mark("5900", at=NOW + seconds(late_seconds))])
    assert Evaluation.objects.exists() is used


class StepClock(Clock):
    """A clock that the feed moves."""


class MovingFeed(ListFeed):
    """Moves the clock before each batch."""

    def __init__(self, clock, step, *batches):
        super().__init__(*batches)
        self.clock, self.step = clock, step

    def read(self, timeout_seconds):
        self.clock.now += timedelta(seconds=self.step)
        return super().read(timeout_seconds)


def run_moving(clock, step, *batches):
    feed = MovingFeed(clock, step, *batches)
    EngineLoop(RiskEngine(mark_max_age_seconds=MAX_AGE_SECONDS), feed, clock).run(feed.done)


def test_a_source_that_falls_silent_is_alerted_though_nothing_comes_in(holder, clock):
    run_moving(clock, MAX_AGE_SECONDS, [mark("5999", NOW + seconds(10))], [], [])
    assert Alert.objects.filter(code="FEED_SILENT:sim").exists()


def test_a_heartbeat_keeps_a_sources_prices_fresh(holder, clock):
    beats = [[Heartbeat("sim", NOW + seconds(MAX_AGE_SECONDS * turn))] for turn in (2, 3)]
    run_moving(clock, MAX_AGE_SECONDS, [mark("5999", NOW + seconds(10))], *beats)
    assert not Alert.objects.filter(code="FEED_SILENT:sim").exists()


def test_marks_are_written_once_a_second_and_not_at_every_turn(holder, clock):
    feed = ListFeed([mark("5999")], [mark("5998")], [mark("5997")])
    loop = EngineLoop(RiskEngine(mark_max_age_seconds=MAX_AGE_SECONDS), feed, clock)
    loop.engine.load(NOW)
    loop.turn()
    assert Mark.objects.get().price == 5999
    loop.turn()
    assert Mark.objects.get().price == 5999
    clock.now += seconds(FLUSH_SECONDS)
    loop.turn()
    assert Mark.objects.get().price == 5997
