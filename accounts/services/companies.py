"""Companies and their users."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.errors import InvalidValue, NotFound
from accounts.models import Company, User, UserCredit, UserExchangeSetting
from accounts.permissions import Actor, require_company
from accounts.rules.audit import AuditAction
from accounts.rules.roles import Role, Verb
from accounts.services import audit
from accounts.services.changes import apply_changes, clean

USER_SETTINGS = frozenset({"username", "first_name", "last_name", "email", "role", "is_active"})
"""What may be changed on a user: neither its company nor what would lift it above every company."""


@transaction.atomic
def create_company(*, name: str, actor: Actor, now: datetime, **fields: Any) -> Company:
    """Make a company. For the platform: a company administrator has one already.

    Raises:
        NotFound: the actor is not a platform superuser.
        InvalidValue: a field cannot be held; names it.
    """
    company = Company(name=name, **fields)
    require_company(actor, Verb.EDIT_COMPANY, company)
    clean(company)
    company.save()
    audit.record(
        actor=actor,
        action=AuditAction.COMPANY_CREATED,
        now=now,
        subject=company,
        company=company,
        after={"name": name, **fields},
    )
    return company


@transaction.atomic
def change_company(
    *, company_id: int, changes: Mapping[str, Any], actor: Actor, now: datetime, reason: str = ""
) -> dict[str, tuple[Any, Any]]:
    """Change a company's settings; return what differed.

    Raises:
        NotFound: not the actor's company.
        NotPermitted: the actor's role does not allow it.
        InvalidValue: for example an auto-liquidation user of another company; names the field.
    """
    company = Company.objects.select_for_update(no_key=True).filter(pk=company_id).first()
    if company is None:
        raise NotFound("Not found")
    require_company(actor, Verb.EDIT_COMPANY, company)
    user = changes.get("auto_liquidation_user")
    if user is not None and user.company_id != company.pk:
        raise InvalidValue(f"{user} belongs to another company.", field="auto_liquidation_user")
    return apply_changes(
        company, changes, actor=actor, action=AuditAction.COMPANY_CHANGED, now=now, reason=reason, company=company
    )


@transaction.atomic
def create_user(
    *,
    company: Company,
    username: str,
    role: Role,
    actor: Actor,
    now: datetime,
    password: str | None = None,
    is_active: bool = True,
    operator_ids: Mapping[str, str] | None = None,
) -> User:
    """Make a user of a company, with the ids by which exchanges know it ({exchange: operator id}).

    Raises:
        NotFound, NotPermitted: the actor may not edit this company's users.
        InvalidValue: a field cannot be held; names it.
    """
    require_company(actor, Verb.EDIT_USERS, company)
    user = User(username=username, company=company, role=role, is_active=is_active, is_staff=True, date_joined=now)
    user.set_password(password)
    clean(user)
    user.save()
    UserCredit.objects.create(user=user)
    _write_operator_ids(user, operator_ids or {})
    after = {"username": username, "role": role.value, "is_active": is_active, "operator_ids": dict(operator_ids or {})}
    audit.record(actor=actor, action=AuditAction.USER_CREATED, now=now, subject=user, company=company, after=after)
    return user


@transaction.atomic
def change_user(
    *,
    user_id: int,
    changes: Mapping[str, Any],
    actor: Actor,
    now: datetime,
    operator_ids: Mapping[str, str] | None = None,
    reason: str = "",
) -> dict[str, tuple[Any, Any]]:
    """Change a user's role, activity or operator ids (replaced whole where given); return what differed.

    Raises:
        NotFound, NotPermitted: the actor may not edit this user.
        InvalidValue: a field cannot be held; names it.
    """
    user = User.objects.select_for_update(no_key=True).filter(pk=user_id).first()
    if user is None or user.company is None:
        raise NotFound("Not found")
    require_company(actor, Verb.EDIT_USERS, user.company)
    for field in sorted(set(changes) - USER_SETTINGS):
        raise InvalidValue(f"{field} is not a setting of a user.", field=field)
    differing = apply_changes(
        user, changes, actor=actor, action=AuditAction.USER_CHANGED, now=now, reason=reason, company=user.company
    )
    standing = dict(user.exchange_settings.values_list("exchange", "operator_id"))
    if operator_ids is not None and dict(operator_ids) != standing:
        _replace_operator_ids(user, standing, dict(operator_ids), actor=actor, now=now, reason=reason)
        differing["operator_ids"] = (standing, dict(operator_ids))
    return differing


def _replace_operator_ids(
    user: User, before: dict[str, str], after: dict[str, str], *, actor: Actor, now: datetime, reason: str
) -> None:
    user.exchange_settings.all().delete()
    _write_operator_ids(user, after)
    audit.record(
        actor=actor,
        action=AuditAction.USER_CHANGED,
        now=now,
        subject=user,
        company=user.company,
        before={"operator_ids": before},
        after={"operator_ids": after},
        reason=reason,
    )


def _write_operator_ids(user: User, operator_ids: Mapping[str, str]) -> None:
    for exchange, operator_id in sorted(operator_ids.items()):
        row = UserExchangeSetting(user=user, exchange=exchange, operator_id=operator_id)
        clean(row)
        row.save()
