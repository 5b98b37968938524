"""Share accounts with other companies."""

from datetime import datetime

from django.db import transaction

from accounts.errors import InvalidValue
from accounts.models import AccountShare, Company
from accounts.permissions import Actor, require
from accounts.rules.audit import AuditAction
from accounts.rules.roles import Verb
from accounts.services import audit
from accounts.services.locks import locked_account


@transaction.atomic
def share_account(*, account_id: int, company: Company, actor: Actor, now: datetime) -> bool:
    """Let another company see the account and hang its own sub-accounts under it; return whether that is new.

    Raises:
        NotPermitted: only the owner shares; a shared account cannot be shared on.
        NotFound: no such account for this actor.
        InvalidValue: the company is the owner itself.
    """
    account = locked_account(account_id)
    require(actor, Verb.SHARE, account)
    if company.pk == account.company_id:
        raise InvalidValue(f"{account.name} is {company.name}'s own account.", field="company")
    _, is_new = AccountShare.objects.get_or_create(account=account, company=company, defaults={"created_at": now})
    if is_new:
        after = {"with": company.name}
        audit.record(actor=actor, action=AuditAction.ACCOUNT_SHARED, now=now, subject=account, after=after)
    return is_new


@transaction.atomic
def unshare_account(*, account_id: int, company: Company, actor: Actor, now: datetime, reason: str) -> bool:
    """End the sharing; return whether there was one.

    Raises:
        NotPermitted, NotFound: as `share_account`.
        InvalidValue: the company still has sub-accounts under it.
    """
    account = locked_account(account_id)
    require(actor, Verb.SHARE, account)
    if account.children.filter(company=company, closed_at=None).exists():
        raise InvalidValue(f"{company.name} still has sub-accounts under {account.name}.", field="company")
    removed, _ = AccountShare.objects.filter(account=account, company=company).delete()
    if removed:
        before = {"with": company.name}
        audit.record(
            actor=actor, action=AuditAction.ACCOUNT_UNSHARED, now=now, subject=account, before=before, reason=reason
        )
    return bool(removed)
