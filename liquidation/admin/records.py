"""Pages that only show: decisions and alerts."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin.desk import DeskAdmin
from accounts.admin.tables import when
from liquidation.models import Alert, Evaluation


@admin.register(Evaluation)
class EvaluationAdmin(DeskAdmin):
    """Decisions that had consequences."""

    account_lookup = "account"
    list_display = (
        when("decided_at", "Decided", milliseconds=True),
        "account",
        "kind",
        "action",
        "pnl",
        "threshold",
        "currency",
    )
    list_select_related = ("account",)
    list_filter = ("kind", "action")
    search_fields = ("account__name",)


class StandingFilter(admin.SimpleListFilter):
    """Alerts that stand, or were put to rest."""

    title = "alerts"
    parameter_name = "alerts"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Open"), ("cleared", "Cleared")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Alert]) -> QuerySet[Alert]:
        if self.value() is None:
            return queryset
        return queryset.filter(cleared_at__isnull=self.value() == "open")


@admin.register(Alert)
class AlertAdmin(DeskAdmin):
    """What a person should look at."""

    account_lookup = "account"
    list_display = (when("raised_at", "Raised"), "account", "code", "text", when("cleared_at", "Cleared"))
    list_select_related = ("account",)
    list_filter = (StandingFilter,)
    search_fields = ("account__name", "code", "text")
