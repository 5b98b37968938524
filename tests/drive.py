"""Drives what the workers would do, in the test's own process and on the test's own clock."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from accounts.queue import carried_by
from liquidation.services import routing, steps
from tests.builders import NOW

CALLS: dict[str, Callable[[int, datetime], object]] = {
    "liquidation.advance_run": lambda row, now: steps.advance(run_id=row, now=now),
    "liquidation.send_order": lambda row, now: routing.send_order(order_id=row, now=now),
    "liquidation.send_cancel": lambda row, now: routing.send_cancel(order_id=row, now=now),
}


@dataclass
class Desk:
    """The wake-ups that wait, and the clock."""

    now: datetime = NOW
    due: list[tuple[datetime, int, str, tuple[int, ...]]] = field(default_factory=list)
    sent: int = 0

    def carry(self, task: str, arguments: tuple[int, ...], delay_seconds: float) -> None:
        self.sent += 1
        self.due.append((self.now + timedelta(seconds=delay_seconds), self.sent, task, arguments))

    def work(self, *, seconds: float = 60) -> None:
        """Do everything that comes due within so many seconds of the test's clock, in order."""
        end = self.now + timedelta(seconds=seconds)
        while self.due and min(self.due)[0] <= end:
            self.step()

    def step(self) -> None:
        """Do the one thing that is due first."""
        job = min(self.due)
        self.due.remove(job)
        self.now = max(self.now, job[0])
        CALLS[job[2]](job[3][0], self.now)


@contextmanager
def working_desk() -> Iterator[Desk]:
    """Carry wake-ups to a desk within this context."""
    desk = Desk()
    with carried_by(desk.carry):
        yield desk
