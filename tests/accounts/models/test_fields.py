"""Money and prices in the database: exact there and back, floats refused, compared as the numbers they are."""

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Max, Sum
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from accounts.models import AccountCredit, AccountSession, CurrencyRate, Mark, ProductMargin
from accounts.models.fields import MoneyField, PercentField, PriceField
from tests import builders

MOST = 2**63 - 1


def scaled(places):
    return st.integers(-MOST, MOST).map(lambda whole: Decimal(whole).scaleb(-places))


class TestRoundTrip(TestCase):
    """Hypothesis' own test case, so that each example starts on an empty desk."""

    @settings(max_examples=60, deadline=None)
    @given(scaled(6), scaled(9))
    def test_what_is_stored_is_what_is_read_to_the_last_digit(self, money, price):
        instrument = builders.instrument()
        Mark.objects.create(
            instrument=instrument, price=price, priced_at=builders.NOW, seen_at=builders.NOW, source="test"
        )
        assert Mark.objects.get(price=price).price == price
        session = builders.account(builders.company(liquidation_user=False), connected=False).session
        session.carry = money
        session.save()
        stored = AccountSession.objects.get(carry=money).carry
        assert (stored, type(stored)) == (money, Decimal)


FIELDS = [MoneyField(name="x", null=True), PriceField(name="x", null=True), PercentField(name="x", null=True)]


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    "value",
    [
        1.5,
        0.0,
        True,
        "a lot",
        "1,5",
        [],
        Decimal("NaN"),
        Decimal("-Infinity"),
        Decimal("0.0000000001"),
        Decimal("1.00000000000000000000000000000000001"),
        Decimal(1).scaleb(-200),
        Decimal(1).scaleb(30),
        Decimal("1E+999999"),
        Decimal("1." + 130 * "1"),
    ],
)
def test_what_cannot_be_kept_exactly_is_refused_everywhere(field, value):
    for attempt in (field.to_python, field.get_prep_value):
        with pytest.raises(ValidationError):
            attempt(value)


@pytest.mark.parametrize("field", FIELDS)
def test_nothing_is_nothing(field):
    assert (field.to_python(None), field.to_python(""), field.get_prep_value("")) == (None, None, None)
    assert field.from_db_value(None, None, None) is None


@pytest.mark.parametrize(
    ("field", "value", "stored"),
    [
        (FIELDS[0], Decimal("-8012.50"), -8012500000),
        (FIELDS[0], "0.000001", 1),
        (FIELDS[0], 7, 7_000_000),
        (FIELDS[0], Decimal("1." + 60 * "0"), 1_000_000),
        (FIELDS[1], Decimal("0.0000005"), 500),
        (FIELDS[0], Decimal(MOST).scaleb(-6), MOST),
        (FIELDS[0], Decimal(-MOST).scaleb(-6), -MOST),
    ],
)
def test_the_database_keeps_whole_numbers_of_the_smallest_unit(field, value, stored):
    assert field.get_prep_value(value) == stored
    assert field.from_db_value(stored, None, None) == Decimal(value)


@pytest.mark.parametrize(("field", "one_too_many"), [(FIELDS[0], Decimal(MOST + 1).scaleb(-6))])
def test_one_more_than_fits_is_refused(field, one_too_many):
    with pytest.raises(ValidationError, match="too large"):
        field.to_python(one_too_many)


def test_an_expression_is_left_to_the_database():
    expression = F("x") + models.Value(1)
    assert FIELDS[0].get_prep_value(expression) is expression


# in queries


@pytest.fixture
def rates(db):
    values = {"EUR": "1.35", "JPY": "0.0067", "GBP": "10", "CHF": "9.999999999"}
    return [builders.rate(source, "USD", value) for source, value in values.items()]


@pytest.mark.parametrize(
    ("lookup", "expected"),
    [
        ({"rate": Decimal("1.350")}, {"EUR"}),
        ({"rate__gt": Decimal("1.35")}, {"GBP", "CHF"}),
        ({"rate__gte": Decimal("1.35")}, {"EUR", "GBP", "CHF"}),
        ({"rate__lt": Decimal("1.35")}, {"JPY"}),
        ({"rate__lte": Decimal("1.35")}, {"EUR", "JPY"}),
        ({"rate__lt": 10}, {"EUR", "JPY", "CHF"}),
        ({"rate__in": [Decimal("0.0067"), "10"]}, {"JPY", "GBP"}),
        ({"rate__range": (Decimal("0.0067"), Decimal("1.35"))}, {"JPY", "EUR"}),
        ({"rate__gt": F("rate")}, set()),
    ],
)
def test_filters_compare_numbers(rates, lookup, expected):
    assert set(CurrencyRate.objects.filter(**lookup).values_list("source", flat=True)) == expected


@pytest.mark.parametrize("lookup", ["exact", "gt", "gte", "lt", "lte"])
def test_a_filter_by_a_float_is_refused(rates, lookup):
    with pytest.raises(ValidationError):
        list(CurrencyRate.objects.filter(**{f"rate__{lookup}": 1.35}))


def test_order_sum_and_maximum_are_those_of_the_numbers(rates):
    ordered = list(CurrencyRate.objects.order_by("rate").values_list("source", flat=True))
    assert ordered == ["JPY", "EUR", "CHF", "GBP"]
    assert CurrencyRate.objects.aggregate(found=Max("rate"))["found"] == 10
    assert CurrencyRate.objects.aggregate(found=Sum("rate"))["found"] == Decimal("21.356699999")


def test_a_form_asks_for_a_decimal_with_as_many_places_as_are_kept():
    fields = {
        field.name: field.formfield() for field in AccountCredit._meta.get_fields() if hasattr(field, "formfield")
    }
    assert (fields["daily_limit"].decimal_places, fields["daily_limit"].required) == (6, False)
    assert fields["daily_limit"].clean("10.5") == Decimal("10.5")
    margin = ProductMargin._meta.get_field("initial").formfield(min_value=0)
    assert (margin.required, margin.label) == (True, "Initial")
    carry = AccountSession._meta.get_field("carry").formfield()
    assert (carry.initial, carry.required) == (0, False)


def test_serializers_get_plain_text():
    field = ProductMargin._meta.get_field("initial")
    assert field.value_to_string(ProductMargin(initial=Decimal("1E+3"))) == "1000"
    assert ProductMargin._meta.get_field("spread").value_to_string(ProductMargin()) == ""
