"""Settings are written field by field, cleaned, and with the field at fault named."""

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import models

from accounts.errors import InvalidValue
from accounts.models import Account, AccountCredit, CurrencyRate, ProductMargin
from accounts.rules.audit import AuditAction
from accounts.services.changes import apply_changes, clean
from tests import builders
from tests.accounts.evidence import entries
from tests.builders import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def credit():
    return builders.account(builders.company("ALPHA"), "A-1").credit


def change(credit, **changes):
    return apply_changes(
        credit, changes, actor=builders.platform(), action=AuditAction.CREDIT_CHANGED, now=NOW, reason="r"
    )


def test_only_what_differs_is_saved_so_another_hand_is_not_overwritten(credit):
    AccountCredit.objects.update(currency="EUR")
    assert change(credit, daily_limit=Decimal(5), check_credit=False) == {"daily_limit": (None, Decimal(5))}
    stored = AccountCredit.objects.get()
    assert (stored.currency, stored.daily_limit) == ("EUR", 5)


def test_text_that_means_what_stands_is_no_change(credit):
    change(credit, daily_limit=Decimal(5))
    assert change(credit, daily_limit="5.00") == {}
    assert len(entries(AuditAction.CREDIT_CHANGED)) == 1


def test_text_that_means_something_else_is_recorded_as_what_it_means(credit):
    assert change(credit, daily_limit="5") == {"daily_limit": (None, Decimal(5))}


def test_what_is_wrong_already_is_not_held_against_a_change_of_nothing(credit):
    AccountCredit.objects.update(currency="")
    credit.refresh_from_db()
    assert change(credit, check_credit=False) == {}


@pytest.mark.parametrize(
    ("field", "row"),
    [
        ("spread", ProductMargin(product="ES", initial=Decimal(100), maintenance=Decimal(1), spread=Decimal(201))),
        ("initial", ProductMargin(product="ES", initial=Decimal(-1), maintenance=Decimal(1))),
        ("source", CurrencyRate(source="EUR", target="EUR", rate=Decimal(1))),
        ("rate", CurrencyRate(source="EUR", target="USD", rate=Decimal(0))),
        ("product", ProductMargin(initial=Decimal(1), maintenance=Decimal(1))),
    ],
)
def test_a_broken_constraint_names_a_field_that_it_is_about(field, row):
    with pytest.raises(InvalidValue) as caught:
        clean(row)
    assert caught.value.field in ({field} if field != "spread" else {"spread", "initial"})


def test_a_pair_that_is_taken_names_the_second_of_the_pair(credit):
    builders.rate("EUR", "USD")
    with pytest.raises(InvalidValue) as caught:
        clean(CurrencyRate(source="EUR", target="USD", rate=Decimal(2)))
    assert caught.value.field == "target"
    with pytest.raises(InvalidValue) as caught:
        clean(Account(company=credit.account.company, name="A-1", created_at=NOW))
    assert caught.value.field == "name"


class Odd(models.BaseConstraint):
    def validate(self, model, instance, exclude=None, using="default"):
        raise ValidationError("odd")


@pytest.mark.parametrize("constraints", [[], [Odd(name="odd")]])
def test_a_fault_that_belongs_to_no_field_names_none(credit, monkeypatch, constraints):
    def whole(self):
        raise ValidationError("the row as a whole")

    monkeypatch.setattr(AccountCredit, "clean", whole)
    monkeypatch.setattr(AccountCredit._meta, "constraints", constraints)
    with pytest.raises(InvalidValue) as caught:
        change(credit, check_credit=True)
    assert caught.value.field == ""
