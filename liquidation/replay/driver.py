"""The clock of a replay: marks in order, and between two of them everything that is due."""

import heapq
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from accounts.models import AccountAutoLiq, Mark, Order
from accounts.queue import carried_by
from accounts.services.orders import CANCEL_TASK, SEND_TASK
from liquidation.engine import RiskEngine
from liquidation.engine.engine import FIRST_PRICES_SECONDS
from liquidation.feeds.base import MarkEvent
from liquidation.queue import ADVANCE_TASK
from liquidation.replay.exchange import TapeExchange
from liquidation.services import routing, steps

CLOCK_TASK = "liquidation.tick"
"""Our own wake-up: something is due by time in the engine."""


class _Driver:
    def __init__(self) -> None:
        # The tape's last price is the last price there is, however long ago, and nobody but us changes the book.
        self.engine = RiskEngine(mark_max_age_seconds=None, second_look_seconds=None)
        self.exchange = TapeExchange()
        self.now = self.warm_at = datetime.min.replace(tzinfo=UTC)
        self._due: list[tuple[datetime, int, str, tuple[int, ...]]] = []
        self._numbers = count()
        self._tasks: dict[str, Callable[..., Any]] = {
            ADVANCE_TASK: lambda run_id: steps.advance(run_id=run_id, now=self.now),
            SEND_TASK: lambda order_id: routing.send_order(order_id=order_id, now=self.now),
            CANCEL_TASK: lambda order_id: routing.send_cancel(order_id=order_id, now=self.now),
            CLOCK_TASK: lambda: self.engine.tick(self.now),
        }

    def wake(self, task: str, arguments: tuple[int, ...], delay_seconds: float) -> None:
        """Carry a wake-up: to the front of what is due, at its time on the tape's clock."""
        self.wake_at(self.now + timedelta(seconds=delay_seconds), task, arguments)

    def wake_at(self, at: datetime, task: str, arguments: tuple[int, ...]) -> None:
        heapq.heappush(self._due, (at, next(self._numbers), task, arguments))

    def start(self, now: datetime) -> None:
        """Let the engine read the book, and note when its clock will have something to do."""
        self.now = now
        self.exchange.read_resting()
        self.engine.load(now)
        self.engine.tick(now)
        self.warm_at = now + timedelta(seconds=FIRST_PRICES_SECONDS)
        flattenings = AccountAutoLiq.objects.exclude(flatten_timestamp=None)
        moments = set(flattenings.values_list("flatten_timestamp", flat=True))
        for moment in sorted({self.warm_at, *(max(at, now) for at in moments if at is not None)}):
            self.wake_at(moment, CLOCK_TASK, ())
        self._settle()

    def take(self, mark: MarkEvent) -> None:
        """Let one price happen: first at the exchange, then in the engine, then all that follows from it."""
        self.run_until(mark.at)
        self.now = mark.at
        filled = self.exchange.take(mark)
        if filled:
            self._take_fills(filled, mark)
        looked = self.engine.evaluations
        self.engine.on_mark(mark.symbol, mark.price, mark.at, mark.source)
        if filled or self.engine.evaluations != looked:
            self._settle()

    def _take_fills(self, client_order_ids: Sequence[str], mark: MarkEvent) -> None:
        for order in Order.objects.filter(client_order_id__in=client_order_ids).order_by("pk"):
            routing.refresh_order(order_id=order.pk, now=self.now)
        # The new position is judged at the price that made it, never at the one before.
        self.engine.prices.take(mark.symbol, mark.price, mark.at, mark.source)
        self.engine.refresh(self.now)

    def run_until(self, at: datetime) -> None:
        """Do what is due up to this moment, each at its own time."""
        while self._due and self._due[0][0] <= at:
            self.now = self._due[0][0]
            self._settle()

    def finish(self) -> None:
        """After the last price: carry on what has begun until nothing is due.

        What the clock alone would bring later is not awaited, but for the engine's word on who never had a price.
        """
        self.run_until(max(self.now, self.warm_at))
        self._due = [entry for entry in self._due if entry[2] != CLOCK_TASK]
        heapq.heapify(self._due)
        self.run_until(datetime.max.replace(tzinfo=UTC))

    def _settle(self) -> None:
        """Do everything that is due now, and let the engine see what came of it, until nothing is left."""
        self.engine.refresh(self.now)
        while self._due and self._due[0][0] <= self.now:
            self.engine.flush()
            self.exchange.settle_prices()
            while self._due and self._due[0][0] <= self.now:
                _, _, task, arguments = heapq.heappop(self._due)
                self._tasks[task](*arguments)
            self.exchange.read_resting()
            self.engine.refresh(self.now)


def replay(
    marks: Sequence[MarkEvent], *, now: datetime, on_progress: Callable[[int], None] | None = None
) -> dict[str, Decimal]:
    """Run the book in the database through the marks; return the last price of each contract that was believed.

    Args:
        marks: Every price of a known contract, by time.
        now: When the book was loaded, aware UTC; not after the first mark.
        on_progress: Called now and then with the number of marks done.
    """
    driver = _Driver()
    with carried_by(driver.wake):
        driver.start(now)
        for number, mark in enumerate(marks, start=1):
            driver.take(mark)
            if on_progress is not None and number % 500 == 0:
                on_progress(number)
        driver.finish()
        driver.engine.flush()
    return {mark.instrument.symbol: mark.price for mark in Mark.objects.select_related("instrument")}
