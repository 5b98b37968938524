"""The list of accounts: in the order of the tree, with filters that show nobody a stranger's names."""

from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property
from typing import Any

from django.contrib import admin
from django.core.paginator import Page, Paginator
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest

from accounts.admin.desk import user_of
from accounts.admin.standing import ON_THE_DESK
from accounts.models import Account, AccountLock, Company
from accounts.permissions import visible_accounts
from accounts.rules.locks import LockMode
from liquidation.models import LiquidationRun

Node = tuple[int, int | None, str, str]
"""An account's id, its parent's id, its company's name and its own."""


def tree_order(nodes: Iterable[Node]) -> list[int]:
    """Return the ids with each account right below its parent; one whose parent is not listed is a top.

    Example:
        >>> tree_order([(1, None, "A", "HOUSE"), (2, None, "A", "ALPHA"), (3, 1, "A", "DESK")])
        [2, 1, 3]
    """
    listed = sorted(nodes, key=lambda node: (node[2], node[3]))
    ids = {node[0] for node in listed}
    below: dict[int | None, list[int]] = defaultdict(list)
    for pk, parent, _, _ in listed:
        below[parent if parent in ids else None].append(pk)
    order: list[int] = []
    waiting = list(reversed(below[None]))
    while waiting:
        account_id = waiting.pop()
        order.append(account_id)
        waiting.extend(reversed(below[account_id]))
    return order


class TreePaginator(Paginator[Account]):
    """Cuts the tree, not the alphabet, into pages."""

    object_list: QuerySet[Account]

    @cached_property
    def tree(self) -> list[int]:
        rows = self.object_list.order_by().values_list("pk", "parent_id", "company__name", "name")
        return tree_order(rows)

    @cached_property
    def count(self) -> int:
        return len(self.tree)

    def page(self, number: int | str) -> Page[Account]:
        number = self.validate_number(number)
        ids = self.tree[(number - 1) * self.per_page : number * self.per_page]
        return Page(self.object_list.filter(pk__in=ids), number, self)

    def in_tree_order(self, accounts: Iterable[Account]) -> list[Account]:
        """Return these accounts as they follow each other in the tree."""
        place = {account_id: index for index, account_id in enumerate(self.tree)}
        return sorted(accounts, key=lambda account: place[account.pk])


class CompanyFilter(admin.SimpleListFilter):
    """The owning company, among those whose accounts the user sees."""

    title = "company"
    parameter_name = "company"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        companies = Company.objects.filter(accounts__in=visible_accounts(user_of(request))).distinct()
        return [(str(company.pk), company.name) for company in companies]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Account]) -> QuerySet[Account]:
        value = self.value()
        return queryset.filter(company=int(value)) if value and value.isdigit() else queryset


class StateFilter(admin.SimpleListFilter):
    """What the account may do now, locks of its ancestors counted."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("NORMAL", "Normal"),
            ("LIQUIDATE_ONLY", "Liquidate only"),
            ("LOCKED", "Locked"),
            ("LIQUIDATING", "Liquidation not finished"),
            ("CLOSED", "Closed"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Account]) -> QuerySet[Account]:
        return in_state(queryset, self.value() or "")


def in_state(accounts: QuerySet[Account], state: str) -> QuerySet[Account]:
    """Return the accounts in this state; an unknown state is no filter."""
    locks = AccountLock.objects.filter(released_at=None, account__paths_down__descendant=OuterRef("pk"))
    locked = Exists(locks.filter(mode=LockMode.LOCKED))
    match state:
        case "NORMAL":
            return accounts.filter(~Exists(locks), closed_at=None)
        case "LIQUIDATE_ONLY":
            return accounts.filter(Exists(locks), ~locked)
        case "LOCKED":
            return accounts.filter(locked)
        case "LIQUIDATING":
            runs = LiquidationRun.objects.filter(state__in=ON_THE_DESK, account__paths_down__descendant=OuterRef("pk"))
            return accounts.filter(Exists(runs))
        case "CLOSED":
            return accounts.exclude(closed_at=None)
        case _:
            return accounts
