"""Roles: what a person of each role, and the engine, may ever do."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Role(StrEnum):
    """What a user is in the company."""

    COMPANY_ADMIN = "COMPANY_ADMIN"
    ACCOUNT_ADMIN = "ACCOUNT_ADMIN"
    RISK_OPERATOR = "RISK_OPERATOR"
    VIEW_ONLY = "VIEW_ONLY"
    TRADER = "TRADER"


class Verb(StrEnum):
    """What can be done to an account or a company."""

    VIEW = "VIEW"
    LOCK = "LOCK"
    LIQUIDATE = "LIQUIDATE"
    UNLOCK = "UNLOCK"
    UNLOCK_ANY = "UNLOCK_ANY"
    EDIT_CREDIT = "EDIT_CREDIT"
    EDIT_CREDIT_LOSS = "EDIT_CREDIT_LOSS"
    EDIT_AUTO_LIQ = "EDIT_AUTO_LIQ"
    EDIT_ACCOUNT = "EDIT_ACCOUNT"
    EDIT_STRUCTURE = "EDIT_STRUCTURE"
    SHARE = "SHARE"
    EDIT_SOD = "EDIT_SOD"
    PLACE_ORDER = "PLACE_ORDER"
    CANCEL_ORDER = "CANCEL_ORDER"
    EDIT_COMPANY = "EDIT_COMPANY"
    EDIT_USERS = "EDIT_USERS"
    RESUME_RUN = "RESUME_RUN"
    END_RUN = "END_RUN"
    PUSH_DATA = "PUSH_DATA"


ALLOWED: Mapping[Role, frozenset[Verb]] = MappingProxyType(
    {
        Role.COMPANY_ADMIN: frozenset(Verb),
        # Nothing that takes the account from under what watches it: neither the credit loss box nor the tree nor the
        # way to the market, and of the locks only an administrator's. EDIT_ACCOUNT is the name, the notes and new
        # sub-accounts.
        Role.ACCOUNT_ADMIN: frozenset(
            {
                Verb.VIEW,
                Verb.LOCK,
                Verb.UNLOCK,
                Verb.EDIT_CREDIT,
                Verb.EDIT_SOD,
                Verb.EDIT_ACCOUNT,
                Verb.CANCEL_ORDER,
                Verb.PLACE_ORDER,
            }
        ),
        # May make things safer at any hour, never looser: a run is resumed, not stopped or declared flat.
        Role.RISK_OPERATOR: frozenset({Verb.VIEW, Verb.LOCK, Verb.LIQUIDATE, Verb.CANCEL_ORDER, Verb.RESUME_RUN}),
        Role.VIEW_ONLY: frozenset({Verb.VIEW}),
        Role.TRADER: frozenset({Verb.VIEW, Verb.PLACE_ORDER, Verb.CANCEL_ORDER, Verb.LOCK}),
    }
)
"""What each role may do; on which accounts is another question."""

ENGINE_VERBS = frozenset(
    {
        Verb.LOCK,
        Verb.LIQUIDATE,
        Verb.CANCEL_ORDER,
        Verb.RESUME_RUN,
        Verb.PLACE_ORDER,
        Verb.VIEW,
        Verb.PUSH_DATA,
    }
)
"""What the engine may do: lock and liquidate, never unlock or change a setting."""


def role_may(role: Role, verb: Verb) -> bool:
    """Return whether the role may do this on the accounts it has; which those are is not decided here.

    Example:
        >>> role_may(Role.RISK_OPERATOR, Verb.LOCK), role_may(Role.RISK_OPERATOR, Verb.UNLOCK)
        (True, False)

    Source: Trading Technologies, Setup help, company and account administrators.
    """
    return verb in ALLOWED[role]
