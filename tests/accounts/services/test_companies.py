"""Companies and users: what may be made and changed, by whom, and what is refused."""

import pytest
from django.contrib.auth import authenticate

from accounts.errors import InvalidValue, NotFound
from accounts.models import User
from accounts.permissions import ENGINE, PLATFORM
from accounts.rules.audit import AuditAction
from accounts.rules.roles import Role
from accounts.services import companies
from tests import builders
from tests.accounts.evidence import entries, only_entry, snapshot
from tests.builders import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def who():
    return {"actor": builders.platform(), "now": NOW}


@pytest.fixture
def firm():
    return builders.company("ALPHA")


def refused(attempt, field):
    before = snapshot()
    with pytest.raises(InvalidValue) as caught:
        attempt()
    assert caught.value.field == field
    assert snapshot() == before


# companies


def test_a_company_is_recorded_with_all_it_was_given(who):
    companies.create_company(name="ALPHA", carry_realized_pnl=True, **who)
    assert only_entry(AuditAction.COMPANY_CREATED).after == {"name": "ALPHA", "carry_realized_pnl": True}


def test_the_console_makes_a_company_and_the_engine_does_not():
    assert companies.create_company(name="ALPHA", actor=PLATFORM, now=NOW).pk
    with pytest.raises(NotFound):
        companies.create_company(name="BETA", actor=ENGINE, now=NOW)


@pytest.mark.parametrize("name", ["", "ALPHA", "x" * 65])
def test_a_company_needs_a_name_of_its_own(firm, who, name):
    refused(lambda: companies.create_company(name=name, **who), "name")


def test_a_companys_liquidation_user_is_one_of_its_own(firm, who):
    other = builders.user(builders.company("BETA"))
    refused(
        lambda: companies.change_company(company_id=firm.pk, changes={"auto_liquidation_user": other}, **who),
        "auto_liquidation_user",
    )


def test_a_second_liquidation_user_replaces_the_first(firm, who):
    first = firm.auto_liquidation_user
    second = builders.trader(firm)
    changes = {"auto_liquidation_user": second}
    assert companies.change_company(company_id=firm.pk, changes=changes, **who) == {
        "auto_liquidation_user": (first, second)
    }
    entry = entries(AuditAction.COMPANY_CHANGED)[-1]
    assert (entry.before, entry.after) == (
        {"auto_liquidation_user": str(first)},
        {"auto_liquidation_user": str(second)},
    )


def test_an_unknown_company_or_user_is_not_found(who):
    with pytest.raises(NotFound):
        companies.change_company(company_id=0, changes={}, **who)
    for user_id in (0, builders.superuser().pk):
        with pytest.raises(NotFound):
            companies.change_user(user_id=user_id, changes={}, **who)


# users


def test_a_new_user_logs_in_has_credit_settings_and_is_known_to_its_exchanges(firm):
    user = builders.user(firm, username="ann", role=Role.TRADER, operator_ids={"CME": "ANN1", "ICE": "ANN2"})
    assert authenticate(username="ann", password=builders.PASSWORD) == user
    assert (user.role, user.is_superuser, user.credit.create_sod) == ("TRADER", False, False)
    assert dict(user.exchange_settings.values_list("exchange", "operator_id")) == {"CME": "ANN1", "ICE": "ANN2"}
    after = entries(AuditAction.USER_CREATED)[-1].after
    assert after == {
        "username": "ann",
        "role": "TRADER",
        "is_active": True,
        "operator_ids": {"CME": "ANN1", "ICE": "ANN2"},
    }


def test_a_user_without_a_password_logs_in_by_none(firm):
    builders.user(firm, username="program", password=None)
    assert authenticate(username="program", password="") is None


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("username", {"username": "two words"}),
        ("username", {"username": "platform"}),
        ("operator_id", {"operator_ids": {"CME": ""}}),
        ("operator_id", {"operator_ids": {"CME": "x" * 21}}),
        ("exchange", {"operator_ids": {"": "X1"}}),
    ],
)
def test_a_user_that_cannot_be_held_names_its_field(firm, who, field, changes):
    wanted = {"company": firm, "username": "ann", "role": Role.TRADER} | changes
    refused(lambda: companies.create_user(**wanted, **who), field)


def test_operator_ids_are_replaced_whole_and_recorded(firm, who):
    user = builders.user(firm, operator_ids={"CME": "A", "ICE": "B"})
    changed = companies.change_user(user_id=user.pk, changes={}, operator_ids={"CME": "C"}, reason="new badge", **who)
    assert changed == {"operator_ids": ({"CME": "A", "ICE": "B"}, {"CME": "C"})}
    entry = only_entry(AuditAction.USER_CHANGED)
    assert entry.before == {"operator_ids": {"CME": "A", "ICE": "B"}}
    assert (entry.after, entry.reason) == ({"operator_ids": {"CME": "C"}}, "new badge")
    assert companies.change_user(user_id=user.pk, changes={}, operator_ids={"CME": "C"}, **who) == {}
    assert companies.change_user(user_id=user.pk, changes={}, **who) == {}


@pytest.mark.parametrize(
    "field", ["is_superuser", "is_staff", "company", "password", "id", "date_joined", "last_login", "no_such_field"]
)
def test_nobody_is_lifted_above_the_company_by_a_change_of_settings(firm, field):
    boss = builders.admin(firm)
    refused(
        lambda: companies.change_user(user_id=boss.pk, changes={field: True}, actor=builders.actor(boss), now=NOW),
        field,
    )
    assert not User.objects.get(pk=boss.pk).is_superuser


def test_a_role_that_is_none_names_its_field(firm, who):
    user = builders.user(firm)
    refused(lambda: companies.change_user(user_id=user.pk, changes={"role": "KING"}, **who), "role")
