"""The SOD/Credit tabs: Trading Technologies' boxes with their labels, and which fields have no effect now and why."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar
from zoneinfo import available_timezones

from django import forms
from django.utils.html import format_html

from accounts.admin.refusal import RefusableForm
from accounts.admin.widgets import ActionRadio
from accounts.models import Account, AccountCredit, AccountShare, CurrencyRate, UserCredit
from accounts.permissions import Actor, may
from accounts.rules.credit import CreditLossAction, CreditRule
from accounts.rules.roles import Verb
from accounts.rules.sharing import Decision, may_set_credit_loss, relation
from accounts.selectors import lineage_ids

POSITION_FIELDS = (
    "create_sod", "create_spread_sod", "persist_lme", "override_reset", "reset_time", "reset_timezone",
)  # fmt: skip
CREDIT_FIELDS = ("check_credit", "apply_to_block_cross", "daily_limit", "currency", "rule", "trade_out_allowed")
CREDIT_LOSS_FIELDS = ("credit_loss_pct", "credit_loss_action")

RULES = (
    (CreditRule.PNL.value, "Apply P/L"),
    (CreditRule.MARGIN.value, "Apply Margin Limit"),
    (CreditRule.PNL_AND_MARGIN.value, "Apply P/L & Margin"),
)
ACTIONS = (
    (CreditLossAction.NONE.value, "No action"),
    (CreditLossAction.DISABLE.value, "Disable trading"),
    (CreditLossAction.DISABLE_AND_CANCEL.value, "Disable trading and delete working orders"),
    (
        CreditLossAction.AUTO_LIQUIDATE.value,
        "Disable trading, delete working orders, and close open positions (auto-liquidate)",
    ),
)
_CHECK_CREDIT = ("check_credit", "No effect while Check Credit is off.")
NEEDS: Mapping[str, tuple[str, str]] = {
    "persist_lme": ("create_sod", "Needs 'Create start-of-day (SOD) records'."),
    "reset_time": ("override_reset", "Counts only with 'Override position reset time'."),
    "reset_timezone": ("override_reset", "Counts only with 'Override position reset time'."),
    "apply_to_block_cross": _CHECK_CREDIT,
    "daily_limit": _CHECK_CREDIT,
    "currency": _CHECK_CREDIT,
    "rule": _CHECK_CREDIT,
    "trade_out_allowed": _CHECK_CREDIT,
    "credit_loss_pct": _CHECK_CREDIT,
    "credit_loss_action": _CHECK_CREDIT,
}
"""A field that has no effect while another box is off, and the sentence shown then."""

HELP = {
    "daily_limit": "0 is a limit of zero, not unlimited.",
    "trade_out_allowed": "Lets an order through without credit when it can only reduce.",
    "credit_loss_pct": "The share of the Daily Limit that may be lost: above 0, at most 100.",
    "credit_loss_action": "Applies to the sub-accounts too.",
}


class CreditForm(RefusableForm):
    """The boxes that the account's and the user's tab have in common."""

    inert: ClassVar[Mapping[str, str]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        labels = {
            "check_credit": "Check Credit",
            "daily_limit": "Daily Limit",
            "trade_out_allowed": "Trade out allowed",
        }
        for name, field in self.fields.items():
            field.label = labels.get(name, field.label)
            if name in NEEDS:
                needed, why = NEEDS[name]
                field.widget.attrs["data-desk-needs"] = needed
                field.help_text = format_html('{} <span class="desk-why">{}</span>', HELP.get(name, ""), why)
            if name in self.inert:
                field.disabled, field.help_text = True, self.inert[name]

    def clean_daily_limit(self) -> Decimal | None:
        limit: Decimal | None = self.cleaned_data["daily_limit"]
        if limit is not None and limit < 0:
            raise forms.ValidationError("A limit is zero or more.")
        return limit

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        if cleaned.get("override_reset") and not cleaned.get("reset_timezone") and "reset_timezone" not in self.errors:
            self.add_error("reset_timezone", "Choose a timezone for the position reset time.")
        return cleaned


def timezone_choices() -> list[tuple[str, str]]:
    """Return the time zones to choose from, with none first."""
    named = (name for name in sorted(available_timezones()) if "/" in name and not name.startswith("Etc/"))
    return [("", "Choose a timezone"), ("UTC", "UTC"), *((name, name) for name in named)]


def currency_choices(current: str = "") -> list[tuple[str, str]]:
    """Return the currencies there are rates for, and the one that stands."""
    pairs = CurrencyRate.objects.values_list("source", "target")
    return [(code, code) for code in sorted({"USD", current or "USD", *(code for pair in pairs for code in pair)})]


def account_inert(actor: Actor, account: Account) -> dict[str, str]:
    """Return the fields of the account's tab that the page greys, each with the reason."""
    inert: dict[str, str] = {}
    if not may(actor, Verb.EDIT_CREDIT, account):
        reason = "Only an administrator of the account's company may change this."
        inert |= dict.fromkeys([*POSITION_FIELDS, *CREDIT_FIELDS], reason)
    if (reset := _reset_above(account)) is not None:
        inert |= dict.fromkeys(("override_reset", "reset_time", "reset_timezone"), reset)
    if not (verdict := may_change_credit_loss(actor, account)).allowed:
        inert |= dict.fromkeys(CREDIT_LOSS_FIELDS, verdict.reason)
    elif not account.company.post_trade_risk_enabled:
        off = f"Credit loss actions are switched off for {account.company}. The values are kept."
        inert |= dict.fromkeys(CREDIT_LOSS_FIELDS, off)
    return inert


