"""The account tree: who is above whom, sums over a tree, and which level of it acts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from enum import StrEnum

from accounts.rules.exact import EXACT
from accounts.rules.sessions import ResetOverride

Parents = Mapping[int, int | None]
"""Account id to the id of its parent; None, or no entry, is the top of a tree."""


class AccountType(StrEnum):
    """How an account may be used to send orders."""

    ROUTING_EXTERNAL = "ROUTING_EXTERNAL"
    ROUTING_INTERNAL = "ROUTING_INTERNAL"
    NON_ROUTING = "NON_ROUTING"

    @property
    def is_routing(self) -> bool:
        """Whether orders may be sent through the account; auto-liquidate is active on these only."""
        return self is not AccountType.NON_ROUTING


class LevelStatus(StrEnum):
    """What became of one account's own auto-liquidate setting."""

    OFF = "OFF"
    EFFECTIVE = "EFFECTIVE"
    IGNORED_ANCESTOR_ACTIVE = "IGNORED_ANCESTOR_ACTIVE"
    INACTIVE_NOT_ROUTING = "INACTIVE_NOT_ROUTING"


@dataclass(frozen=True, slots=True)
class AutoLiquidateSetting:
    """What is stored on one account: the setting is kept even while it is not active."""

    account_id: int
    is_on: bool
    is_routing: bool


@dataclass(frozen=True, slots=True)
class LevelVerdict:
    """What one account's setting comes to.

    Attributes:
        status: What became of the account's own setting.
        effective_account_id: The account that acts for this one: itself, an ancestor, or None.
    """

    status: LevelStatus
    effective_account_id: int | None


def ancestors(account_id: int, parents: Parents) -> tuple[int, ...]:
    """Return the accounts above this one, nearest first.

    Raises:
        ValueError: the way up runs in a circle.

    Example:
        >>> ancestors(3, {1: None, 2: 1, 3: 2})
        (2, 1)
    """
    above: dict[int, None] = {}
    parent = parents.get(account_id)
    while parent is not None:
        if parent in above or parent == account_id:
            raise ValueError(f"account {account_id} is below itself")
        above[parent] = None
        parent = parents.get(parent)
    return tuple(above)


def subtree(account_id: int, parents: Parents) -> frozenset[int]:
    """Return the account and everything below it.

    Raises:
        ValueError: the way down runs in a circle.

    Example:
        >>> sorted(subtree(2, {1: None, 2: 1, 3: 2, 4: 1}))
        [2, 3]
    """
    children = _children(parents)
    found = {account_id}
    waiting = [account_id]
    while waiting:
        below = children.get(waiting.pop(), [])
        if not found.isdisjoint(below):
            raise ValueError(f"account {account_id} is below itself")
        found.update(below)
        waiting.extend(below)
    return frozenset(found)


def would_cycle(account_id: int, new_parent_id: int | None, parents: Parents) -> bool:
    """Return whether hanging the account under the new parent would put it below itself.

    Raises:
        ValueError: there is a circle above the new parent already.

    Example:
        >>> would_cycle(1, 3, {1: None, 2: 1, 3: 2})
        True
    """
    if new_parent_id is None:
        return False
    return account_id == new_parent_id or account_id in ancestors(new_parent_id, parents)


def roll_up(amounts: Mapping[int, Decimal], parents: Parents) -> dict[int, Decimal]:
    """Return each account's amount plus that of everything below it.

    Args:
        amounts: Own amount by account, all in one currency, any sign; no entry is zero.
        parents: The tree, or several.

    Returns:
        One sum for every account named in either argument. Exact: never rounded.

    Raises:
        ValueError: an account is below itself.

    Example:
        >>> roll_up({1: Decimal(1), 2: Decimal(-5)}, {1: None, 2: 1})
        {1: Decimal('-4'), 2: Decimal('-5')}
    """
    order = _top_down(parents, amounts)
    totals = {account_id: amounts.get(account_id, Decimal(0)) for account_id in order}
    with localcontext(EXACT):
        for account_id in reversed(order):
            parent = parents.get(account_id)
            if parent is not None:
                totals[parent] += totals[account_id]
    return totals


