"""What a service left behind: its audit entries, and every row of the desk."""

from typing import Any

from django.apps import apps

from accounts.models import AuditEntry
from accounts.rules.audit import AuditAction


def entries(action: AuditAction) -> list[AuditEntry]:
    """Return the audit entries of one kind, oldest first."""
    return list(AuditEntry.objects.filter(action=action).order_by("id"))


def only_entry(action: AuditAction) -> AuditEntry:
    """Return the one audit entry of this kind."""
    (entry,) = entries(action)
    return entry


def snapshot() -> dict[str, list[Any]]:
    """Return every row of the accounts app."""
    models = apps.get_app_config("accounts").get_models()
    return {model.__name__: list(model.objects.order_by("pk").values_list()) for model in models}