def may_change_credit_loss(actor: Actor, account: Account) -> Decision:
    """Return whether the actor may change the credit loss box: the owner's administrator, or a sharer's where free."""
    if may(actor, Verb.EDIT_CREDIT_LOSS, account):
        return Decision(allowed=True, reason="")
    user = actor.user
    if user is None or user.company_id is None or not may(actor, Verb.EDIT_CREDIT_LOSS):
        return Decision(allowed=False, reason="Only a company administrator may change this box.")
    shared = frozenset(AccountShare.objects.filter(account=account).values_list("company_id", flat=True))
    credit = AccountCredit.objects.filter(account=account).exclude(credit_loss_action=CreditLossAction.NONE).first()
    owner_has_setting = credit is not None and credit.credit_loss_company_id != user.company_id
    return may_set_credit_loss(
        relation(user.company_id, account.company_id, shared), owner_has_setting=owner_has_setting
    )


def _reset_above(account: Account) -> str | None:
    above = lineage_ids(account.pk)[1:]
    rows = AccountCredit.objects.filter(account__in=above, override_reset=True).select_related("account")
    binding = max(rows, key=lambda row: above.index(row.account_id), default=None)
    if binding is None:
        return None
    time = f"{binding.reset_time:%H:%M:%S} {binding.reset_timezone}"
    return f"{binding.account} resets at {time}; a sub-account cannot hold another time."


def auto_liquidate_blocked(actor: Actor, account: Account) -> str:
    """Return why auto-liquidate cannot be chosen; empty when it can. Who chooses it may close with their own user."""
    companies = (account.company, actor.user.company if actor.user else None)
    if all(company is None or company.auto_liquidation_user_id is None for company in companies):
        return f"Auto-liquidate cannot be chosen: {account.company} has no auto-liquidation user."
    return "" if account.is_routing else "Auto-liquidate cannot be chosen: the account's type cannot route orders."


class AccountCreditForm(CreditForm):
    """The account's SOD/Credit tab."""

    blocked: ClassVar[str] = ""

    class Meta:
        model = AccountCredit
        fields = (*POSITION_FIELDS, *CREDIT_FIELDS, *CREDIT_LOSS_FIELDS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.blocked and "credit_loss_action" in self.fields:
            field = self.fields["credit_loss_action"]
            field.help_text = format_html("{} {}", field.help_text, self.blocked)
            field.widget = ActionRadio(choices=ACTIONS, attrs=field.widget.attrs, bars_auto_liquidate=True)


class UserCreditForm(CreditForm):
    """The user's SOD/Credit tab."""

    class Meta:
        model = UserCredit
        fields = (
            "create_sod", "override_reset", "reset_time", "reset_timezone",
            "check_credit", "apply_to_block_cross", "daily_limit", "currency", "rule",
        )  # fmt: skip
