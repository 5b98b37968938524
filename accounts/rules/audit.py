"""The words of the audit and the arithmetic of its chain."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

FIRST_HASH = "0" * 64


class AuditAction(StrEnum):
    """Everything that can be recorded: dotted, in the past tense."""

    COMPANY_CHANGED = "company.changed"
    COMPANY_CREATED = "company.created"
    USER_CREATED = "user.created"
    USER_CHANGED = "user.changed"
    USER_LOGGED_IN = "user.logged_in"
    ACCOUNT_CREATED = "account.created"
    ACCOUNT_CHANGED = "account.changed"
    ACCOUNT_MOVED = "account.moved"
    ACCOUNT_CLOSED = "account.closed"
    ACCOUNT_SHARED = "account.shared"
    ACCOUNT_UNSHARED = "account.unshared"
    ACCOUNT_LOCKED = "account.locked"
    ACCOUNT_UNLOCKED = "account.unlocked"
    ADMIN_ACTION_SET = "admin_action.set"
    CONNECTION_CHANGED = "connection.changed"
    CREDIT_CHANGED = "credit.changed"
    AUTO_LIQ_CHANGED = "auto_liq.changed"
    USER_CREDIT_CHANGED = "user_credit.changed"
    MARGIN_CHANGED = "margin.changed"
    RATE_CHANGED = "rate.changed"
    INSTRUMENT_CHANGED = "instrument.changed"
    SOD_PUBLISHED = "sod.published"
    SESSION_ROLLED = "session.rolled"
    ORDER_SUBMITTED = "order.submitted"
    ORDER_DENIED = "order.denied"
    ORDER_CANCEL_REQUESTED = "order.cancel_requested"
    BREACH_DECIDED = "breach.decided"
    RUN_REQUESTED = "run.requested"
    RUN_FLAT = "run.flat"
    RUN_NEEDS_OPERATOR = "run.needs_operator"
    RUN_STOPPED = "run.stopped"
    RUN_RESUMED = "run.resumed"
    RUN_CONFIRMED = "run.confirmed"
    BOOK_LOADED = "book.loaded"


@dataclass(frozen=True, slots=True)
class SealedEntry:
    """One entry as the verifier reads it: its content and the link that seals it."""

    entry_id: int
    content: Mapping[str, Any]
    previous_hash: str
    hash: str


def chain_hash(previous_hash: str, content: Mapping[str, Any]) -> str:
    """Return the link of `content` behind `previous_hash`: SHA-256, hexadecimal.

    Example:
        >>> chain_hash(FIRST_HASH, {"action": "account.locked"}) == chain_hash(FIRST_HASH, {"action": "account.locked"})
        True
        >>> chain_hash(FIRST_HASH, {"action": "account.locked"}) == chain_hash("1" * 64, {"action": "account.locked"})
        False
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(f"{previous_hash}{text}".encode()).hexdigest()


def first_broken(entries: Iterable[SealedEntry]) -> int | None:
    """Return the id of the first entry whose link does not hold, in chain order; None when the chain is whole."""
    previous = FIRST_HASH
    for entry in entries:
        if entry.previous_hash != previous or chain_hash(previous, entry.content) != entry.hash:
            return entry.entry_id
        previous = entry.hash
    return None
