"""Account sharing: what an owner and a shared-with company may do with one account."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class Relation(StrEnum):
    """What a company is to an account."""

    OWNER = "OWNER"
    SHARED_WITH = "SHARED_WITH"
    NONE = "NONE"


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether something is allowed, and why, as a sentence for the person who asked."""

    allowed: bool
    reason: str


_BY_OWNER = Decision(allowed=True, reason="The company owns the account.")
_NO_ACCESS = Decision(allowed=False, reason="The account is neither owned by nor shared with the company.")


def relation(company_id: int, owner_id: int, shared_with_ids: Collection[int]) -> Relation:
    """Return what the company is to an account with this owner and these shares.

    Example:
        >>> relation(7, 1, {7, 8})
        <Relation.SHARED_WITH: 'SHARED_WITH'>
    """
    if company_id == owner_id:
        return Relation.OWNER
    return Relation.SHARED_WITH if company_id in shared_with_ids else Relation.NONE


def may_hang_under(company_relation: Relation) -> Decision:
    """Return whether the company may hang sub-accounts of its own under the account."""
    shared = Decision(allowed=True, reason="The account is shared with the company.")
    return _decide(company_relation, shared)


def may_edit_settings(company_relation: Relation) -> Decision:
    """Return whether the company may change the account's settings, limits, users and connections."""
    return _decide(company_relation, _owner_only("change the account; set tighter limits on a sub-account of your own"))


def may_share_on(company_relation: Relation) -> Decision:
    """Return whether the company may share the account with others; a shared account is not shared on."""
    return _decide(company_relation, _owner_only("share the account"))


def may_set_credit_loss(company_relation: Relation, *, owner_has_setting: bool) -> Decision:
    """Return whether the company may set the account's credit loss action.

    It is the one setting a shared-with company may make, and only while the owner has made none: the owner wins.

    Args:
        company_relation: Of the company that asks.
        owner_has_setting: The owner has a credit loss action on the account.
    """
    if owner_has_setting:
        shared = Decision(allowed=False, reason="The account's owner has set a credit loss action; the owner's holds.")
    else:
        shared = Decision(allowed=True, reason="The account is shared, and its owner has set no credit loss action.")
    return _decide(company_relation, shared)


def may_lock(company_relation: Relation, *, by_engine: bool = False) -> Decision:
    """Return whether the account may be locked: by its owner, or by the engine acting on a limit.

    Args:
        company_relation: Of the company that asks; for the engine, of the company whose limit is breached.
        by_engine: The engine asks, not a person. It may lock where the company has any access.
    """
    if by_engine:
        shared = Decision(allowed=True, reason="The engine locks for the company whose limit is breached.")
    else:
        shared = _owner_only("lock the account; lock a sub-account of your own")
    return _decide(company_relation, shared)


def _decide(company_relation: Relation, shared: Decision) -> Decision:
    return {Relation.OWNER: _BY_OWNER, Relation.SHARED_WITH: shared, Relation.NONE: _NO_ACCESS}[company_relation]


def _owner_only(what: str) -> Decision:
    return Decision(allowed=False, reason=f"Only the account's owner may {what}.")
