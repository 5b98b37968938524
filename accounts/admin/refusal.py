"""How the refusal of a service becomes an error beside its field, with nothing the user typed lost."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from django.db.models import Model
from django.forms import ModelForm
from django.http import HttpRequest

from accounts.errors import RiskError


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a service said no to, and on which form of the page to say so."""

    model: type[Model]
    field: str
    text: str


class SaveRefused(Exception):
    """Ends the saving of a whole page: its transaction is rolled back and the page shown again."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


@contextmanager
def refusals_on(model: type[Model]) -> Iterator[None]:
    """Turn a service's refusal into an error on the form of `model`."""
    try:
        yield
    except RiskError as error:
        raise SaveRefused(Refusal(model, error.field, error.text)) from error


def remember(request: HttpRequest, refusal: Refusal) -> None:
    """Keep the refusal for the forms of the second look at the same request."""
    request.desk_refusal = refusal  # type: ignore[attr-defined]  # the request carries what belongs to it


def refusal_on(request: HttpRequest, model: type[Model]) -> Refusal | None:
    """Return what was refused on this form, if anything was."""
    refusal = cast("Refusal | None", getattr(request, "desk_refusal", None))
    return refusal if refusal is not None and refusal.model is model else None


class RefusableForm(ModelForm[Any]):
    """A form that shows what the service refused, and leaves every judgement to the service."""

    refusal: ClassVar[Refusal | None] = None
    not_settings: ClassVar[frozenset[str]] = frozenset({"reason", "password"})

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if self.refusal is not None:
            self.add_error(self.refusal.field if self.refusal.field in self.fields else None, self.refusal.text)
        return cleaned

    def validate_unique(self) -> None:
        """Leave it to the service, whose sentence names the field."""

    def validate_constraints(self) -> None:
        """Leave it to the service."""

    def changes(self) -> dict[str, Any]:
        """Return what the user changed, by field of the model."""
        return {name: self.cleaned_data[name] for name in self.changed_data if name not in self.not_settings}
