"""Figures of a tree: summed, converted, and with what is missing said instead of counted as zero."""

from decimal import Decimal

import pytest

from accounts.models import ProductMargin
from accounts.rules.pnl import Side
from accounts.selectors.figures import TreeFigures, tree_figures
from tests import builders
from tests.builders import NOW, seconds

pytestmark = pytest.mark.django_db


@pytest.fixture
def account():
    return builders.account(builders.company("ALPHA"), "A-1")


def figures(account, currency="USD", now=NOW):
    return tree_figures(account, currency=currency, now=now)


def test_an_empty_tree_is_worth_nothing_and_lacks_nothing(account):
    assert figures(account) == TreeFigures("USD", Decimal(0), Decimal(0), Decimal(0), {}, None)


def test_a_tree_is_the_sum_of_its_accounts_realized_and_open(account):
    child = builders.account(account.company, parent=account)
    builders.mark("ESZ6", "6002", at=NOW - seconds(3))
    builders.position(account, net=2, price="6000")
    builders.position(child, net=-1, price="6010")
    builders.fill(account, side=Side.SELL, price="6001")
    found = figures(account)
    assert (found.realized_pnl, found.open_pnl, found.pnl) == (50, 100 + 400, 550)
    assert (found.nets, found.price_age_seconds, found.gaps) == ({"ESZ6": 0}, 3.0, ())
    assert figures(child).pnl == 400


def test_another_currency_is_converted_margin_too(account):
    builders.rate("EUR", "USD", "1.35")
    builders.mark("FDAXZ6", "18002")
    builders.position(account, "FDAXZ6", net=1, price="18000")
    builders.margin("FDAX", initial="1000")
    builders.mark("ESZ6", "6001")
    builders.position(account, "ESZ6", net=1, price="6000")
    found = figures(account)
    assert (found.open_pnl, found.margin) == (Decimal("117.50"), Decimal(5530))
    assert figures(account, "EUR").open_pnl.quantize(Decimal("0.01")) == Decimal("87.04")


def test_without_a_price_the_realized_part_stands_and_the_whole_is_unknown(account):
    builders.position(account, net=2)
    builders.fill(account, side=Side.SELL, price="6001")
    found = figures(account)
    assert (found.realized_pnl, found.open_pnl, found.pnl) == (50, None, None)
    assert (found.gaps, found.price_age_seconds) == (("No current price of ESZ6.",), None)


def test_a_flat_contract_needs_no_price(account):
    builders.position(account, net=1)
    builders.fill(account, side=Side.SELL, price="6001")
    found = figures(account)
    assert (found.pnl, found.gaps, found.price_age_seconds) == (50, (), None)


def test_one_missing_price_makes_the_whole_unknown_whatever_comes_after(account):
    builders.position(account, "ESZ6")
    builders.position(account, "NQZ6")
    builders.mark("NQZ6", "6001")
    found = figures(account)
    assert (found.realized_pnl, found.open_pnl, found.gaps) == (0, None, ("No current price of ESZ6.",))


def test_one_missing_rate_makes_all_unknown_and_is_said(account):
    builders.position(account, "FDAXZ6", price="18000")
    builders.position(account, "ESZ6")
    found = figures(account)
    assert (found.realized_pnl, found.open_pnl, found.pnl, found.margin) == (None, None, None, None)
    assert set(found.gaps) == {"No rate from EUR to USD.", "No current price of ESZ6."}


def test_a_missing_margin_is_said(account):
    builders.position(account)
    builders.mark()
    ProductMargin.objects.all().delete()
    found = figures(account)
    assert (found.margin, found.pnl, found.gaps) == (None, 0, ("No margin of ES.",))


def test_the_age_is_that_of_the_oldest_price_in_use(account):
    builders.position(account, "ESZ6")
    builders.position(account, "NQZ6")
    builders.mark("ESZ6", at=NOW - seconds(4))
    builders.mark("NQZ6", at=NOW - seconds(2))
    builders.mark("GCZ6", at=NOW - seconds(9))
    assert figures(account).price_age_seconds == 4


def test_the_age_counts_a_price_that_accounts_hold_against_each_other(account):
    other = builders.account(account.company, parent=account)
    builders.position(account, net=1)
    builders.position(other, net=-1)
    builders.mark(at=NOW - seconds(4))
    assert figures(account).price_age_seconds == 4


@pytest.mark.parametrize(("side", "qty", "margin"), [(Side.BUY, 3, 4), (Side.SELL, 3, 2), (Side.SELL, 1, 1)])
def test_margin_counts_working_orders_at_their_worst(account, side, qty, margin):
    builders.position(account, net=1)
    builders.working_order(account, side=side, qty=qty)
    assert figures(account).margin == margin * 4180
