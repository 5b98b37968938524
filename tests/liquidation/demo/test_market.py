"""The demonstration's market."""

from decimal import Decimal

import pytest

from liquidation.demo.market import PATHS, TURNS_PER_SECOND, WALK_TICKS, Path, SimulatedMarket

PATH = Path(Decimal("100.00"), Decimal("0.25"), ((1, 8), (2, 0)))


@pytest.mark.parametrize(("turn", "ticks"), [(0, 0), (1, 2), (2, 4), (4, 8), (5, 6), (7, 2), (8, 0), (99, 0)])
def test_a_path_goes_straight_from_knot_to_knot_and_stays_at_the_last(turn, ticks):
    assert PATH.ticks_at(turn) == ticks


def test_a_price_is_counted_in_ticks_from_the_start():
    assert PATH.price(-3) == Decimal("99.25")


def drawn(market, turns):
    return [market.next_prices() for _ in range(turns)]


def test_the_same_seed_draws_the_same_market_and_another_one_does_not():
    assert drawn(SimulatedMarket(seed=1), 50) == drawn(SimulatedMarket(seed=1), 50)
    assert drawn(SimulatedMarket(seed=1), 50) != drawn(SimulatedMarket(seed=2), 50)


@pytest.mark.parametrize("stopped_at", [10, 1500])
def test_a_market_that_is_resumed_draws_what_it_would_have_drawn(stopped_at):
    whole = drawn(SimulatedMarket(seed=1), stopped_at + 40)
    resumed = SimulatedMarket(seed=1, turn=stopped_at, standing=whole[stopped_at - 1])
    assert drawn(resumed, 40) == whole[stopped_at:]


def test_prices_keep_to_the_drawn_path_within_a_tick():
    market = SimulatedMarket(seed=1)
    for prices in drawn(market, 300 * TURNS_PER_SECOND):
        turn = prices["ESZ6"]
        assert turn  # a price every turn
    path = PATHS["ESZ6"]
    assert abs(turn - path.price(path.ticks_at(market.turn))) <= path.tick


def test_after_the_path_it_walks_and_never_far():
    market = SimulatedMarket(seed=1, turn=PATHS["CLF7"].last_turn)
    path = PATHS["CLF7"]
    anchor = path.price(path.knots[-1][1])
    prices = [prices["CLF7"] for prices in drawn(market, 6000)]
    assert max(abs(price - anchor) for price in prices) <= WALK_TICKS * path.tick
    assert len(set(prices)) > 10
