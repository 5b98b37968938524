"""The tabs of settings on the pages of accounts and users."""

from typing import Any

from django import forms
from django.contrib.admin.options import VERTICAL
from django.db.models import Field
from django.http import HttpRequest

from accounts.admin.credit_form import (
    ACTIONS,
    CREDIT_FIELDS,
    CREDIT_LOSS_FIELDS,
    POSITION_FIELDS,
    RULES,
    AccountCreditForm,
    UserCreditForm,
    account_inert,
    auto_liquidate_blocked,
    currency_choices,
    may_change_credit_loss,
    timezone_choices,
)
from accounts.admin.desk import actor_of, may_in_company
from accounts.admin.refusal import RefusableForm, refusal_on
from accounts.admin.theme import StackedInline
from accounts.admin.widgets import ActionRadio, RadioSelect, Select
from accounts.models import Account, AccountAutoLiq, AccountCredit, User, UserCredit
from accounts.permissions import may
from accounts.rules.roles import Verb


class SettingsTab(StackedInline):
    """One row of settings, shown as a tab of the page of its owner."""

    tab = True
    hide_title = True
    max_num = 1
    can_delete = False
    form = RefusableForm

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        facts = {"refusal": refusal_on(request, self.model)} | self.form_facts(request, obj)
        kwargs["form"] = type("BoundForm", (self.form,), facts)
        return super().get_formset(request, obj, **kwargs)

    def form_facts(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Return what the form must know of this request, as attributes of its class."""
        return {}


class CreditTab(SettingsTab):
    """What the account's and the user's SOD/Credit tab have in common."""

    verbose_name = "SOD/Credit"
    verbose_name_plural = "SOD/Credit"

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        match db_field.name:
            case "rule":
                return forms.ChoiceField(choices=RULES, widget=RadioSelect(radio_style=VERTICAL), label="Rule")
            case "reset_timezone":
                return forms.ChoiceField(choices=timezone_choices, widget=Select(), label="Timezone", required=False)
            case "currency":
                return forms.ChoiceField(choices=currency_choices, widget=Select(), label="Currency")
            case _:
                return super().formfield_for_dbfield(db_field, request, **kwargs)


class AccountCreditTab(CreditTab):
    """The account's three boxes, with what they come to below."""

    model = AccountCredit
    form = AccountCreditForm
    fk_name = "account"
    template_before = "admin/desk/credit_readout.html"
    fieldsets = (
        ("Account Position Settings", {"fields": POSITION_FIELDS}),
        ("Credit Settings", {"fields": CREDIT_FIELDS}),
        ("Credit Loss Adjustment Settings", {"fields": CREDIT_LOSS_FIELDS}),
    )

    def has_change_permission(self, request: HttpRequest, obj: Account | None = None) -> bool:
        actor = actor_of(request)
        return (
            obj is not None
            and not obj.is_closed
            and (may(actor, Verb.EDIT_CREDIT, obj) or may_change_credit_loss(actor, obj).allowed)
        )

    def form_facts(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        return {
            "inert": account_inert(actor_of(request), obj),
            "blocked": auto_liquidate_blocked(actor_of(request), obj),
        }

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "credit_loss_action":
            widget = ActionRadio(radio_style=VERTICAL)
            return forms.ChoiceField(choices=ACTIONS, widget=widget, label="When it is reached")
        return super().formfield_for_dbfield(db_field, request, **kwargs)


class UserCreditTab(CreditTab):
    """The user's boxes: the account's without the credit loss box."""

    model = UserCredit
    form = UserCreditForm
    fk_name = "user"
    template_before = "admin/desk/liquidation_user.html"
    fieldsets = (
        ("User Position Settings", {"fields": ("create_sod", "override_reset", "reset_time", "reset_timezone")}),
        ("Credit Settings", {"fields": ("check_credit", "apply_to_block_cross", "daily_limit", "currency", "rule")}),
    )

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return obj is not None and may_in_company(request, Verb.EDIT_USERS, obj.company_id)


class AutoLiqTab(SettingsTab):
    """The limits of automatic liquidation, as the API knows them."""

    model = AccountAutoLiq
    fk_name = "account"
    verbose_name = "Auto-liq limits"
    verbose_name_plural = "Auto-liq limits"
    template_before = "admin/desk/auto_liq_note.html"
    fieldsets = (
        ("Alerts", {"fields": ("daily_loss_alert", "daily_loss_percentage_alert", "margin_percentage_alert")}),
        (
            "Liquidate only",
            {"fields": ("daily_loss_liq_only", "daily_loss_percentage_liq_only", "margin_percentage_liq_only")},
        ),
        (
            "Auto-liquidate",
            {
                "fields": (
                    "daily_loss_auto_liq",
                    "daily_loss_percentage_auto_liq",
                    "margin_percentage_auto_liq",
                    "weekly_loss_auto_liq",
                    "daily_profit_auto_liq",
                    "weekly_profit_auto_liq",
                    "flatten_timestamp",
                )
            },
        ),
        (
            "Trailing drawdown",
            {"fields": ("trailing_max_drawdown", "trailing_max_drawdown_limit", "trailing_max_drawdown_mode")},
        ),
        ("Safeguards", {"fields": ("changes_locked", "do_not_unlock")}),
    )

    def has_change_permission(self, request: HttpRequest, obj: Account | None = None) -> bool:
        return obj is not None and not obj.is_closed and may(actor_of(request), Verb.EDIT_AUTO_LIQ, obj)
