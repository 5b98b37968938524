"""The demonstration's firm."""

from decimal import Decimal

import pytest

from liquidation.demo.book import BOUGHT_NOW, HOLDERS, INSTRUMENTS, demo_book
from liquidation.demo.market import PATHS
from liquidation.rules.book import check_book


def test_the_book_has_no_fault():
    assert check_book(demo_book())[1] == []


def test_it_is_two_companies_about_forty_accounts_and_a_share():
    book = demo_book()
    assert len(book["company"]) == 2
    assert 38 <= len(book["account"]) <= 42
    assert len(book["share"]) == 1
    assert all(company["auto_liquidation_user"] for company in book["company"])


@pytest.mark.parametrize("holder", [h for h in HOLDERS if h.limit], ids=lambda holder: holder.name)
def test_a_position_loses_its_limit_at_its_level_and_not_a_tick_before(holder):
    position = next(row for row in demo_book()["position"] if row["account"] == holder.name)
    path = PATHS[holder.symbol]
    per_tick = Decimal(INSTRUMENTS[holder.symbol][2]) * holder.net

    def pnl(ticks):
        return (path.price(ticks) - Decimal(position["price"])) / path.tick * per_tick

    limit = Decimal(holder.limit) * 80 / 100
    away = 1 if holder.net > 0 else -1
    assert pnl(holder.at_ticks) <= -limit < pnl(holder.at_ticks + away)


def test_a_position_without_a_loss_so_far_is_at_the_markets_start():
    fresh = [holder for holder in HOLDERS if holder.at_ticks is BOUGHT_NOW]
    assert fresh
    prices = {row["account"]: row["price"] for row in demo_book()["position"]}
    assert all(Decimal(prices[holder.name]) == PATHS[holder.symbol].start for holder in fresh)