def auto_liquidate_levels(settings: Mapping[int, AutoLiquidateSetting], parents: Parents) -> dict[int, LevelVerdict]:
    """Return what each account's auto-liquidate setting comes to.

    One level acts on each way from the top down: the highest that is on and routing. Branches side by side do not
    conflict. Takes time in proportion to the number of accounts.

    Args:
        settings: What is stored, by account id; no entry is off.
        parents: The tree, or several.

    Returns:
        A verdict for every account named in either argument.

    Raises:
        ValueError: an account is below itself.

    Source: Trading Technologies, Setup help, "Account auto-liquidation".
    """
    verdicts: dict[int, LevelVerdict] = {}
    for account_id in _top_down(parents, settings):
        parent = parents.get(account_id)
        acting = verdicts[parent].effective_account_id if parent is not None else None
        verdicts[account_id] = _verdict(account_id, settings.get(account_id), acting)
    return verdicts


def level_reason(verdict: LevelVerdict, names: Mapping[int, str]) -> str:
    """Return a verdict as a sentence for the account's page.

    Raises:
        KeyError: the account that acts has no name.

    Example:
        >>> level_reason(LevelVerdict(LevelStatus.IGNORED_ANCESTOR_ACTIVE, 1), {1: "HOUSE"})
        'Ignored: auto-liquidate on HOUSE acts for this account.'
    """
    if verdict.status is LevelStatus.EFFECTIVE:
        return "Auto-liquidate on this account acts for it and for everything below it."
    acting = verdict.effective_account_id
    by_whom = "no account acts for it" if acting is None else f"auto-liquidate on {names[acting]} acts for this account"
    why = {
        LevelStatus.OFF: "Off here",
        LevelStatus.IGNORED_ANCESTOR_ACTIVE: "Ignored",
        LevelStatus.INACTIVE_NOT_ROUTING: "Inactive, because the account is not routable",
    }[verdict.status]
    return f"{why}: {by_whom}."


def effective_reset(
    account_id: int, overrides: Mapping[int, ResetOverride | None], parents: Parents
) -> ResetOverride | None:
    """Return the position reset that binds the account: that of its highest ancestor with an override.

    Returns:
        None when neither the account nor an ancestor has an override: the exchange's own time holds.

    Raises:
        ValueError: the account is below itself.
    """
    top_first = (*reversed(ancestors(account_id, parents)), account_id)
    return next((override for level in top_first if (override := overrides.get(level)) is not None), None)


def reset_override_conflicts(
    account_id: int, wanted: ResetOverride, overrides: Mapping[int, ResetOverride | None], parents: Parents
) -> bool:
    """Return whether an ancestor holds another reset time than the one wanted for the account.

    Raises:
        ValueError: the account is below itself.

    Source: Trading Technologies, Setup help: a child cannot hold another reset time than its parent.
    """
    parent = parents.get(account_id)
    binding = effective_reset(parent, overrides, parents) if parent is not None else None
    return binding is not None and binding != wanted


def _verdict(account_id: int, setting: AutoLiquidateSetting | None, acting: int | None) -> LevelVerdict:
    if setting is None or not setting.is_on:
        return LevelVerdict(LevelStatus.OFF, acting)
    if not setting.is_routing:
        return LevelVerdict(LevelStatus.INACTIVE_NOT_ROUTING, acting)
    if acting is not None:
        return LevelVerdict(LevelStatus.IGNORED_ANCESTOR_ACTIVE, acting)
    return LevelVerdict(LevelStatus.EFFECTIVE, account_id)


def _children(parents: Parents) -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for account_id, parent in parents.items():
        if parent is not None:
            children.setdefault(parent, []).append(account_id)
    return children


def _top_down(parents: Parents, others: Iterable[int]) -> list[int]:
    children = _children(parents)
    everyone = {*parents, *children, *others}
    order = sorted(account_id for account_id in everyone if parents.get(account_id) is None)
    # The list grows while it is walked: each account puts its children behind it.
    for account_id in order:
        order.extend(children.get(account_id, []))
    if len(order) != len(everyone):
        raise ValueError("an account is below itself")
    return order
