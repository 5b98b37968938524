"""The pages of companies."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.admin.desk import DeskAdmin, actor_of, may_in_company, user_of
from accounts.admin.readout import operator_ids
from accounts.admin.refusal import RefusableForm, refusals_on
from accounts.admin.tables import Cell, Table
from accounts.admin.widgets import TextInput
from accounts.models import Company, Connection, User
from accounts.rules.roles import Verb
from accounts.services.companies import change_company, create_company


class CompanyForm(RefusableForm):
    """A company's settings; its liquidation user is one of its own."""

    reason = forms.CharField(required=False, widget=TextInput(), label="Reason for the change")

    class Meta:
        model = Company
        fields = ("name", "post_trade_risk_enabled", "carry_realized_pnl", "auto_liquidation_user")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields.get("auto_liquidation_user")
        if isinstance(field, forms.ModelChoiceField):
            field.queryset = User.objects.filter(company=self.instance.pk) if self.instance.pk else User.objects.none()


@admin.register(Company)
class CompanyAdmin(DeskAdmin):
    """A firm: its post-trade switch, its carry and its auto-liquidation user."""

    form = CompanyForm
    list_display = ("name", "post_trade_risk_enabled", "carry_realized_pnl", "auto_liquidation_user", "is_ready")
    list_select_related = ("auto_liquidation_user",)
    search_fields = ("name",)
    change_form_before_template = "admin/desk/company_readiness.html"
    change_form_after_template = "admin/desk/reason.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Company]:
        rows = super().get_queryset(request).prefetch_related("connections", "auto_liquidation_user__exchange_settings")
        user = user_of(request)
        return rows if user.is_superuser else rows.filter(pk=user.company_id)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return user_of(request).is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_in_company(request, Verb.EDIT_COMPANY, obj.pk if obj else user_of(request).company_id)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = ["name", "post_trade_risk_enabled", "carry_realized_pnl"]
        return fields if obj is None else [*fields, "auto_liquidation_user"]

    @admin.display(description="Liquidation user ready", boolean=True)
    def is_ready(self, company: Company) -> bool:
        user = company.auto_liquidation_user
        if user is None or not user.is_active:
            return False
        known = {setting.exchange for setting in user.exchange_settings.all()}
        return {connection.exchange for connection in company.connections.all()} <= known

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        company = self.get_object(request, object_id) if object_id else None
        facts = {"panel": readiness_panel(company)} if company is not None else {}
        return super().changeform_view(request, object_id, form_url, facts | (extra_context or {}))

    def save_model(self, request: HttpRequest, obj: Company, form: Any, change: bool) -> None:
        now, actor = timezone.now(), actor_of(request)
        changes = form.changes()
        with refusals_on(Company):
            if change:
                reason = form.cleaned_data["reason"]
                change_company(company_id=obj.pk, changes=changes, actor=actor, now=now, reason=reason)
            else:
                name = changes.pop("name", "")
                obj.pk = create_company(name=name, actor=actor, now=now, **form_settings(form)).pk


def form_settings(form: CompanyForm) -> dict[str, Any]:
    """Return the settings of a new company as the form has them."""
    return {name: form.cleaned_data[name] for name in ("post_trade_risk_enabled", "carry_realized_pnl")}


def readiness_panel(company: Company) -> Table:
    """Return whether the company's liquidation user could close: active, and known to every exchange it has."""
    user = company.auto_liquidation_user
    if user is None:
        empty = "No auto-liquidation user: no liquidation of this company's accounts can send its orders."
        return Table("readiness", "Auto-liquidation user", (), [], empty)
    ids = operator_ids(user)
    exchanges = sorted({*ids, *Connection.objects.filter(company=company).values_list("exchange", flat=True)})
    rows = [[Cell(f"User {user.get_username()}"), _active_cell(user)]]
    rows += [[Cell(f"Operator ID for {exchange}"), _operator_cell(ids.get(exchange))] for exchange in exchanges]
    return Table("readiness", "Auto-liquidation user", ("What must hold", "State"), rows, "")


def _active_cell(user: User) -> Cell:
    return Cell("Active", tone="success") if user.is_active else Cell("Not active: make the user active", tone="danger")


def _operator_cell(operator_id: str | None) -> Cell:
    if operator_id:
        return Cell(operator_id, tone="success")
    return Cell("Missing: give the user an operator ID", tone="danger")
