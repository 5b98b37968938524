"""The tree of accounts, their connections and who is assigned to them."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from accounts.errors import Conflict, InvalidValue
from accounts.models import (
    Account,
    AccountAssignment,
    AccountAutoLiq,
    AccountConnection,
    AccountCredit,
    AccountPath,
    Company,
    Connection,
    User,
)
from accounts.permissions import Actor, may, require, require_company
from accounts.rules.audit import AuditAction
from accounts.rules.hierarchy import AccountType, would_cycle
from accounts.rules.roles import Verb
from accounts.rules.sharing import may_hang_under, relation
from accounts.selectors import working_orders
from accounts.services import audit
from accounts.services.changes import apply_changes, clean
from accounts.services.locks import locked_account
from accounts.services.sessions import first_session

ACCOUNT_SETTINGS = frozenset({"name", "type", "notes"})


@transaction.atomic
def create_account(
    *,
    company: Company,
    name: str,
    account_type: AccountType,
    actor: Actor,
    now: datetime,
    parent: Account | None = None,
    original_balance: Decimal | None = None,
) -> Account:
    """Make an account with every setting at its default, and put it into its tree.

    Raises:
        NotFound, NotPermitted: the actor may not edit this company's structure; an account administrator makes
            sub-accounts, below the accounts assigned to him.
        InvalidValue: a field cannot be held, or the parent is neither the company's nor shared; names the field.
    """
    _require_may_create(actor, company, parent)
    if parent is not None:
        parent = locked_account(parent.pk)  # no move and no closing of the parent while the paths are written
        _require_hangable(company, parent)
    account = Account(company=company, name=name, type=account_type, parent=parent, created_at=now)
    clean(account)
    account.save()
    AccountCredit.objects.create(account=account)
    AccountAutoLiq.objects.create(account=account)
    first_session(account, original_balance=original_balance, now=now).save(force_insert=True)
    _write_paths(account)
    after = {"type": account_type.value, "parent": parent.name if parent else None}
    audit.record(actor=actor, action=AuditAction.ACCOUNT_CREATED, now=now, subject=account, after=after)
    return account


def _require_may_create(actor: Actor, company: Company, parent: Account | None) -> None:
    if parent is None or may(actor, Verb.EDIT_STRUCTURE):
        require_company(actor, Verb.EDIT_STRUCTURE, company)
        return
    require_company(actor, Verb.EDIT_ACCOUNT, company)
    require(actor, Verb.EDIT_ACCOUNT, parent)


def _require_hangable(company: Company, parent: Account) -> None:
    shared = frozenset(parent.shares.values_list("company_id", flat=True))
    decision = may_hang_under(relation(company.pk, parent.company_id, shared))
    if not decision.allowed:
        raise InvalidValue(decision.reason, field="parent")
    if parent.is_closed:
        raise InvalidValue(f"{parent.name} is closed.", field="parent")


def _write_paths(account: Account) -> None:
    above = (
        AccountPath.objects.filter(descendant=account.parent_id) if account.parent_id else AccountPath.objects.none()
    )
    paths = [AccountPath(ancestor_id=path.ancestor_id, descendant=account, depth=path.depth + 1) for path in above]
    AccountPath.objects.bulk_create([*paths, AccountPath(ancestor=account, descendant=account, depth=0)])


@transaction.atomic
def change_account(
    *, account_id: int, changes: Mapping[str, Any], actor: Actor, now: datetime, reason: str = ""
) -> dict[str, tuple[Any, Any]]:
    """Change an account's name, type or notes; return what differed. The parent has its own verb: `move_account`.

    Raises:
        NotFound, NotPermitted: the actor may not edit this account; its type is a company administrator's to change.
        InvalidValue: a field cannot be held; names it.
    """
    account = locked_account(account_id)
    is_retyped = changes.get("type", account.type) != account.type
    require(actor, Verb.EDIT_STRUCTURE if is_retyped else Verb.EDIT_ACCOUNT, account)
    for field in sorted(set(changes) - ACCOUNT_SETTINGS):
        raise InvalidValue(f"{field} is not changed here: move or close the account by its own action.", field=field)
    return apply_changes(account, changes, actor=actor, action=AuditAction.ACCOUNT_CHANGED, now=now, reason=reason)


@transaction.atomic
def move_account(*, account_id: int, parent: Account | None, actor: Actor, now: datetime, reason: str) -> bool:
    """Hang the account and everything below it under another parent (None: at the top); return whether it moved.

    Raises:
        NotFound, NotPermitted: the actor may not edit this account.
        InvalidValue: the parent would be below the account, or is not the company's.
    """
    # Every tree is held, or two moves at once could hang two accounts under each other.
    everyone = Account.objects.select_for_update(no_key=True).order_by("pk")
    parents: dict[int, int | None] = dict(everyone.values_list("pk", "parent_id"))
    account = locked_account(account_id)
    require(actor, Verb.EDIT_STRUCTURE, account)
    before = account.parent
    if before == parent:
        return False
    if parent is not None:
        parent = locked_account(parent.pk)
        _require_hangable(account.company, parent)
        if would_cycle(account.pk, parent.pk, parents):
            raise InvalidValue(f"{parent.name} is below {account.name}.", field="parent")
    account.parent = parent
    account.save(update_fields=["parent"])
    _rebuild_paths(account)
    audit.record(
        actor=actor,
        action=AuditAction.ACCOUNT_MOVED,
        now=now,
        subject=account,
        before={"parent": before.name if before else None},
        after={"parent": parent.name if parent else None},
        reason=reason,
    )
    return True


def _rebuild_paths(account: Account) -> None:
    below = list(AccountPath.objects.filter(ancestor=account).order_by("depth").values_list("descendant_id", flat=True))
    AccountPath.objects.filter(descendant__in=below).exclude(ancestor__in=below).delete()
    depths = dict(AccountPath.objects.filter(ancestor=account).values_list("descendant_id", "depth"))
    above = list(AccountPath.objects.filter(descendant=account.parent_id)) if account.parent_id else []
    AccountPath.objects.bulk_create(
        AccountPath(ancestor_id=path.ancestor_id, descendant_id=node, depth=path.depth + 1 + depths[node])
        for node in below
        for path in above
    )


@transaction.atomic
def close_account(*, account_id: int, actor: Actor, now: datetime, reason: str) -> bool:
    """Close an account for good; return whether it was open.

    Raises:
        NotFound, NotPermitted: the actor may not edit this account.
        Conflict: it holds a position, has working orders or open sub-accounts.
    """
    account = locked_account(account_id)
    require(actor, Verb.EDIT_STRUCTURE, account)
    if account.is_closed:
        return False
    if any(position.net for position in account.positions.all()):
        raise Conflict(f"{account.name} holds a position: flatten it first.")
    if working_orders([account.pk]).exists():
        raise Conflict(f"{account.name} has working orders: cancel them first.")
    if account.children.filter(closed_at=None).exists():
        raise Conflict(f"{account.name} has open sub-accounts: close them first.")
    account.closed_at = now
    account.save(update_fields=["closed_at"])
    audit.record(actor=actor, action=AuditAction.ACCOUNT_CLOSED, now=now, subject=account, reason=reason)
    return True


@transaction.atomic
def create_connection(*, company: Company, name: str, exchange: str, actor: Actor, now: datetime) -> Connection:
    """Make a company's connection to an exchange.

    Raises:
        NotFound, NotPermitted, InvalidValue: as `create_account`.
    """
    require_company(actor, Verb.EDIT_STRUCTURE, company)
    connection = Connection(company=company, name=name, exchange=exchange)
    clean(connection)
    connection.save()
    after = {"name": name, "exchange": exchange}
    audit.record(
        actor=actor, action=AuditAction.CONNECTION_CHANGED, now=now, subject=connection, company=company, after=after
    )
    return connection


@transaction.atomic
def assign_connection(
    *, account_id: int, connection: Connection, actor: Actor, now: datetime, is_removed: bool = False
) -> bool:
    """Give a connection to an account and its sub-accounts, or take it off there; return whether anything changed.

    Raises:
        NotFound, NotPermitted: the actor may not edit this account.
        InvalidValue: the connection is another company's.
    """
    account = locked_account(account_id)
    require(actor, Verb.EDIT_STRUCTURE, account)
    if connection.company_id != account.company_id:
        raise InvalidValue(f"{connection.name} belongs to another company.", field="connection")
    row, is_new = AccountConnection.objects.get_or_create(
        account=account, connection=connection, defaults={"is_removed": is_removed}
    )
    if not is_new and row.is_removed == is_removed:
        return False
    row.is_removed = is_removed
    row.save(update_fields=["is_removed"])
    after = {"connection": connection.name, "is_removed": is_removed}
    audit.record(actor=actor, action=AuditAction.CONNECTION_CHANGED, now=now, subject=account, after=after)
    return True


@transaction.atomic
def assign_user(*, account_id: int, user: User, actor: Actor, now: datetime) -> bool:
    """Let a user of the owning company act on an account and everything below it; return whether it is new.

    Raises:
        NotFound, NotPermitted: the actor may not edit this account.
        InvalidValue: the user belongs to another company (a shared-with company's users work on its sub-accounts).
    """
    account = locked_account(account_id)
    require(actor, Verb.EDIT_STRUCTURE, account)
    if user.company_id != account.company_id:
        raise InvalidValue(f"{user} belongs to another company.", field="user")
    _, is_new = AccountAssignment.objects.get_or_create(account=account, user=user)
    if is_new:
        after = {"assigned_user": user.get_username()}
        audit.record(actor=actor, action=AuditAction.ACCOUNT_CHANGED, now=now, subject=account, after=after)
    return is_new
