"""Write settings field by field, with the old and the new value of each in the audit."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
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
    differing: dict[str, tuple[Any, Any]] = {}
    for field, value in changes.items():
        if field not in {f.name for f in row._meta.concrete_fields}:
            raise InvalidValue(f"{field} is not a setting of {row._meta.verbose_name}.", field=field)
        old = getattr(row, field)
        if old != value:
            differing[field] = (old, value)
            setattr(row, field, value)
    if not differing:
        return {}
    clean(row)
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


def clean(row: models.Model) -> None:
    """Hold the row against its fields and its constraints.

    Raises:
        InvalidValue: the first fault, naming its field.
    """
    try:
        row.full_clean()
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise InvalidValue(" ".join(messages), field="" if field == "__all__" else field) from error
