"""Fills that a venue tells by itself."""

import logging
from dataclasses import replace
from decimal import Decimal

import pytest

from accounts.models import Fill, Position
from accounts.rules.orders import OrderStatus
from accounts.rules.pnl import Side
from liquidation.feeds.base import FillEvent
from liquidation.services.drop_copy import take_fill
from tests.builders import NOW, account, company, instrument, working_order

pytestmark = pytest.mark.django_db


@pytest.fixture
def order():
    return working_order(account(company()), side=Side.BUY, qty=3, price="5900")


def fill_of(order, **changes):
    event = FillEvent(
        "simulated", "E-1", order.client_order_id, str(order.account_id), "ESZ6", Side.BUY, 3, Decimal(5900), NOW
    )
    return replace(event, **changes)


def net(order):
    return Position.objects.get(account=order.account).net


def test_a_fill_counts_for_its_order_and_its_position(order):
    assert take_fill(fill=fill_of(order), now=NOW) is True
    order.refresh_from_db()
    assert (order.status, order.filled_qty, net(order)) == (OrderStatus.FILLED, 3, 3)


def test_a_part_leaves_the_order_working(order):
    take_fill(fill=fill_of(order, qty=1), now=NOW)
    order.refresh_from_db()
    assert (order.status, order.leaves_qty, net(order)) == (OrderStatus.WORKING, 2, 1)


def test_it_is_safe_to_repeat(order):
    take_fill(fill=fill_of(order), now=NOW)
    assert take_fill(fill=fill_of(order), now=NOW) is True
    assert (Fill.objects.count(), net(order)) == (1, 3)


@pytest.mark.parametrize("client_order_id", ["", "NOT-OURS"])
def test_a_fill_of_an_order_that_is_not_ours_counts_for_the_account(order, client_order_id):
    assert take_fill(fill=fill_of(order, client_order_id=client_order_id, side=Side.SELL), now=NOW) is True
    assert net(order) == -3
    assert Fill.objects.get().order is None


@pytest.mark.parametrize("changes", [{"account_ref": "999999"}, {"account_ref": "ALPHA"}, {"symbol": "XXZ9"}])
def test_a_fill_of_an_unknown_account_or_contract_is_logged_and_left_out(order, changes, caplog):
    instrument()
    with caplog.at_level(logging.ERROR):
        assert take_fill(fill=fill_of(order, client_order_id="", **changes), now=NOW) is False
    assert "is not applied" in caplog.text
    assert not Fill.objects.exists()
