"""The stream feed, against a real Valkey."""

import json
import logging
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from redis.backoff import NoBackoff
from redis.retry import Retry

from accounts.rules.pnl import Side
from liquidation.feeds.base import FillEvent, Heartbeat, MarkEvent
from liquidation.feeds.stream import (
    POISON_STREAM,
    STREAM,
    StreamFeed,
    StreamPublisher,
    UnreadableEventError,
    decode,
    encode,
)

AT = datetime(2026, 11, 20, 15, 0, 0, 250_000, tzinfo=UTC)
MARK = MarkEvent("ESZ6", Decimal("6000.25"), AT, "sim")
FILL = FillEvent("simulated", "E-1", "O-1", "7", "ESZ6", Side.SELL, 3, Decimal("-37.63"), AT)
SHORT_WAIT_SECONDS = 0.01

times = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=9))]))
prices = st.decimals(allow_nan=False, allow_infinity=False, places=9)
events = st.one_of(
    st.builds(MarkEvent, st.text(), prices, times, st.text()),
    st.builds(Heartbeat, st.text(), times),
    st.builds(
        FillEvent,
        *[st.text()] * 5,
        st.sampled_from(Side),
        st.integers(1, 10**9),
        prices,
        times,
    ),
)


@pytest.fixture
def client(valkey):
    client = valkey.client()
    client.flushall()
    return client


def absent(folder):
    """Return a client of a server that does not run, which does not try again by itself."""
    return redis.Redis(unix_socket_path=str(folder / "nobody.sock"), retry=Retry(NoBackoff(), 0))


@given(events)
def test_what_is_encoded_is_decoded_without_loss(event):
    assert decode(encode(event)) == event


def test_decimals_travel_as_strings():
    assert json.loads(encode(MARK))["price"] == "6000.25"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "not JSON"),
        ("[1]", "not an object"),
        ('{"type": "rumor"}', "unknown type 'rumor'"),
        (encode(MARK).replace('"6000.25"', "6000.25"), "price: 6000.25 is not a string"),
        (encode(MARK).replace("6000.25", "dear"), "price: 'dear' is not a number"),
        (encode(MARK).replace("6000.25", "NaN"), "price: 'NaN' is not a finite number"),
        (encode(MARK).replace("6000.25", "Infinity"), "price: 'Infinity' is not a finite number"),
        (encode(MARK).replace("symbol", "cymbal"), "symbol: None is not a string"),
        (encode(MARK).replace("+00:00", ""), "has no offset from UTC"),
        (encode(MARK).replace("2026-11", "soon"), "is not a time"),
        (encode(FILL).replace("SELL", "HOLD"), "side: 'HOLD' is neither BUY nor SELL"),
        (encode(FILL).replace('"3"', '"0"'), "qty: 0 is not a whole number above 0"),
        (encode(FILL).replace('"3"', '"1.5"'), "qty: 1.5 is not a whole number above 0"),
    ],
)
def test_what_is_no_event_is_refused_with_its_fault(text, fault):
    with pytest.raises(UnreadableEventError, match=fault.replace("(", r"\(")):
        decode(text)


@pytest.mark.worker
def test_events_come_out_in_the_order_they_went_in(client):
    StreamPublisher(client).publish(MARK, FILL, Heartbeat("sim", AT))
    assert StreamFeed(client).read(SHORT_WAIT_SECONDS) == [MARK, FILL, Heartbeat("sim", AT)]


@pytest.mark.worker
def test_an_empty_stream_is_waited_for_and_gives_nothing(client):
    assert StreamFeed(client).read(SHORT_WAIT_SECONDS) == []


@pytest.mark.worker
def test_each_read_goes_on_after_the_last(client):
    feed, publisher = StreamFeed(client), StreamPublisher(client)
    publisher.publish(MARK)
    assert feed.read(SHORT_WAIT_SECONDS) == [MARK]
    publisher.publish(FILL)
    assert feed.read(SHORT_WAIT_SECONDS) == [FILL]


@pytest.mark.worker
def test_a_reader_that_died_gets_its_last_batch_again_and_no_earlier_one(client):
    feed, publisher = StreamFeed(client), StreamPublisher(client)
    publisher.publish(MARK)
    feed.read(SHORT_WAIT_SECONDS)
    publisher.publish(FILL)
    feed.read(SHORT_WAIT_SECONDS)
    assert StreamFeed(client).read(SHORT_WAIT_SECONDS) == [FILL]


@pytest.mark.worker
def test_readers_of_different_names_do_not_disturb_each_other(client):
    StreamPublisher(client).publish(MARK)
    for name in ("engine", "archive"):
        feed = StreamFeed(client, name=name)
        assert feed.read(SHORT_WAIT_SECONDS) == [MARK]
        assert feed.read(SHORT_WAIT_SECONDS) == []


@pytest.mark.worker
def test_a_poison_message_is_set_aside_and_the_rest_goes_on(client, caplog):
    client.xadd(STREAM, {"event": "not an event"})
    client.xadd(STREAM, {"something": "else"})
    StreamPublisher(client).publish(MARK)
    with caplog.at_level(logging.WARNING):
        assert StreamFeed(client).read(SHORT_WAIT_SECONDS) == [MARK]
    kept = [fields for _, fields in client.xrange(POISON_STREAM)]
    assert [fields[b"event"] for fields in kept] == [b"not an event", b""]
    assert kept[0][b"fault"].startswith(b"not JSON")
    assert len(caplog.records) == 2


@pytest.mark.worker
@pytest.mark.parametrize("shape", [{"protocol": 2}, {"protocol": 3, "legacy_responses": False}])
def test_the_answers_of_either_protocol_are_read(client, valkey, shape):
    StreamPublisher(client).publish(MARK, FILL)
    feed = StreamFeed(redis.Redis(unix_socket_path=str(valkey.socket), **shape))
    assert feed.read(SHORT_WAIT_SECONDS) == [MARK, FILL]
    assert feed.read(SHORT_WAIT_SECONDS) == []


def test_a_server_that_is_away_gives_nothing_and_says_so_once(tmp_path, caplog):
    feed = StreamFeed(absent(tmp_path))
    with caplog.at_level(logging.ERROR):
        assert feed.read(SHORT_WAIT_SECONDS) == []
        assert feed.read(SHORT_WAIT_SECONDS) == []
    assert len(caplog.records) == 1


@pytest.mark.worker
def test_a_server_that_comes_back_is_read_again(client, tmp_path, caplog):
    StreamPublisher(client).publish(MARK)
    feed = StreamFeed(absent(tmp_path))
    feed.read(SHORT_WAIT_SECONDS)
    feed._client = client
    with caplog.at_level(logging.WARNING):
        assert feed.read(SHORT_WAIT_SECONDS) == [MARK]
    assert "back" in caplog.text


def test_an_event_that_could_not_be_dealt_with_is_kept_with_its_fault(client):
    StreamFeed(client).set_aside(FILL, "DataError: too large")
    [(_, facts)] = client.xrange(POISON_STREAM)
    assert (decode(facts[b"event"]), facts[b"fault"]) == (FILL, b"DataError: too large")


def test_setting_aside_while_the_server_is_away_stops_nothing(tmp_path, caplog):
    StreamFeed(absent(tmp_path)).set_aside(MARK, "no")
    assert "could not be set aside" in caplog.text
