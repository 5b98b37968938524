"""Exact numbers in any database: integers underneath, `Decimal` at the surface, floats refused."""

from decimal import Decimal, Inexact
from enum import StrEnum
from typing import Any, TypeVar

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Combinable, Expression
from django.db.models.lookups import GreaterThanOrEqual, LessThan

from accounts.rules.exact import EXACT
from accounts.rules.money import MICROS_PER_UNIT, NANOS_PER_UNIT

SetType = TypeVar("SetType")
GetType = TypeVar("GetType")


class ScaledDecimalField(models.BigIntegerField[SetType, GetType]):
    """A `Decimal` kept as a whole number of its smallest unit.

    SQLite keeps decimals as floats and so changes them; integers are exact in every database.
    """

    # What strict typing takes a column to accept and to return.
    _pyi_private_set_type: Decimal | int | str | Combinable  # type: ignore[assignment]  # the stubs' own way
    _pyi_private_get_type: Decimal  # type: ignore[assignment]  # the stubs' own way

    units_per_one = 1
    places = 0

    def from_db_value(
        self, value: int | None, _expression: Expression, _connection: BaseDatabaseWrapper
    ) -> Decimal | None:
        """Return what the integer stands for."""
        return None if value is None else Decimal(value) / self.units_per_one

    def to_python(self, value: Any) -> Decimal | None:
        """Return a finite `Decimal` with no more digits than can be kept, or say what is wrong with `value`."""
        if value is None or value == "":
            return None
        if isinstance(value, (bool, float)):
            raise ValidationError(f"{self.name}: a float is not exact; give a decimal or a string.")
        try:
            amount = Decimal(value)
        except (ArithmeticError, TypeError, ValueError) as error:
            raise ValidationError(f"{self.name}: {value!r} is not a number.") from error
        return self._kept(amount)

    def get_prep_value(self, value: Any) -> Any:
        """Return the integer to store."""
        if value is None or isinstance(value, Expression):
            return value
        amount = self.to_python(value)
        return None if amount is None else int(amount * self.units_per_one)

    def formfield(self, **kwargs: Any) -> forms.Field:
        """Return a decimal form field with as many places as are kept."""
        kwargs.pop("min_value", None)
        kwargs.pop("max_value", None)
        defaults: dict[str, Any] = {
            "required": not (self.blank or self.has_default()),
            "label": (self.verbose_name or self.name or "").capitalize(),
            "help_text": self.help_text,
            "decimal_places": self.places,
            "max_digits": 18,
        }
        if self.has_default():
            defaults["initial"] = self.get_default()
        defaults.update(kwargs)
        return forms.DecimalField(
            **{k: v for k, v in defaults.items() if k not in {"choices_form_class", "form_class"}}
        )

    def value_to_string(self, obj: models.Model) -> str:
        """Return the plain decimal, for serializers."""
        value = self.value_from_object(obj)
        return "" if value is None else format(value, "f")

    def _kept(self, amount: Decimal) -> Decimal:
        if not amount.is_finite():
            raise ValidationError(f"{self.name}: {amount} is not a finite number.")
        try:
            scaled = EXACT.multiply(amount, self.units_per_one)
        except Inexact as error:
            raise ValidationError(f"{self.name}: {amount} has more digits than can be kept.") from error
        if scaled != scaled.to_integral_value():
            raise ValidationError(f"{self.name}: {amount} has more than {self.places} decimals.")
        if abs(scaled) > self.MAX_BIGINT:
            raise ValidationError(f"{self.name}: {amount} is too large.")
        return amount


# In place of those of whole numbers, which round a float up and so let it in.
for lookup in (GreaterThanOrEqual, LessThan):
    ScaledDecimalField.register_lookup(lookup)


class MoneyField(ScaledDecimalField[SetType, GetType]):
    """An amount of money, in millionths of the currency kept beside it."""

    units_per_one = MICROS_PER_UNIT
    places = 6


class PercentField(MoneyField[SetType, GetType]):
    """A percentage from 0 to 100, in millionths of a percent."""


class PriceField(ScaledDecimalField[SetType, GetType]):
    """A price, a rate, or a price times a quantity, in billionths (the yen future ticks at 0.0000005)."""

    units_per_one = NANOS_PER_UNIT
    places = 9


def choices(words: type[StrEnum]) -> list[tuple[str, str]]:
    """Return a field's choices from the words of a rule; stored as they are, shown in plain English."""
    return [(word.value, word.value.replace("_", " ").capitalize()) for word in words]


def word_field(words: type[StrEnum], **kwargs: Any) -> "models.CharField[str, str]":
    """Return a column that holds one of `words`."""
    return models.CharField(max_length=40, choices=choices(words), **kwargs)


def one_of(field: str, words: type[StrEnum], name: str) -> models.CheckConstraint:
    """Return the database's own check that `field` holds one of `words`."""
    return models.CheckConstraint(condition=models.Q(**{f"{field}__in": [word.value for word in words]}), name=name)
