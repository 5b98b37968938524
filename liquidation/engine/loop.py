"""The engine's process: feed to engine to database, until told to stop."""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from threading import Event as Flag

from liquidation.engine.engine import RiskEngine
from liquidation.engine.faults import OUTAGES
from liquidation.feeds.base import Event, Feed, FillEvent, Heartbeat, MarkEvent
from liquidation.services.alerts import raise_alert
from liquidation.services.drop_copy import take_fill

READ_SECONDS = 0.1
FLUSH_SECONDS = 1.0
# Clocks differ a little; an event that is dated later than this would make every honest one after it look old.
FUTURE_SECONDS = 5.0
# A sender that sends nothing but nonsense rings once in so long.
SET_ASIDE_RINGS_SECONDS = 60.0

logger = logging.getLogger(__name__)


class EngineLoop:
    """Reads the feed in small batches and does what is due by time in between.

    A fault of the database ends the process: whoever started it starts it again, and it reads the last batch anew. An
    event that cannot be dealt with for any other reason is set aside and stops nothing.
    """

    def __init__(self, engine: RiskEngine, feed: Feed, clock: Callable[[], datetime]) -> None:
        self.engine = engine
        self.feed = feed
        self._clock = clock
        self._flush_due_at = self._rings_at = clock()

    def run(self, stop: Flag) -> None:
        """Load everything, then go on until `stop` is set; what is in memory only is written at the end."""
        self.engine.load(self._clock())
        while not stop.is_set():
            self.turn()
        self.engine.flush()

    def turn(self) -> None:
        """Take in one batch and do what is due.

        Fills and committed changes come first, and the trees they touch are judged once, at the batch's last prices: a
        fill counts for the prices that come with it, and no price is held against a position that is no longer there.
        """
        events = self.feed.read(READ_SECONDS)
        self._take_all(event for event in events if isinstance(event, FillEvent))
        self.engine.postpone(self._clock())
        self._take_all(event for event in events if not isinstance(event, FillEvent))
        self.engine.catch_up(self._clock())
        now = self._clock()
        self.engine.tick(now)
        if now >= self._flush_due_at:
            self.engine.flush()
            self._flush_due_at = now + timedelta(seconds=FLUSH_SECONDS)

    def _take_all(self, events: Iterable[Event]) -> None:
        for event in events:
            now = self._clock()
            try:
                self._take(event, now)
            except OUTAGES:
                raise
            except Exception as error:
                logger.exception("Set aside: %s", event)
                self._set_aside(event, f"{type(error).__name__}: {error}", now)

    def _set_aside(self, event: Event, fault: str, now: datetime) -> None:
        self.feed.set_aside(event, fault)
        text = f"An event of the feed could not be dealt with and is set aside: {event} ({fault})"
        raise_alert(account=None, code="EVENT_SET_ASIDE", text=text, now=now, again=now >= self._rings_at)
        if now >= self._rings_at:
            self._rings_at = now + timedelta(seconds=SET_ASIDE_RINGS_SECONDS)

    def _take(self, event: Event, now: datetime) -> None:
        if event.at > now + timedelta(seconds=FUTURE_SECONDS):
            logger.warning("Left out, dated in the future: %s", event)
            return
        match event:
            case MarkEvent():
                # The real time, not the event's: what waited in a backlog sets the price and decides nothing.
                self.engine.on_mark(event.symbol, event.price, event.at, event.source, now)
            case FillEvent():
                take_fill(fill=event, now=now)
            case Heartbeat():
                self.engine.hear(event.source, event.at, now)
