"""Run the risk engine: every price and fill of the stream against every limit."""

import logging
import signal
import threading
from typing import Any

import redis
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from liquidation.engine import RiskEngine
from liquidation.engine.loop import EngineLoop
from liquidation.feeds.stream import StreamFeed
from riskadmin.embedded import EmbeddedServerError, broker

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    """Follow the stream of marks and fills and act on what is breached, until SIGTERM."""

    help = "Run the risk engine on the stream of marks and fills, until SIGTERM or Ctrl-C."

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        try:
            with broker():
                feed = StreamFeed(redis.Redis.from_url(settings.REDIS_URL))
                engine = RiskEngine(mark_max_age_seconds=settings.MARK_MAX_AGE_SECONDS)
                logger.info("The risk engine runs")
                EngineLoop(engine, feed, timezone.now).run(stop)
        except EmbeddedServerError as error:
            raise CommandError(str(error)) from error
        logger.info("The risk engine has stopped")
