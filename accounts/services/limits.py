"""Change credit settings and auto-liquidation limits. In force at once: the engine follows the audit."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from accounts.errors import AccountClosed, InvalidValue, NotFound, NotPermitted
from accounts.models import Account, AccountAutoLiq, AccountCredit, AccountSession, Company, User, UserCredit
from accounts.permissions import Actor, may, require, require_company
from accounts.rules.audit import AuditAction
from accounts.rules.credit import CreditLossAction, session_base, validate_credit_loss_pct
from accounts.rules.exact import require_not_negative
from accounts.rules.roles import Verb
from accounts.rules.sessions import ResetOverride, is_known_timezone
from accounts.rules.sharing import may_set_credit_loss, relation
from accounts.selectors import subtree_ids
from accounts.services.changes import apply_changes
from accounts.services.locks import locked_account
from accounts.services.sod import reset_of

CREDIT_LOSS_FIELDS = frozenset({"credit_loss_action", "credit_loss_pct", "credit_loss_company"})
RESET_FIELDS = frozenset({"override_reset", "reset_time", "reset_timezone"})
MARGIN_PERCENTAGES = frozenset({"margin_percentage_alert", "margin_percentage_liq_only", "margin_percentage_auto_liq"})


@transaction.atomic
def save_account_credit(
    *, account_id: int, changes: Mapping[str, Any], actor: Actor, now: datetime, reason: str = ""
) -> dict[str, tuple[Any, Any]]:
    """Change an account's SOD/Credit tab; return what differed as {field: (old, new)}.

    A new daily limit re-bases the session at once: losses are measured against it from now on. An override of the
    reset that is taken off is taken off on every sub-account too; another reset time counts from the end of the
    running session.

    Raises:
        NotPermitted: the actor may not change these fields (the credit-loss box needs a company administrator, and so
            does switching Check Credit off while there is an action).
        NotFound: no such account for this actor.
        AccountClosed: the account is closed.
        InvalidValue: a value cannot be held; names the field.
    """
    account = locked_account(account_id)
    require(actor, Verb.VIEW, account)
    credit, _ = AccountCredit.objects.select_for_update(no_key=True).get_or_create(account=account)
    wanted = dict(changes)
    _require_known(credit, wanted)
    _require_box(actor, account, credit, wanted)
    _require_open(account)
    _check_credit_values(account, credit, wanted)
    differing = apply_changes(
        credit, wanted, actor=actor, action=AuditAction.CREDIT_CHANGED, now=now, reason=reason, account=account
    )
    if "daily_limit" in differing:
        _rebase(account, credit.daily_limit)
    if RESET_FIELDS & set(differing):
        _follow_reset(account, credit, differing, actor=actor, now=now)
    return differing


def _require_open(account: Account) -> None:
    if account.is_closed:
        raise AccountClosed(f"Account {account.name} is closed.")


def _require_known(credit: AccountCredit, changes: Mapping[str, Any]) -> None:
    settings = {field.name for field in credit._meta.concrete_fields if not field.primary_key}
    for field in sorted(set(changes) - settings):
        raise InvalidValue(f"{field} is not a credit setting.", field=field)


def _follow_reset(
    account: Account, credit: AccountCredit, differing: Mapping[str, tuple[Any, Any]], *, actor: Actor, now: datetime
) -> None:
    if credit.override_reset:
        _require_no_other_reset_above(account, ResetOverride(credit.reset_time, credit.reset_timezone))
    elif "override_reset" in differing:
        _clear_below(account, actor=actor, now=now)


def _require_no_other_reset_above(account: Account, wanted: ResetOverride) -> None:
    if account.parent_id is not None and wanted != reset_of(account):
        raise InvalidValue(
            f"The tree above {account.name} resets at another time: a sub-account cannot hold a time of its own.",
            field="override_reset",
        )


def _clear_below(account: Account, *, actor: Actor, now: datetime) -> None:
    below = AccountCredit.objects.select_for_update(of=("self",), no_key=True).order_by("pk")
    held = below.filter(account__in=subtree_ids(account.pk)[1:], override_reset=True).select_related("account")
    for credit in held:
        apply_changes(
            credit,
            {"override_reset": False},
            actor=actor,
            action=AuditAction.CREDIT_CHANGED,
            now=now,
            reason=f"Override taken off on {account.name}",
            account=credit.account,
        )


def _require_box(actor: Actor, account: Account, credit: AccountCredit, changes: dict[str, Any]) -> None:
    box = CREDIT_LOSS_FIELDS & {field for field in changes if getattr(credit, field) != changes[field]}
    others = {field for field in changes if getattr(credit, field) != changes[field]} - CREDIT_LOSS_FIELDS
    if others or not box:
        require(actor, Verb.EDIT_CREDIT, account)
    if box:
        _require_credit_loss(actor, account, credit)
        _choose_closer(actor, account, changes)
    if _switches_off(credit, changes):
        require(actor, Verb.EDIT_CREDIT_LOSS, account)


def _switches_off(credit: AccountCredit, changes: Mapping[str, Any]) -> bool:
    """Without Check Credit the credit loss action is dead: who may not touch the one may not take off the other."""
    has_action = credit.credit_loss_action != CreditLossAction.NONE
    return has_action and credit.check_credit and not changes.get("check_credit", True)


def _choose_closer(actor: Actor, account: Account, changes: dict[str, Any]) -> None:
    closers = {account.company, *Company.objects.filter(shared_accounts__account=account)}
    own = actor.user.company if actor.user else None
    chosen = changes.setdefault("credit_loss_company", own if own in closers else None)
    is_sharer = own != account.company and not actor.is_platform
    if chosen not in ({own} if is_sharer else {None, *closers}):
        raise InvalidValue("Only a company that has the account can close for it.", field="credit_loss_company")


def _require_credit_loss(actor: Actor, account: Account, credit: AccountCredit) -> None:
    if may(actor, Verb.EDIT_CREDIT_LOSS, account):
        return
    user = actor.user
    if user is not None and user.company_id and may(actor, Verb.VIEW, account) and may(actor, Verb.EDIT_CREDIT_LOSS):
        shared = frozenset(account.shares.values_list("company_id", flat=True))
        owner_has_setting = (
            credit.credit_loss_action != CreditLossAction.NONE and credit.credit_loss_company_id != user.company_id
        )
        decision = may_set_credit_loss(
            relation(user.company_id, account.company_id, shared), owner_has_setting=owner_has_setting
        )
        if decision.allowed:
            return
        raise NotPermitted(decision.reason)
    require(actor, Verb.EDIT_CREDIT_LOSS, account)


def _check_credit_values(account: Account, credit: AccountCredit, changes: dict[str, Any]) -> None:
    merged = {field.name: changes.get(field.name, getattr(credit, field.attname)) for field in credit._meta.fields}
    _check_common(merged)
    if merged["credit_loss_pct"] is not None:
        _checked("credit_loss_pct", lambda: validate_credit_loss_pct(merged["credit_loss_pct"]))
    if merged["persist_lme"] and not merged["create_sod"]:
        raise InvalidValue("Needs 'Create start-of-day (SOD) records'.", field="persist_lme")
    if merged["credit_loss_action"] not in set(CreditLossAction):
        raise InvalidValue(f"{merged['credit_loss_action']} is not a credit loss action.", field="credit_loss_action")
    action = CreditLossAction(merged["credit_loss_action"])
    if action is CreditLossAction.NONE or not {"credit_loss_action", "credit_loss_pct", "daily_limit"} & set(changes):
        return
    _check_action(account, credit, action, merged)


def _check_common(merged: Mapping[str, Any]) -> None:
    if merged["override_reset"] and not is_known_timezone(merged["reset_timezone"] or ""):
        raise InvalidValue("Choose a timezone for the position reset time.", field="reset_timezone")
    if merged["daily_limit"] is not None:
        _checked("daily_limit", lambda: require_not_negative("daily_limit", merged["daily_limit"]))


def _check_action(account: Account, credit: AccountCredit, action: CreditLossAction, merged: dict[str, Any]) -> None:
    if merged["credit_loss_pct"] is None:
        raise InvalidValue("Give the percentage at which the action is taken.", field="credit_loss_pct")
    if not merged["daily_limit"]:
        raise InvalidValue(
            "An action needs a daily limit above 0: of 0 every loss is already too much.", field="daily_limit"
        )
    newly_on = credit.credit_loss_action != action
    if action is CreditLossAction.AUTO_LIQUIDATE and newly_on:
        chosen = merged["credit_loss_company"]
        closers = {account.company, chosen if isinstance(chosen, Company) else credit.credit_loss_company}
        if all(closer is None or closer.auto_liquidation_user_id is None for closer in closers):
            raise InvalidValue(
                f"{account.company} has no auto-liquidation user: assign one first.", field="credit_loss_action"
            )
        if not account.is_routing:
            raise InvalidValue("Only a routing account can be liquidated.", field="credit_loss_action")


def _checked(field: str, check: Any) -> None:
    try:
        check()
    except (TypeError, ValueError) as error:
        raise InvalidValue(str(error), field=field) from error


def _rebase(account: Account, daily_limit: Decimal | None) -> None:
    session = AccountSession.objects.select_for_update(no_key=True).filter(account=account).first()
    if session is not None:
        session.base = None if daily_limit is None else session_base(daily_limit=daily_limit, carry=session.carry)
        if session.balance is None:
            session.balance = session.original_balance = daily_limit
        session.save(update_fields=["base", "balance", "original_balance"])


@transaction.atomic
def save_auto_liq(
    *, account_id: int, changes: Mapping[str, Any], actor: Actor, now: datetime, reason: str = ""
) -> dict[str, tuple[Any, Any]]:
    """Change the account's auto-liquidation limits (the wire's `userAccountAutoLiq`); None clears a limit.

    Raises:
        NotPermitted, NotFound, AccountClosed, InvalidValue: as `save_account_credit`.
    """
    account = locked_account(account_id)
    require(actor, Verb.EDIT_AUTO_LIQ, account)
    _require_open(account)
    for field in MARGIN_PERCENTAGES & {field for field, value in changes.items() if value == 0}:
        raise InvalidValue("A margin percentage is not 0: leave it empty for no limit.", field=field)
    limits, _ = AccountAutoLiq.objects.select_for_update(no_key=True).get_or_create(account=account)
    return apply_changes(
        limits, changes, actor=actor, action=AuditAction.AUTO_LIQ_CHANGED, now=now, reason=reason, account=account
    )


@transaction.atomic
def save_user_credit(
    *, user_id: int, changes: Mapping[str, Any], actor: Actor, now: datetime, reason: str = ""
) -> dict[str, tuple[Any, Any]]:
    """Change a user's SOD/Credit tab.

    Raises:
        NotPermitted, NotFound, InvalidValue: as `save_account_credit`.
    """
    user = User.objects.select_for_update(no_key=True).filter(pk=user_id).first()
    if user is None or user.company is None:
        raise NotFound("Not found")
    require_company(actor, Verb.EDIT_USERS, user.company)
    credit, _ = UserCredit.objects.select_for_update(no_key=True).get_or_create(user=user)
    _check_common(
        {field.name: changes.get(field.name, getattr(credit, field.attname)) for field in credit._meta.fields}
    )
    return apply_changes(
        credit,
        changes,
        actor=actor,
        action=AuditAction.USER_CREDIT_CHANGED,
        now=now,
        reason=reason,
        company=user.company,
    )
