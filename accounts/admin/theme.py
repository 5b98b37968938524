"""The one place that names the theme: every page subclasses what stands here."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.contrib import admin

    ModelAdmin = admin.ModelAdmin[Any]
    StackedInline = admin.StackedInline[Any, Any]
    TabularInline = admin.TabularInline[Any, Any]

    def display(*, description: str, label: dict[str, str]) -> Any: ...
else:
    from unfold.admin import ModelAdmin, StackedInline, TabularInline
    from unfold.decorators import display

Column = Callable[[Any, Any], str]


def colored(*, description: str, colors: dict[str, str]) -> Callable[[Column], Column]:
    """Return the decorator of a column whose words are shown in their colors."""
    decorator: Callable[[Column], Column] = display(description=description, label=colors)
    return decorator


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
