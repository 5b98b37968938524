"""Fills: each applied once, the position as the rules compute it, exact."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from accounts.errors import InvalidValue, NotFound, NotPermitted
from accounts.models import Fill, Position
from accounts.permissions import ENGINE, TASK
from accounts.rules.pnl import Holding, Side, with_fill
from accounts.rules.roles import Role
from accounts.services.fills import record_fill
from tests import builders
from tests.accounts.evidence import snapshot
from tests.builders import NOW


def record(account, execution_id="X1", *, side=Side.BUY, qty=1, price="6000", actor=None, **more):
    return record_fill(
        **{
            "venue": "CME",
            "execution_id": execution_id,
            "account": account,
            "instrument": builders.instrument(),
            "side": side,
            "qty": qty,
            "price": Decimal(price) if isinstance(price, str) else price,
            "filled_at": NOW,
            "actor": actor or TASK,
            "now": NOW,
        }
        | more
    )


@pytest.fixture
def account(db):
    return builders.account(builders.company("ALPHA"), "A-1")


def test_a_fill_is_kept_and_moves_the_position(account):
    result = record(account, side=Side.SELL, qty=3, price="5999.75")
    fill = Fill.objects.get(pk=result.fill_id)
    assert result.is_new
    assert (fill.side, fill.qty, fill.price, fill.filled_at, fill.applied_at) == (
        "SELL",
        3,
        Decimal("5999.75"),
        NOW,
        NOW,
    )
    position = Position.objects.get()
    assert (position.net, position.sold, position.sold_value) == (-3, 3, Decimal("17999.25"))
    assert position.open_value == Decimal("-17999.25")


def test_safe_to_repeat_a_second_report_of_the_same_execution_changes_nothing(account):
    first = record(account)
    before = snapshot()
    again = record(account, qty=9, price="1")
    assert (again.fill_id, again.is_new) == (first.fill_id, False)
    assert snapshot() == before


def test_an_execution_id_is_a_venues_own(account):
    record(account)
    assert record(account, venue="ICE").is_new
    assert Position.objects.get().net == 2


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("qty", {"qty": 0}),
        ("qty", {"qty": -1}),
        ("price", {"price": "NaN"}),
        ("price", {"price": "Infinity"}),
        ("price", {"price": 6000.25}),
    ],
)
def test_a_fill_that_cannot_be_names_its_field_and_leaves_nothing(account, field, changes):
    builders.instrument()
    before = snapshot()
    with pytest.raises(InvalidValue) as caught:
        record(account, **changes)
    assert caught.value.field == field
    assert snapshot() == before


def test_a_negative_price_is_a_price(account):
    record(account, instrument=builders.instrument("CLF7"), price="-37.63", qty=2)
    assert Position.objects.get().open_value == Decimal("-75.26")


def test_who_may_push_fills(account):
    for number, role in enumerate(Role):
        user = builders.user(account.company, role=role)
        builders.structure.assign_user(account_id=account.pk, user=user, actor=builders.platform(), now=NOW)
        if role is Role.COMPANY_ADMIN:
            assert record(account, f"R{number}", actor=builders.actor(user)).is_new
        else:
            with pytest.raises(NotPermitted):
                record(account, f"R{number}", actor=builders.actor(user))
    assert record(account, "E1", actor=ENGINE).is_new
    with pytest.raises(NotFound):
        record(account, "S1", actor=builders.actor(builders.admin(builders.company("OMEGA"))))


FILLS = st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 9), st.integers(-400, 40000)), min_size=1, max_size=12)


class TestArithmetic(TestCase):
    """Hypothesis' own test case, so that each example starts on an empty desk."""

    @settings(max_examples=30, deadline=None)
    @given(FILLS)
    def test_the_stored_position_is_what_the_rules_make_of_the_fills(self, fills):
        account = builders.account(builders.company(liquidation_user=False), connected=False)
        holding = Holding()
        for number, (side, qty, ticks) in enumerate(fills):
            price = ticks * Decimal("0.25")
            for _ in range(2):  # each reported twice
                record(account, f"X{number}", side=side, qty=qty, price=price)
            holding = with_fill(holding, side=side, qty=qty, price=price)
        stored = Position.objects.get().holding
        assert (stored, stored.net) == (holding, holding.net)
