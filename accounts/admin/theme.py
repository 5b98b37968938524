"""The one place that names the theme: every page subclasses what stands here."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.contrib import admin

    ModelAdmin = admin.ModelAdmin[Any]
    StackedInline = admin.StackedInline[Any, Any]
    TabularInline = admin.TabularInline[Any, Any]

    def colored(*, description: str, colors: dict[str, str]) -> Any: ...
else:
    from unfold.admin import ModelAdmin, StackedInline, TabularInline
    from unfold.decorators import display

    def colored(*, description, colors):
        """Return the decorator of a column whose words are shown in their colors."""
        return display(description=description, label=colors)


MODE_COLORS = {"Normal": "success", "Liquidate only": "warning", "Locked": "danger", "Closed": "info"}
RUN_COLORS = {
    "Requested": "warning",
    "Canceling": "warning",
    "Flattening": "warning",
    "Verifying": "info",
    "Flat": "success",
    "Needs operator": "danger",
    "Stopped": "info",
}

__all__ = ["MODE_COLORS", "RUN_COLORS", "ModelAdmin", "StackedInline", "TabularInline", "colored"]
