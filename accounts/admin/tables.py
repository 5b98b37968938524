"""Plain tables for the pages: what stands in a cell, and the words for what changed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib import admin

from accounts.models import AuditEntry

NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: its text, where it leads, and its color (a label's: success, warning, danger, info)."""

    text: str
    href: str = ""
    tone: str = ""
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One panel of a page. `empty` is what it says without rows; `href` leads to all of them."""

    key: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    empty: str
    href: str = ""

    @property
    def count(self) -> int:
        return len(self.rows)


def number(value: Decimal | int | None, places: int = 2) -> Cell:
    """Return a number with thousands apart; what is not known is a dash, never a zero."""
    return Cell(amount_text(value, places), is_number=True)


def amount_text(value: Decimal | int | None, places: int = 2) -> str:
    """Return a number for people, rounded for the eye only."""
    if value is None:
        return NOTHING
    return f"{value:,}" if isinstance(value, int) else f"{value:,.{places}f}"


def price_cell(value: Decimal | None) -> Cell:
    """Return a price with the digits it has."""
    return Cell(NOTHING if value is None else f"{value.normalize():f}", is_number=True)


def moment(at: datetime | None, *, milliseconds: bool = False) -> Cell:
    """Return a moment in UTC."""
    if at is None:
        return Cell(NOTHING)
    text = f"{at:%Y-%m-%d %H:%M:%S}"
    return Cell(f"{text}.{at.microsecond // 1000:03d}" if milliseconds else text)


def when(field: str, label: str, *, milliseconds: bool = False) -> Callable[[Any], str]:
    """Return a list's column of moments, to the second: Django's own format drops them."""

    @admin.display(description=f"{label} (UTC)", ordering=field)
    def column(row: Any) -> str:
        return moment(getattr(row, field), milliseconds=milliseconds).text

    column.__name__ = field
    return column


def words(code: str) -> str:
    """Return a stored word as plain English.

    Example:
        >>> words("LIQUIDATE_ONLY"), words("")
        ('Liquidate only', '-')
    """
    return code.replace("_", " ").capitalize() or NOTHING


def change_text(entry: AuditEntry) -> str:
    """Return what an audit entry says was changed: each field with its old and new value."""
    fields = list(dict.fromkeys([*entry.before, *entry.after]))
    return "; ".join(_one_change(field, entry) for field in fields)


def _one_change(field: str, entry: AuditEntry) -> str:
    name = words(field)
    if field not in entry.before:
        return f"{name}: {_plain(entry.after[field])}"
    if field not in entry.after:
        return f"{name}: was {_plain(entry.before[field])}"
    return f"{name}: {_plain(entry.before[field])} → {_plain(entry.after[field])}"


def _plain(value: Any) -> str:
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items()) or NOTHING
    return str(value)


def audit_rows(entries: Sequence[AuditEntry], *, with_object: bool = True) -> list[list[Cell]]:
    """Return audit entries as rows: when, who, what, the change, why."""
    return [
        [
            moment(entry.at),
            Cell(entry.actor),
            Cell(entry.action),
            *([Cell(entry.object_name)] if with_object else []),
            Cell(change_text(entry) or NOTHING),
            Cell(entry.reason or NOTHING),
        ]
        for entry in entries
    ]
