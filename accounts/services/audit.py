"""Record, seal and verify the audit."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from django.db import models, transaction

from accounts.models import Account, AuditEntry, AuditSeal, Company
from accounts.permissions import Actor
from accounts.rules.audit import FIRST_HASH, AuditAction, SealedEntry, chain_hash, first_broken

SEALED_FIELDS = (
    "action", "actor", "user_id", "door", "address", "company_id", "account_id",
    "object_type", "object_id", "object_name", "before", "after", "reason",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AuditVerification:
    """Whether the chain holds, over how many entries, and where it breaks first."""

    is_intact: bool
    entries: int
    first_broken_id: int | None


def plain(value: Any) -> Any:
    """Return `value` as JSON keeps it without loss: decimals and times as text."""
    match value:
        case Decimal():
            return format(value, "f")
        case datetime() | date() | time():
            return value.isoformat()
        case models.Model():
            return str(value)
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case _:
            return value


def record(
    *,
    actor: Actor,
    action: AuditAction,
    now: datetime,
    subject: models.Model,
    account: Account | None = None,
    company: Company | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str = "",
) -> AuditEntry:
    """Write one entry inside the caller's transaction: no change is without one, no entry without a change."""
    row = entry(
        actor=actor, action=action, now=now, subject=subject, account=account, company=company,
        before=before, after=after, reason=reason,
    )  # fmt: skip
    row.save(force_insert=True)
    return row


def entry(
    *,
    actor: Actor,
    action: AuditAction,
    now: datetime,
    subject: models.Model,
    account: Account | None = None,
    company: Company | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str = "",
) -> AuditEntry:
    """Return one entry that is not written yet, for a service that writes very many at once."""
    user = actor.user
    if account is None and isinstance(subject, Account):
        account = subject
    return AuditEntry(
        at=now,
        action=action,
        actor=actor.name,
        user=user,
        door=actor.door,
        address=actor.address,
        company_id=company.pk if company else (account.company_id if account else None),
        account=account,
        object_type=subject._meta.model_name or "",
        object_id=subject.pk if isinstance(subject.pk, int) else None,
        object_name=str(subject)[:200],
        before=plain(before or {}),
        after=plain(after or {}),
        reason=reason,
    )


def content(entry: AuditEntry) -> dict[str, Any]:
    """Return what a seal covers: every fact of the entry."""
    facts: dict[str, Any] = {field: getattr(entry, field) for field in SEALED_FIELDS}
    return facts | {"id": entry.pk, "at": entry.at.isoformat()}


@transaction.atomic
def seal() -> int:
    """Link every entry that has no seal yet to the chain; return how many.

    Entries are sealed by content, in order of id among those that are committed: a gap left by a rollback, or an
    entry that commits late, does not break the chain. One sealer at a time: a second one that races is refused by
    the unique `previous_hash` and its work rolled back.
    """
    last = AuditSeal.objects.select_for_update().order_by("-id").first()
    previous = last.hash if last else FIRST_HASH
    links = []
    for entry in AuditEntry.objects.filter(seal=None).order_by("id").iterator():
        link = chain_hash(previous, content(entry))
        links.append(AuditSeal(entry=entry, previous_hash=previous, hash=link))
        previous = link
    AuditSeal.objects.bulk_create(links, batch_size=500)
    return len(links)


def _sealed_entries() -> Iterator[SealedEntry]:
    for link in AuditSeal.objects.select_related("entry").order_by("id").iterator():
        yield SealedEntry(link.entry_id, content(link.entry), link.previous_hash, link.hash)


def verify() -> AuditVerification:
    """Recompute the whole chain from the entries' content and name the first that does not hold."""
    broken = first_broken(_sealed_entries())
    return AuditVerification(broken is None, AuditSeal.objects.count(), broken)
