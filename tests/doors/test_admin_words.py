"""What the pages say: cells, changes and the timeline of a run."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from accounts.admin.account_list import tree_order
from accounts.admin.tables import amount_text, change_text, moment, price_cell
from accounts.models import AuditEntry
from liquidation.admin.timeline import priced_at
from liquidation.models import Evaluation

AT = datetime(2026, 11, 20, 15, 0, 0, 123999, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (Decimal("-8012.5"), "-8,012.50"), (Decimal("1234567.899"), "1,234,567.90"), (12000, "12,000")],
)
def test_an_amount_is_written_for_people_and_what_is_unknown_is_a_dash(value: Any, text: str) -> None:
    assert amount_text(value) == text


def test_a_price_keeps_its_digits_and_no_more() -> None:
    assert price_cell(Decimal("0.006512500")).text == "0.0065125"
    assert price_cell(Decimal(6000)).text == "6000"
    assert price_cell(None).text == "-"


def test_milliseconds_are_cut_never_rounded_up() -> None:
    assert moment(AT, milliseconds=True).text == "2026-11-20 15:00:00.123"
    assert moment(None).text == "-"


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ({"daily_limit": "1"}, {"daily_limit": "2"}, "Daily limit: 1 → 2"),
        ({}, {"check_credit": True}, "Check credit: on"),
        ({"cause": "ADMIN"}, {}, "Cause: was ADMIN"),
        ({"ids": {}}, {"ids": {"CME": "OP1"}}, "Ids: - → CME OP1"),
        ({"pct": None}, {"pct": ""}, "Pct: - → -"),
        ({}, {}, ""),
    ],
)
def test_a_change_names_each_field_with_its_old_and_new_value(
    before: dict[str, Any], after: dict[str, Any], text: str
) -> None:
    assert change_text(AuditEntry(before=before, after=after)) == text


def test_siblings_are_listed_by_name_and_an_orphan_of_the_filter_is_a_top() -> None:
    nodes = [(1, None, "A", "Z"), (2, 1, "A", "Y"), (3, 1, "A", "X"), (4, 99, "A", "B"), (5, None, "0", "Z")]
    assert tree_order(nodes) == [5, 4, 1, 3, 2]


@pytest.mark.parametrize(
    ("inputs", "at"),
    [
        ({}, None),
        ({"marks": {"ES": {"at": AT.isoformat()}, "NQ": {"at": "2026-11-20T14:00:00+00:00"}}}, AT),
        ({"marks": {"ES": {"at": None}}}, None),
    ],
)
def test_a_decision_is_as_old_as_its_newest_price(inputs: dict[str, Any], at: datetime | None) -> None:
    assert priced_at(Evaluation(inputs=inputs)) == at
    assert priced_at(None) is None
