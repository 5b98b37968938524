"""Marks: the newest price of each contract, whatever order they come in."""

from decimal import Decimal
from itertools import permutations

import pytest

from accounts.models import Mark
from accounts.services.marks import AcceptedMark, record_marks
from tests import builders
from tests.builders import NOW, seconds

pytestmark = pytest.mark.django_db


def mark(price, priced=0, seen=None, symbol="ESZ6"):
    seen = priced if seen is None else seen
    return AcceptedMark(symbol, Decimal(price), NOW + seconds(priced), NOW + seconds(seen), "tape")


@pytest.fixture(autouse=True)
def _contracts():
    builders.instrument("ESZ6")
    builders.instrument("6JZ6")


def stored(symbol="ESZ6"):
    return Mark.objects.get(instrument__symbol=symbol)


def test_each_contract_keeps_its_price_exactly():
    assert record_marks([mark("6000.25"), mark("0.0067005", symbol="6JZ6")]) == 2
    assert (stored().price, stored("6JZ6").price) == (Decimal("6000.25"), Decimal("0.0067005"))
    assert (stored().priced_at, stored().seen_at, stored().source) == (NOW, NOW, "tape")


def test_no_marks_and_unknown_contracts_write_nothing():
    assert record_marks([]) == 0
    assert record_marks([mark("1", symbol="ZZZ9")]) == 0
    assert not Mark.objects.exists()


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("order", list(permutations([("1", 1), ("2", 2), ("3", 3)])))
def test_safe_out_of_order_the_newest_price_stands(together, order):
    marks = [mark(price, priced) for price, priced in order]
    for batch in [marks] if together else [[one] for one in marks]:
        record_marks(batch)
    assert stored().price == 3


def test_safe_to_repeat():
    record_marks([mark("1")])
    record_marks([mark("1")])
    assert (Mark.objects.count(), stored().price) == (1, 1)


def test_a_price_that_was_long_on_its_way_is_old_however_late_it_is_heard():
    record_marks([mark("2", priced=4, seen=4)])
    assert record_marks([mark("1", priced=0, seen=5)]) == 0
    assert stored().price == 2


def test_a_source_heard_again_without_a_new_price_keeps_the_price_fresh():
    record_marks([mark("1", priced=0, seen=0)])
    assert record_marks([mark("1", priced=0, seen=9)]) == 1
    assert (stored().priced_at, stored().seen_at) == (NOW, NOW + seconds(9))
    assert record_marks([mark("1", priced=0, seen=8)]) == 0
