"""The engine's process: feed to engine to database, until told to stop."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Event as Flag

from liquidation.engine.engine import RiskEngine
from liquidation.feeds.base import Event, Feed, FillEvent, Heartbeat, MarkEvent
from liquidation.services.drop_copy import take_fill

READ_SECONDS = 0.1
FLUSH_SECONDS = 1.0
# Clocks differ a little; an event that is dated later than this would make every honest one after it look old.
FUTURE_SECONDS = 5.0

logger = logging.getLogger(__name__)


class EngineLoop:
    """Reads the feed in small batches and does what is due by time in between.

    A fault of the database ends the process: whoever started it starts it again, and it reads the last batch anew.
    """

    def __init__(self, engine: RiskEngine, feed: Feed, clock: Callable[[], datetime]) -> None:
        self.engine = engine
        self.feed = feed
        self._clock = clock
        self._flush_due_at = clock()

    def run(self, stop: Flag) -> None:
        """Load everything, then go on until `stop` is set; what is in memory only is written at the end."""
        self.engine.load(self._clock())
        while not stop.is_set():
            self.turn()
        self.engine.flush()

    def turn(self) -> None:
        """Take in one batch and do what is due."""
        events = self.feed.read(READ_SECONDS)
        # Changes first: a new limit or a fill counts for the prices that come with it.
        self.engine.refresh(self._clock())
        for event in events:
            self._take(event)
        now = self._clock()
        self.engine.tick(now)
        if now >= self._flush_due_at:
            self.engine.flush()
            self._flush_due_at = now + timedelta(seconds=FLUSH_SECONDS)

    def _take(self, event: Event) -> None:
        now = self._clock()
        if event.at > now + timedelta(seconds=FUTURE_SECONDS):
            logger.warning("Left out, dated in the future: %s", event)
            return
        match event:
            case MarkEvent():
                self.engine.on_mark(event.symbol, event.price, event.at, event.source, now)
            case FillEvent():
                take_fill(fill=event, now=now)
                self.engine.refresh(now)
            case Heartbeat():
                self.engine.hear(event.source, event.at)
