"""Load a book's accounts: tens of thousands take seconds, so rows are written a table at a time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import models

from accounts.models import (
    Account,
    AccountAutoLiq,
    AccountConnection,
    AccountCredit,
    AccountPath,
    AccountSession,
    AuditEntry,
    Company,
    Connection,
    Instrument,
)
from accounts.permissions import Actor
from accounts.rules.audit import AuditAction
from accounts.rules.sessions import last_reset_at, next_session_at, trading_day
from accounts.services import audit
from liquidation.rules.book import Book
from liquidation.rules.book_entries import AccountEntry, Reference

BATCH = 500


@dataclass(slots=True)
class Loading:
    """A book on its way into the database: what was made of it so far, and what the audit is to say."""

    book: Book
    actor: Actor
    now: datetime
    companies: dict[str, Company] = field(default_factory=dict)
    connections: dict[tuple[str, str], Connection] = field(default_factory=dict)
    instruments: dict[str, Instrument] = field(default_factory=dict)
    accounts: dict[Reference, Account] = field(default_factory=dict)
    notes: list[AuditEntry] = field(default_factory=list)

    def account_of(self, reference: Reference) -> Account:
        return self.accounts[reference]

    def note(
        self,
        action: AuditAction,
        subject: models.Model,
        *,
        account: Account | None = None,
        company: Company | None = None,
        after: Mapping[str, Any],
    ) -> None:
        """Keep an audit entry to be written with all others."""
        self.notes.append(
            audit.entry(
                actor=self.actor,
                action=action,
                now=self.now,
                subject=subject,
                account=account,
                company=company,
                after=after,
                reason="Loaded from a book",
            )
        )

    def write_notes(self) -> None:
        AuditEntry.objects.bulk_create(self.notes, batch_size=BATCH)
        self.notes.clear()


def load_accounts(loading: Loading) -> None:
    """Make every account with its place in the tree, its limits, its session and its connections."""
    pairs = [(entry, _row(entry, loading)) for entry in loading.book.accounts]
    Account.objects.bulk_create([row for _, row in pairs], batch_size=BATCH)
    loading.accounts = {Reference(entry.name, entry.company): row for entry, row in pairs}
    for entry, row in pairs:
        row.parent = loading.accounts[entry.parent] if entry.parent else None
        after = {"type": entry.type.value, "parent": entry.parent.name if entry.parent else None}
        loading.note(AuditAction.ACCOUNT_CREATED, row, after=after)
    Account.objects.bulk_update([row for _, row in pairs if row.parent], ["parent"], batch_size=BATCH)
    AccountPath.objects.bulk_create(_paths([row for _, row in pairs]), batch_size=BATCH)
    _load_settings(loading, pairs)


def _row(entry: AccountEntry, loading: Loading) -> Account:
    company = loading.companies[entry.company]
    return Account(company=company, name=entry.name, type=entry.type, created_at=loading.now)


def _paths(rows: list[Account]) -> Iterator[AccountPath]:
    for row in rows:
        ancestor, depth = row, 0
        yield AccountPath(ancestor=row, descendant=row, depth=0)
        while ancestor.parent is not None:
            ancestor, depth = ancestor.parent, depth + 1
            yield AccountPath(ancestor=ancestor, descendant=row, depth=depth)


def _load_settings(loading: Loading, pairs: list[tuple[AccountEntry, Account]]) -> None:
    AccountCredit.objects.bulk_create([_credit(entry, row, loading) for entry, row in pairs], batch_size=BATCH)
    AccountAutoLiq.objects.bulk_create([_auto_liq(entry, row, loading) for entry, row in pairs], batch_size=BATCH)
    AccountSession.objects.bulk_create([_session(entry, row, loading.now) for entry, row in pairs], batch_size=BATCH)
    AccountConnection.objects.bulk_create(
        [connection for entry, row in pairs for connection in _connections(entry, row, loading)], batch_size=BATCH
    )


def _credit(entry: AccountEntry, account: Account, loading: Loading) -> AccountCredit:
    values = {
        "check_credit": entry.credit.check_credit,
        "daily_limit": entry.credit.daily_limit,
        "currency": entry.credit.currency,
        "rule": entry.credit.rule,
        "credit_loss_pct": entry.credit.credit_loss_pct,
        "credit_loss_action": entry.credit.credit_loss_action,
    }
    row = AccountCredit(account=account, **values)
    loading.note(AuditAction.CREDIT_CHANGED, row, account=account, after=values)
    return row


def _auto_liq(entry: AccountEntry, account: Account, loading: Loading) -> AccountAutoLiq:
    row = AccountAutoLiq(account=account, **entry.auto_liq)
    if entry.auto_liq:
        loading.note(AuditAction.AUTO_LIQ_CHANGED, row, account=account, after=entry.auto_liq)
    return row


def _session(entry: AccountEntry, account: Account, now: datetime) -> AccountSession:
    limit = entry.credit.daily_limit
    return AccountSession(
        account=account,
        trading_day=trading_day(now),
        started_at=last_reset_at(now),
        next_reset_at=next_session_at(now),
        base=limit,
        original_balance=limit,
        balance=limit,
    )


def _connections(entry: AccountEntry, account: Account, loading: Loading) -> Iterator[AccountConnection]:
    for name in entry.connections:
        connection = loading.connections[entry.company, name]
        after = {"connection": name, "is_removed": False}
        loading.note(AuditAction.CONNECTION_CHANGED, account, after=after)
        yield AccountConnection(account=account, connection=connection)
