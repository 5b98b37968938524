"""A firm, its people, and how they call the API."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Account, Company, User
from accounts.services.tokens import issue_token
from tests import builders

FACTS: dict[str, Any] = json.loads((Path(__file__).parent / "wire_facts.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Firm:
    """A company with an administrator, one account and a contract to trade."""

    company: Company
    admin: User
    account: Account


def token_of(user: User) -> str:
    return issue_token(username=user.username, password=builders.PASSWORD, now=timezone.now()).token


def calling_as(user: User | None) -> APIClient:
    client = APIClient(raise_request_exception=False)
    if user is not None:
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {token_of(user)}")
    return client


@pytest.fixture
def firm(db: None) -> Firm:
    company = builders.company("Alpha")
    builders.instrument("ESZ6")
    return Firm(company, builders.admin(company), builders.account(company, "A-1"))


@pytest.fixture
def stranger(db: None) -> Firm:
    company = builders.company("Bravo")
    return Firm(company, builders.admin(company), builders.account(company, "B-1"))


@pytest.fixture
def admin_client(firm: Firm) -> APIClient:
    return calling_as(firm.admin)


@pytest.fixture
def facts() -> dict[str, Any]:
    return FACTS


def _fits(value: Any, kind: str, path: str) -> list[str]:
    kind = kind.rstrip("!")
    if kind.startswith("enum:"):
        return [] if value in FACTS["enums"][kind[5:]] else [f"{path}: {value!r} is no {kind}"]
    if kind in FACTS["schemas"]:
        return faults(value, kind, path)
    checks: dict[str, Callable[[Any], bool]] = {
        "string": lambda v: isinstance(v, str),
        "bool": lambda v: isinstance(v, bool),
        "int": lambda v: isinstance(v, int) and not isinstance(v, bool),
        "int64": lambda v: isinstance(v, int) and not isinstance(v, bool),
        "double": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
        "datetime": lambda v: isinstance(v, str) and len(v) == 24 and v[19] == "." and v.endswith("Z"),
    }
    return [] if checks[kind](value) else [f"{path}: {value!r} is no {kind}"]


def faults(shown: dict[str, Any], schema: str, path: str = "", *, extra: frozenset[str] = frozenset()) -> list[str]:
    """Return what is wrong with an object, held against the provider's schema; no field may be null."""
    fields = FACTS["schemas"][schema]
    found = [f"{path}{name}: missing" for name, kind in fields.items() if kind.endswith("!") and name not in shown]
    for name, value in shown.items():
        if name in fields:
            found += _fits(value, fields[name], f"{path}{name}")
        elif name not in extra:
            found.append(f"{path}{name}: unknown")
    return found
