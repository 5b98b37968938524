"""Marks and fills by a Redis stream: anybody may publish, the engine reads with a cursor that is kept in Redis.

An event is delivered at least once. One that cannot be read is set aside in a second stream and never stops the rest.
"""

import json
import logging
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import redis
from redis.exceptions import RedisError

from accounts.rules.pnl import Side
from liquidation.feeds.base import Event, FillEvent, Heartbeat, MarkEvent

STREAM = "riskdesk:events"
POISON_STREAM = "riskdesk:events:poison"
KEPT_EVENTS = 200_000
KEPT_POISON = 1_000
BATCH = 500

logger = logging.getLogger(__name__)


class UnreadableEventError(Exception):
    """A message of the stream that is not an event; the text says what is wrong with it."""


def encode(event: Event) -> str:
    """Return the event as JSON, its decimals as strings."""
    match event:
        case MarkEvent():
            facts = {"type": "mark", "symbol": event.symbol, "price": str(event.price), "source": event.source}
        case FillEvent():
            facts = {
                "type": "fill",
                "venue": event.venue,
                "execution_id": event.execution_id,
                "client_order_id": event.client_order_id,
                "account_ref": event.account_ref,
                "symbol": event.symbol,
                "side": event.side.value,
                "qty": str(event.qty),
                "price": str(event.price),
            }
        case _:
            facts = {"type": "heartbeat", "source": event.source}
    return json.dumps(facts | {"at": event.at.isoformat()})


def decode(text: str | bytes) -> Event:
    """Return the event that `encode` wrote.

    Raises:
        UnreadableEventError: not JSON, an unknown type, a missing field, a number that is no string or not finite, or a
            time without an offset.
    """
    try:
        facts = json.loads(text)
    except ValueError as error:
        raise UnreadableEventError(f"not JSON: {error}") from error
    if not isinstance(facts, dict):
        raise UnreadableEventError("not an object")
    match facts.get("type"):
        case "mark":
            return MarkEvent(_text(facts, "symbol"), _number(facts, "price"), _time(facts), _text(facts, "source"))
        case "fill":
            return _fill(facts)
        case "heartbeat":
            return Heartbeat(_text(facts, "source"), _time(facts))
        case other:
            raise UnreadableEventError(f"unknown type {other!r}")


def _fill(facts: Mapping[str, Any]) -> FillEvent:
    side, qty = _text(facts, "side"), _number(facts, "qty")
    if side not in set(Side):
        raise UnreadableEventError(f"side: {side!r} is neither BUY nor SELL")
    if qty <= 0 or qty != qty.to_integral_value():
        raise UnreadableEventError(f"qty: {qty} is not a whole number above 0")
    return FillEvent(
        venue=_text(facts, "venue"),
        execution_id=_text(facts, "execution_id"),
        client_order_id=_text(facts, "client_order_id"),
        account_ref=_text(facts, "account_ref"),
        symbol=_text(facts, "symbol"),
        side=Side(side),
        qty=int(qty),
        price=_number(facts, "price"),
        at=_time(facts),
    )


def _text(facts: Mapping[str, Any], key: str) -> str:
    value = facts.get(key)
    if not isinstance(value, str):
        raise UnreadableEventError(f"{key}: {value!r} is not a string")
    return value


def _number(facts: Mapping[str, Any], key: str) -> Decimal:
    text = _text(facts, key)
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise UnreadableEventError(f"{key}: {text!r} is not a number") from error
    if not number.is_finite():
        raise UnreadableEventError(f"{key}: {text!r} is not a finite number")
    return number


def _time(facts: Mapping[str, Any]) -> datetime:
    text = _text(facts, "at")
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise UnreadableEventError(f"at: {text!r} is not a time") from error
    if at.tzinfo is None:
        raise UnreadableEventError(f"at: {text!r} has no offset from UTC")
    return at


class StreamPublisher:
    """Writes events to the stream; the oldest are dropped beyond `KEPT_EVENTS`."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def publish(self, *events: Event) -> None:
        """Append these events, in this order.

        Raises:
            RedisError: the server is away; nothing or a part was written.
        """
        with self._client.pipeline(transaction=False) as pipeline:
            for event in events:
                pipeline.xadd(STREAM, {"event": encode(event)}, maxlen=KEPT_EVENTS, approximate=True)
            pipeline.execute()


class StreamFeed:
    """Reads the stream from a cursor of its own name.

    The cursor moves past a batch when the next one is asked for: a reader that dies in between gets it again.
    """

    def __init__(self, client: redis.Redis, *, name: str = "engine") -> None:
        self._client = client
        self._cursor_key = f"{STREAM}:cursor:{name}"
        self._cursor: str | None = None
        self._is_away = False

    def read(self, timeout_seconds: float) -> Sequence[Event]:
        """Return the next events; nothing when the server is away, so that the reader's clock goes on ticking."""
        try:
            events = self._read(max(1, int(timeout_seconds * 1000)))
        except RedisError:
            if not self._is_away:
                logger.exception("The event stream is away: no marks and no fills come in")
            self._is_away = True
            threading.Event().wait(timeout_seconds)
            return []
        if self._is_away:
            logger.warning("The event stream is back")
        self._is_away = False
        return events

    def _read(self, block_ms: int) -> list[Event]:
        cursor = self._acknowledged()
        answer: Any = self._client.xread({STREAM: cursor}, count=BATCH, block=block_ms)
        streams = answer.items() if isinstance(answer, dict) else answer or []  # the shape of protocol 3, or 2
        messages = [(row[0].decode(), row[1].get(b"event", b"")) for _, rows in streams for row in rows]
        if messages:
            self._cursor = messages[-1][0]
        return [event for event in (self._event(*message) for message in messages) if event is not None]

    def _acknowledged(self) -> str:
        """Return the cursor, written down first: what came before it has been dealt with."""
        if self._cursor is None:
            kept: Any = self._client.get(self._cursor_key)
            self._cursor = kept.decode() if kept else "0-0"
        else:
            self._client.set(self._cursor_key, self._cursor)
        return self._cursor

    def _event(self, message_id: str, text: bytes) -> Event | None:
        try:
            return decode(text)
        except UnreadableEventError as error:
            logger.warning("Event %s is set aside in %s: %s", message_id, POISON_STREAM, error)
            self._poison({"event": text, "id": message_id, "fault": str(error)})
            return None

    def set_aside(self, event: Event, fault: str) -> None:
        """Write the event to the stream of those set aside; when the server is away, to the log alone."""
        try:
            self._poison({"event": encode(event), "id": "", "fault": fault})
        except RedisError:
            logger.exception("An event could not be set aside: %s", event)

    def _poison(self, facts: dict[Any, Any]) -> None:
        self._client.xadd(POISON_STREAM, facts, maxlen=KEPT_POISON, approximate=True)
