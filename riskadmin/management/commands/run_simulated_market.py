"""Run the demonstration's market: prices and fills onto the stream, a few of each contract a second."""

import logging
import signal
import threading
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import redis
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from redis.exceptions import RedisError

from accounts.rules.pnl import Side
from liquidation.demo.market import TURNS_PER_SECOND, SimulatedMarket
from liquidation.feeds.base import FillEvent, Heartbeat, MarkEvent
from liquidation.feeds.stream import StreamPublisher
from liquidation.gateways.simulated import SimulatedExchange
from liquidation.models import VenueExecution, VenuePrice
from riskadmin.embedded import EmbeddedServerError, broker

SOURCE = "simulated market"
TURN_KEY = "riskdesk:market:turn"

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    """Draw prices, trade the simulated exchange's resting orders at them, and publish both."""

    help = "Run the demonstration's market on the stream of marks and fills, until SIGTERM or Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seed", type=int, default=7, help="The same seed draws the same market.")

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        try:
            with broker():
                self._run(redis.Redis.from_url(settings.REDIS_URL), options["seed"], stop)
        except (EmbeddedServerError, RedisError) as error:
            raise CommandError(str(error)) from error

    def _run(self, client: "redis.Redis", seed: int, stop: threading.Event) -> None:
        publisher = StreamPublisher(client)
        turn: Any = client.get(TURN_KEY)
        standing = dict(VenuePrice.objects.values_list("symbol", "price"))
        market = SimulatedMarket(seed=seed, turn=int(turn or 0), standing=standing)
        logger.info("The simulated market runs from turn %s", market.turn)
        while not stop.wait(1 / TURNS_PER_SECOND):
            publish_turn(market, publisher, timezone.now())
            client.set(TURN_KEY, market.turn)


def publish_turn(market: SimulatedMarket, publisher: StreamPublisher, now: datetime) -> None:
    """Draw one price of every contract, let the exchange trade at it, and publish prices, fills and a heartbeat."""
    exchange = SimulatedExchange()
    for symbol, price in market.next_prices().items():
        filled = exchange.move_price(symbol, price, now)
        publisher.publish(MarkEvent(symbol, price, now, SOURCE), *fill_events(filled))
    publisher.publish(Heartbeat(SOURCE, now))


def fill_events(client_order_ids: list[str]) -> Iterator[FillEvent]:
    """Return the executions of these orders as the exchange tells them."""
    for execution in VenueExecution.objects.filter(order__client_order_id__in=client_order_ids).select_related("order"):
        order = execution.order
        yield FillEvent(
            venue=SimulatedExchange.name,
            execution_id=execution.execution_id,
            client_order_id=order.client_order_id,
            account_ref=order.account_ref,
            symbol=order.symbol,
            side=Side(order.side),
            qty=execution.qty,
            price=execution.price,
            at=execution.at,
        )
