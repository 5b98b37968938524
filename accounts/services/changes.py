"""Write settings field by field, with the old and the new value of each in the audit."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import models

from accounts.errors import InvalidValue
from accounts.models import Account, Company
from accounts.permissions import Actor
from accounts.rules.audit import AuditAction
from accounts.services import audit

M = TypeVar("M", bound=models.Model)


def apply_changes(
    row: M,
    changes: Mapping[str, Any],
    *,
    actor: Actor,
    action: AuditAction,
    now: datetime,
    reason: str,
    account: Account | None = None,
    company: Company | None = None,
) -> dict[str, tuple[Any, Any]]:
    """Set the fields of `row`, save only what differs, and record it; return {field: (old, new)}.

    Nothing is written when nothing differs. The row is the caller's, held inside its transaction.

    Raises:
        InvalidValue: a field is unknown or its value cannot be held; names the field.
    """
    differing = _set(row, changes)
    if not differing:
        return {}
    row.save(update_fields=list(differing))
    audit.record(
        actor=actor,
        action=action,
        now=now,
        subject=row,
        account=account,
        company=company,
        before={field: old for field, (old, _) in differing.items()},
        after={field: new for field, (_, new) in differing.items()},
        reason=reason,
    )
    return differing


def _set(row: models.Model, changes: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    settings = {field.name for field in row._meta.concrete_fields if not field.primary_key}
    old: dict[str, Any] = {}
    for field, value in changes.items():
        if field not in settings:
            raise InvalidValue(f"{field} is not a setting of {row._meta.verbose_name}.", field=field)
        if getattr(row, field) != value:
            old[field] = getattr(row, field)
            setattr(row, field, value)
    if old:
        clean(row)
    # Cleaning turns text into what the column holds, which may be what stood there already.
    return {field: (was, getattr(row, field)) for field, was in old.items() if was != getattr(row, field)}


def clean(row: models.Model) -> None:
    """Hold the row against its fields and its constraints.

    Raises:
        InvalidValue: the first fault, naming its field.
    """
    try:
        row.full_clean()
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        name = _constrained_field(row) if field == NON_FIELD_ERRORS else field
        raise InvalidValue(" ".join(messages), field=name) from error


def _constrained_field(row: models.Model) -> str:
    for constraint in row._meta.constraints:
        try:
            constraint.validate(type(row), row)
        except ValidationError:
            return _main_field(constraint)
    return ""


def _main_field(constraint: models.BaseConstraint) -> str:
    if isinstance(constraint, models.UniqueConstraint):
        return constraint.fields[-1]
    condition = constraint.condition if isinstance(constraint, models.CheckConstraint) else None
    return min(condition.referenced_base_fields - {"id"}) if isinstance(condition, models.Q) else ""
