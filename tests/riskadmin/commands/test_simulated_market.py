"""The simulated market's process: prices and fills onto the stream."""

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from accounts.rules.pnl import Side
from liquidation.demo.market import PATHS, SimulatedMarket
from liquidation.feeds.base import FillEvent, Heartbeat, MarkEvent
from liquidation.models import VenuePrice
from riskadmin.management.commands import run_simulated_market
from riskadmin.management.commands.run_simulated_market import TURN_KEY, fill_events, publish_turn
from tests.builders import NOW, account, company, working_order

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.worker]


class ListPublisher:
    def __init__(self):
        self.events = []

    def publish(self, *events):
        self.events += events


def test_a_turn_is_a_price_of_every_contract_and_a_heartbeat():
    publisher = ListPublisher()
    publish_turn(SimulatedMarket(seed=1), publisher, NOW)
    marks = [event for event in publisher.events if isinstance(event, MarkEvent)]
    assert [mark.symbol for mark in marks] == list(PATHS)
    assert publisher.events[-1] == Heartbeat("simulated market", NOW)
    assert {row.symbol: row.price for row in VenuePrice.objects.all()} == {mark.symbol: mark.price for mark in marks}


def test_a_resting_order_that_the_price_reaches_is_filled_and_told():
    order = working_order(account(company()), side=Side.BUY, qty=2, price="6100")
    publisher = ListPublisher()
    publish_turn(SimulatedMarket(seed=1), publisher, NOW)
    (fill,) = [event for event in publisher.events if isinstance(event, FillEvent)]
    assert (fill.client_order_id, fill.account_ref) == (order.client_order_id, str(order.account_id))
    assert (fill.side, fill.qty, fill.price, fill.at) == (Side.BUY, 2, 6100, NOW)
    assert list(fill_events([order.client_order_id])) == [fill]


class Turns:
    """Stands in for the flag that stops the process: set after so many turns, without waiting."""

    def __init__(self, turns):
        self.left = turns

    def set(self):
        self.left = 0

    def wait(self, _seconds):
        self.left -= 1
        return self.left < 0


@pytest.fixture
def run(valkey, monkeypatch):
    valkey.client().flushall()

    def run(turns):
        monkeypatch.setattr(run_simulated_market.threading, "Event", lambda: Turns(turns))
        monkeypatch.setattr(run_simulated_market.signal, "signal", lambda *_: None)
        call_command("run_simulated_market")

    return run


def test_a_market_that_is_started_again_goes_on_from_its_last_turn(run, valkey):
    run(3)
    first = VenuePrice.objects.get(symbol="ESZ6").price
    run(2)
    assert valkey.client().get(TURN_KEY) == b"5"
    assert abs(VenuePrice.objects.get(symbol="ESZ6").price - first) < 5


def test_without_a_broker_it_ends_with_one_sentence(run, monkeypatch):
    monkeypatch.setattr(settings, "REDIS_IS_EMBEDDED", False)
    monkeypatch.setattr(settings, "REDIS_URL", "unix:///nowhere/nobody.sock")
    with pytest.raises(CommandError, match=r"nowhere/nobody\.sock"):
        run(1)
