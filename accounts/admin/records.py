"""Pages that only show: positions, orders, fills, locks, connections, the audit and the market's data."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from accounts.admin.desk import DeskAdmin, user_of
from accounts.admin.tables import change_text, when
from accounts.models import (
    AccountLock,
    AccountShare,
    AuditEntry,
    Connection,
    CurrencyRate,
    Fill,
    Instrument,
    Mark,
    Order,
    Position,
    ProductMargin,
    SodRecord,
)
from accounts.permissions import visible_accounts
from accounts.rules.orders import OPEN_STATUSES
from accounts.rules.roles import Role


@admin.register(Position)
class PositionAdmin(DeskAdmin):
    """What accounts hold."""

    account_lookup = "account"
    list_display = ("account", "instrument", "net", "prev_pos", "bought", "sold", when("updated_at", "Updated"))
    list_select_related = ("account", "instrument")
    search_fields = ("account__name", "instrument__symbol")

    @admin.display(description="Net")
    def net(self, position: Position) -> int:
        return position.net


class WorkingFilter(admin.SimpleListFilter):
    """Working orders are what most come for; the others are one click away."""

    title = "orders"
    parameter_name = "orders"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("working", "Working"), ("done", "Done")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        match self.value():
            case "working":
                return queryset.filter(status__in=sorted(OPEN_STATUSES))
            case "done":
                return queryset.exclude(status__in=sorted(OPEN_STATUSES))
            case _:
                return queryset


@admin.register(Order)
class OrderAdmin(DeskAdmin):
    """Orders of every state."""

    account_lookup = "account"
    list_display = (
        "client_order_id", "account", "instrument", "side", "qty", "filled_qty", "type", "price", "status",
        "is_liquidation",
    )  # fmt: skip
    list_select_related = ("account", "instrument")
    list_filter = (WorkingFilter, "is_liquidation")
    search_fields = ("client_order_id", "account__name", "instrument__symbol")
    ordering = ("-id",)


@admin.register(Fill)
class FillAdmin(DeskAdmin):
    """Executions."""

    account_lookup = "account"
    list_display = (
        "execution_id",
        "account",
        "instrument",
        "side",
        "qty",
        "price",
        when("filled_at", "Filled", milliseconds=True),
        "venue",
    )
    list_select_related = ("account", "instrument")
    search_fields = ("execution_id", "account__name", "instrument__symbol")
    ordering = ("-id",)


@admin.register(SodRecord)
class SodRecordAdmin(DeskAdmin):
    """Start-of-day records."""

    account_lookup = "account"
    list_display = (
        "trading_day",
        "account",
        "instrument",
        "net",
        "price",
        "is_manual",
        when("published_at", "Published"),
    )
    list_select_related = ("account", "instrument")
    search_fields = ("account__name", "instrument__symbol")


class OpenFilter(admin.SimpleListFilter):
    """Locks in force, or lifted."""

    title = "locks"
    parameter_name = "locks"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "In force"), ("released", "Lifted")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AccountLock]) -> QuerySet[AccountLock]:
        if self.value() is None:
            return queryset
        return queryset.filter(released_at__isnull=self.value() == "open")


@admin.register(AccountLock)
class AccountLockAdmin(DeskAdmin):
    """Why accounts may not trade, now and before."""

    account_lookup = "account"
    list_display = (
        "account", "cause", "mode", when("opened_at", "Opened"), "opened_by", "reason", when("released_at", "Released"),
        "released_by",
    )  # fmt: skip
    list_select_related = ("account",)
    list_filter = (OpenFilter, "cause", "mode")
    search_fields = ("account__name", "reason")


@admin.register(Connection)
class ConnectionAdmin(DeskAdmin):
    """Ways to the exchanges."""

    list_display = ("name", "exchange", "gateway", "company")
    list_select_related = ("company",)
    list_filter = ("exchange",)
    search_fields = ("name", "exchange")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connection]:
        rows = super().get_queryset(request)
        user = user_of(request)
        return rows if user.is_superuser else rows.filter(company=user.company_id)


@admin.register(AccountShare)
class AccountShareAdmin(DeskAdmin):
    """Which accounts are shared with whom: by the company, or with it."""

    list_display = ("account", "owner", "company", when("created_at", "Since"))
    list_select_related = ("account__company", "company")
    search_fields = ("account__name", "company__name")

    def get_queryset(self, request: HttpRequest) -> QuerySet[AccountShare]:
        rows = super().get_queryset(request)
        user = user_of(request)
        if user.is_superuser:
            return rows
        own = Q(account__company=user.company_id) | Q(company=user.company_id)
        return rows.filter(own, account__in=visible_accounts(user))

    @admin.display(description="Owner")
    def owner(self, share: AccountShare) -> str:
        return share.account.company.name


@admin.register(AuditEntry)
class AuditEntryAdmin(DeskAdmin):
    """Who did what, when, from where and why."""

    list_display = (when("at", "When"), "actor", "door", "action", "object_name", "change", "reason")
    list_filter = ("action", "door")
    list_fullwidth = True
    search_fields = ("actor", "action", "object_name", "reason")

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEntry]:
        return visible_entries(request, super().get_queryset(request))

    @admin.display(description="Change")
    def change(self, entry: AuditEntry) -> str:
        return change_text(entry)


def visible_entries(request: HttpRequest, entries: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
    """Return the entries about what the user sees: visible accounts, and the company itself for those who watch it."""
    user = user_of(request)
    if user.is_superuser:
        return entries
    on_accounts = Q(account__in=visible_accounts(user))
    if user.role in {Role.TRADER, Role.ACCOUNT_ADMIN}:
        return entries.filter(on_accounts)
    return entries.filter(on_accounts | Q(account=None, company=user.company_id))


@admin.register(Instrument)
class InstrumentAdmin(DeskAdmin):
    """Contracts."""

    list_display = ("symbol", "exchange", "product", "tick_size", "tick_value", "currency")
    list_filter = ("exchange", "currency")
    search_fields = ("symbol", "product")


@admin.register(ProductMargin)
class ProductMarginAdmin(DeskAdmin):
    """Margins by product."""

    list_display = ("product", "initial", "maintenance", "spread")
    search_fields = ("product",)


@admin.register(CurrencyRate)
class CurrencyRateAdmin(DeskAdmin):
    """Rates between currencies."""

    list_display = ("source", "target", "rate")
    search_fields = ("source", "target")


@admin.register(Mark)
class MarkAdmin(DeskAdmin):
    """Last accepted prices."""

    list_display = ("instrument", "price", when("priced_at", "Priced"), when("seen_at", "Heard"), "source")
    list_select_related = ("instrument",)
    search_fields = ("instrument__symbol",)
