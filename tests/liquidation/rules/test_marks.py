"""Sanity of marks."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liquidation.rules.marks import MarkRules, MarkVerdict, is_stale, judge_mark, mid_price

NOON = datetime(2024, 1, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TICK = Decimal("0.25")


def judge(price, *, last="4500", suspects=(), at=NOON, last_at=NOON, rules=None, tick=TICK):
    verdict, waiting = judge_mark(
        price=Decimal(price),
        at=at,
        tick_size=tick,
        last_price=None if last is None else Decimal(last),
        last_at=last_at,
        suspects=tuple(Decimal(suspect) for suspect in suspects),
        rules=rules or MarkRules(),
    )
    return verdict, tuple(str(price) for price in waiting)


@pytest.mark.parametrize("price", ["NaN", "sNaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("last", [None, "4500"])
def test_a_mark_that_is_no_number_is_never_used(price, last):
    assert judge(price, last=last, suspects=("9000",)) == (MarkVerdict.NOT_FINITE, ("9000",))


@pytest.mark.parametrize("price", ["4500.10", "1E+200", "0." + "1" * 130])
@pytest.mark.parametrize("last", [None, "4500"])
def test_a_mark_off_the_tick_is_never_used(price, last):
    assert judge(price, last=last, suspects=("9000",)) == (MarkVerdict.OFF_TICK, ("9000",))


@pytest.mark.parametrize(
    ("offset", "verdict"),
    [(-SECOND, MarkVerdict.OLDER), (0 * SECOND, MarkVerdict.ACCEPT), (SECOND, MarkVerdict.ACCEPT)],
)
def test_a_mark_older_than_the_last_is_ignored(offset, verdict):
    assert judge("4501", at=NOON + offset)[0] is verdict


def test_an_older_mark_neither_clears_nor_confirms_a_suspect():
    assert judge("9000", at=NOON - SECOND, suspects=("9000",)) == (MarkVerdict.OLDER, ("9000",))


@pytest.mark.parametrize("price", ["0", "-37.75", "4500", "1000000"])
def test_the_first_mark_is_taken_as_it_is(price):
    assert judge(price, last=None, last_at=None) == (MarkVerdict.ACCEPT, ())


@pytest.mark.parametrize(
    ("price", "verdict"),
    [
        ("6749.75", MarkVerdict.ACCEPT),
        ("6750", MarkVerdict.ACCEPT),
        ("6750.25", MarkVerdict.SUSPECT),
        ("2250.25", MarkVerdict.ACCEPT),
        ("2250", MarkVerdict.ACCEPT),
        ("2249.75", MarkVerdict.SUSPECT),
    ],
)
def test_a_jump_of_more_than_the_maximum_is_suspect(price, verdict):
    assert judge(price)[0] is verdict


@pytest.mark.parametrize("bad", ["45000", "0", "450", "-4500"])
def test_one_bad_tick_is_held_back(bad):
    assert judge(bad) == (MarkVerdict.SUSPECT, (bad,))


def test_a_normal_mark_in_between_clears_the_suspects():
    assert judge("4501", suspects=("9000", "9001")) == (MarkVerdict.ACCEPT, ())


def test_a_real_gap_is_believed_after_two_further_marks_near_it():
    first = judge("2000")
    second = judge("2010", suspects=first[1])
    assert (first[0], second) == (MarkVerdict.SUSPECT, (MarkVerdict.SUSPECT, ("2000", "2010")))
    assert judge("1990", suspects=second[1]) == (MarkVerdict.ACCEPT, ())


@pytest.mark.parametrize(
    ("price", "waiting"),
    [
        ("2099.75", ("2000", "2099.75")),
        ("2100", ("2000", "2100")),
        ("2100.25", ("2100.25",)),
        ("1899.75", ("1899.75",)),
    ],
)
def test_a_mark_far_from_the_first_suspect_starts_again(price, waiting):
    assert judge(price, suspects=("2000",)) == (MarkVerdict.SUSPECT, waiting)


@pytest.mark.parametrize(("confirmations", "marks"), [(0, 1), (1, 2), (3, 4)])
def test_as_many_confirmations_are_needed_as_the_rules_say(confirmations, marks):
    waiting, verdicts = (), []
    for _ in range(marks):
        verdict, waiting = judge("2000", suspects=waiting, rules=MarkRules(confirmations=confirmations))
        verdicts.append(verdict)
    assert verdicts == [MarkVerdict.SUSPECT] * confirmations + [MarkVerdict.ACCEPT]


@pytest.mark.parametrize(
    ("price", "verdict"), [("0.25", MarkVerdict.ACCEPT), ("-0.25", MarkVerdict.ACCEPT), ("0.50", MarkVerdict.SUSPECT)]
)
def test_from_zero_a_mark_may_move_one_tick(price, verdict):
    assert judge(price, last="0")[0] is verdict


def test_a_price_may_go_below_zero_and_move_there():
    cent = Decimal("0.01")
    assert judge("-37.63", last="-30.00", tick=cent) == (MarkVerdict.ACCEPT, ())
    assert judge("-37.63", last="1.43", suspects=("-37.00", "-37.50"), tick=cent) == (MarkVerdict.ACCEPT, ())


@given(last=st.integers(-9999, 9999), price=st.integers(-9999, 9999), tick=st.sampled_from(["0.25", "0.01", "1"]))
def test_a_mark_that_repeats_itself_is_always_believed_in_the_end(last, price, tick):
    waiting, verdict = (), None
    for _ in range(3):
        verdict, waiting = judge(price * Decimal(tick), last=last * Decimal(tick), suspects=waiting, tick=Decimal(tick))
        if verdict is MarkVerdict.ACCEPT:
            break
    assert (verdict, waiting) == (MarkVerdict.ACCEPT, ())


def test_a_tick_of_nothing_is_an_error_and_not_a_verdict():
    with pytest.raises(ValueError, match="tick_size"):
        judge("1", tick=Decimal(0))


@pytest.mark.parametrize(
    "figures",
    [{"max_jump_pct": Decimal(-1)}, {"confirm_tolerance_pct": Decimal("NaN")}, {"confirmations": -1}],
)
def test_rules_that_make_no_sense_are_refused(figures):
    with pytest.raises(ValueError, match=next(iter(figures))):
        MarkRules(**figures)


@pytest.mark.parametrize(
    ("age_ms", "stale"), [(0, False), (4999, False), (5000, False), (5001, True), (-5000, False), (-5001, True)]
)
def test_a_mark_is_stale_past_the_greatest_age_in_either_direction(age_ms, stale):
    seen_at = NOON - timedelta(milliseconds=age_ms)
    assert is_stale(seen_at=seen_at, now=NOON, max_age_seconds=5) is stale


def test_a_negative_greatest_age_is_refused():
    with pytest.raises(ValueError, match="max_age_seconds"):
        is_stale(seen_at=NOON, now=NOON, max_age_seconds=-1)


@pytest.mark.parametrize(
    ("bid", "ask", "mid"),
    [
        ("100.00", "100.50", "100.25"),
        ("100.00", "100.25", "100.00"),
        ("100.00", "100.00", "100.00"),
        ("100.25", "100.00", None),
        ("-0.50", "-0.25", "-0.50"),
    ],
)
def test_the_middle_of_the_book_is_rounded_down_and_a_crossed_book_has_none(bid, ask, mid):
    assert mid_price(Decimal(bid), Decimal(ask), TICK) == (None if mid is None else Decimal(mid))


@pytest.mark.parametrize(("bid", "ask"), [("NaN", "1"), ("1", "NaN"), ("1", "Infinity")])
def test_a_book_without_numbers_is_refused(bid, ask):
    with pytest.raises(ValueError, match="finite"):
        mid_price(Decimal(bid), Decimal(ask), TICK)
