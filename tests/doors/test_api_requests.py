"""How ids, numbers, texts and answers to yes or no are read from requests."""

from decimal import Decimal

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st
from rest_framework import exceptions

from accounts.api.requests import LARGEST_ID, id_list, number, one_id, row_id, text, whole_number, yes


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("ids=1,2", [1, 2]),
        ("ids=1%2C2", [1, 2]),
        ("ids=1&ids=2", [1, 2]),
        ("ids=1,2&ids=3", [1, 2, 3]),
        ("ids=1,+2,", [1, 2]),
        ("ids=", []),
        (f"ids={LARGEST_ID},{LARGEST_ID + 1},0,-3", [LARGEST_ID]),
    ],
)
def test_an_id_list_is_read_in_every_way_it_is_sent(query: str, expected: list[int]) -> None:
    assert id_list(QueryDict(query), "ids") == expected


@pytest.mark.parametrize("query", ["", "other=1", "ids=x", "ids=1;2", "ids=1.0"])
def test_an_id_list_that_is_none_is_badly_formed(query: str) -> None:
    with pytest.raises(exceptions.ParseError):
        id_list(QueryDict(query), "ids")


def test_one_id_of_a_query_is_none_where_no_row_can_have_it() -> None:
    words = ("7", "%2B7", "0", "-1", str(LARGEST_ID), str(LARGEST_ID + 1))
    assert [one_id(QueryDict(f"id={word}"), "id") for word in words] == [7, 7, None, None, LARGEST_ID, None]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(5, 5), ("5", 5), (" 5 ", 5), ("5.0", 5), (Decimal("5.0"), 5), ("-5", -5), ("5e2", 500), ("+5", 5)]
    + [
        (wrong, None)
        for wrong in (None, True, "", "x", "5.5", Decimal("5.5"), [5], {}, "1_000", "\u0665", "NaN", "inf")
    ],
)
def test_whole_numbers_are_read_as_numbers_and_as_text(value: object, expected: int | None) -> None:
    assert whole_number({"n": value}, "n") == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1),
        ("1", 1),
        (0, None),
        (-1, None),
        (None, None),
        (LARGEST_ID, LARGEST_ID),
        ("9223372036854775808", LARGEST_ID),
    ],
)
def test_ids_of_a_body_are_above_zero_and_can_be_looked_up(value: object, expected: int | None) -> None:
    assert row_id({"n": value}, "n") == expected


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=9))
def test_a_decimal_is_read_exactly_as_number_and_as_text(value: Decimal) -> None:
    assert number({"n": value}, "n") == value == number({"n": str(value)}, "n")


@pytest.mark.parametrize(
    ("value", "expected"), [("word", "word"), (7, "7"), (Decimal("7.0"), "7.0"), (None, None), ("", "")]
)
def test_text_is_read_as_text_and_as_number(value: object, expected: str | None) -> None:
    assert text({"t": value}, "t") == expected


@pytest.mark.parametrize("value", [True, [], {}, "a\0b", "\ud800", "x\udfff"])
def test_what_no_database_keeps_as_text_is_badly_formed(value: object) -> None:
    with pytest.raises(exceptions.ParseError):
        text({"t": value}, "t")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        ("true", True),
        ("True", True),
        ("1", True),
        (False, False),
        ("false", False),
        (None, False),
        ("0", False),
        ([], False),
    ],
)
def test_yes_is_read_in_every_way_it_is_sent(value: object, expected: bool) -> None:
    assert yes({"y": value}, "y") is expected


def test_yes_is_read_as_a_number() -> None:
    assert (yes({"y": 1}, "y"), yes({"y": 0}, "y")) == (True, False)
