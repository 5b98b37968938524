"""Reads the fields of a book's JSON objects and notes every fault with its path."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from accounts.rules.money import to_micros, to_nanos

W = TypeVar("W", bound=StrEnum)

_NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_MOST_CONTRACTS = 2**31 - 1
_SHOWN_LENGTH = 60


class JsonObject(dict[str, Any]):
    """A JSON object that remembers which of its keys were written twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        keys = [key for key, _ in pairs]
        self.twice = sorted({key for key in keys if keys.count(key) > 1}) if len(self) < len(keys) else []


def shown(value: object) -> str:
    """Return a JSON value as it was written, cut where it is long.

    Example:
        >>> shown("abc"), shown(None)
        ('"abc"', 'null')
    """
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}…"


class FieldReader:
    """Takes the fields out of one JSON object.

    A field that is missing or wrong is noted in `faults` and reads as its default, so that one fault hides no other.
    null is the same as a field left out.
    """

    def __init__(self, value: object, path: str, faults: list[str]) -> None:
        self.path = path
        self.faults = faults
        self._is_object = isinstance(value, dict)
        self._fields: dict[str, Any] = value if isinstance(value, dict) else {}
        self._taken: dict[str, None] = {}  # in the order in which they were asked for
        if not self._is_object:
            self.fault("", f"{shown(value)} is not an object")
        for key in getattr(value, "twice", ()):
            self.fault(key, "is written twice")

    def at(self, key: str) -> str:
        """Return the path of a field; of the object itself where `key` is empty."""
        return ".".join(part for part in (self.path, key) if part)

    def fault(self, key: str, text: str) -> None:
        """Note what is wrong with a field."""
        path = self.at(key)
        self.faults.append(f"{path}: {text}" if path else f"the book: {text}")

    def take(self, key: str, *, required: bool = False) -> Any:
        """Return a field as it stands; None where it is left out, which is a fault where it is required."""
        self._taken[key] = None
        value = self._fields.get(key)
        if value is None and required and self._is_object:
            self.fault(key, "is missing")
        return value

    def end(self) -> None:
        """Note every field that was not asked for, with those that were."""
        for key in self._fields:
            if key not in self._taken:
                self.fault(str(key), f"unknown key; known are {', '.join(self._taken)}")

    def text(self, key: str, *, length: int, required: bool = True) -> str:
        """Return a name; empty where it is left out or wrong."""
        value = self.take(key, required=required)
        return "" if value is None else self._name(key, value, length)

    def _name(self, key: str, value: object, length: int) -> str:
        if not isinstance(value, str):
            self.fault(key, f"{shown(value)} is not a string")
        elif not value or value != value.strip() or not value.isprintable():
            self.fault(key, f"{shown(value)} is empty, has a space at an end or a character that cannot be printed")
        elif len(value) > length:
            self.fault(key, f"{shown(value)} is longer than {length} characters")
        else:
            return value
        return ""

    def currency(self, key: str, *, default: str = "USD") -> str:
        """Return a currency's three letters."""
        value = self.take(key)
        if value is None:
            return default
        if isinstance(value, str) and _CURRENCY.fullmatch(value):
            return value
        self.fault(key, f"{shown(value)} is not a currency of three capital letters")
        return default

    def flag(self, key: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self.take(key)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        self.fault(key, f"{shown(value)} is neither true nor false")
        return default

    def word(self, key: str, words: tuple[W, ...], default: W | None = None) -> W | None:
        """Return one of `words`; required where there is no default."""
        value = self.take(key, required=default is None)
        if value is None:
            return default
        if value in words:
            return next(word for word in words if word == value)
        self.fault(key, f"{shown(value)} is not one of {', '.join(words)}")
        return default

    def whole(self, key: str, *, least: int) -> int:
        """Return a whole number of contracts, written as a JSON number."""
        value = self.take(key, required=True)
        if value is None:
            return 0
        if not isinstance(value, int) or isinstance(value, bool):
            self.fault(key, f"{shown(value)} is not a whole number")
            return 0
        if not least <= value <= _MOST_CONTRACTS:
            self.fault(key, f"{shown(value)} is not between {least} and {_MOST_CONTRACTS}")
            return 0
        return value

    def money(
        self, key: str, *, required: bool = False, is_signed: bool = False, integers: bool = False
    ) -> Decimal | None:
        """Return an amount, at most 6 decimals. Where `integers` says so a JSON integer will do."""
        value = self._number(key, required=required, integers=integers)
        if value is not None and value < 0 and not is_signed:
            self.fault(key, f"{shown(str(value))} is below 0")
            return None
        return self._kept(key, value, to_micros)

    def price(self, key: str, *, required: bool = False, is_above_zero: bool = False) -> Decimal | None:
        """Return a price, at most 9 decimals; it may be negative."""
        value = self._number(key, required=required)
        if value is not None and is_above_zero and value <= 0:
            self.fault(key, f"{shown(str(value))} is not above 0")
            return None
        return self._kept(key, value, to_nanos)

    def _number(self, key: str, *, required: bool, integers: bool = False) -> Decimal | None:
        value = self.take(key, required=required)
        if value is None:
            return None
        if integers and isinstance(value, int) and not isinstance(value, bool):
            return Decimal(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            self.fault(key, f"{shown(value)} is not a string: money and prices are written in quotation marks")
            return None
        if not isinstance(value, str) or not _NUMBER.fullmatch(value):
            self.fault(key, f"{shown(value)} is not a number")
            return None
        return Decimal(value)

    def _kept(self, key: str, value: Decimal | None, keep: Any) -> Decimal | None:
        if value is None:
            return None
        try:
            keep(value)
        except ValueError as error:
            self.fault(key, str(error).removeprefix("amount ").removeprefix("price "))
            return None
        return value

    def instant(self, key: str) -> datetime | None:
        """Return a moment, in UTC."""
        value = self.take(key)
        if value is None:
            return None
        try:
            at = datetime.fromisoformat(value)
            if at.utcoffset() is not None:
                return at.astimezone(UTC)
        except (TypeError, ValueError, OverflowError):
            self.fault(key, f"{shown(value)} is not a time in ISO 8601")
            return None
        self.fault(key, f"{shown(value)} has no offset from UTC")
        return None

    def names(self, key: str, *, length: int) -> list[str]:
        """Return a list of names, each once."""
        found: list[str] = []
        for index, value in enumerate(self._items(key)):
            name = self._name(f"{key}[{index}]", value, length)
            if name in found:
                self.fault(f"{key}[{index}]", f"{shown(name)} is there already")
            elif name:
                found.append(name)
        return found

    def objects(self, key: str) -> Iterator["FieldReader"]:
        """Yield a reader for each object of a list; the caller ends each."""
        for index, value in enumerate(self._items(key)):
            yield FieldReader(value, f"{self.at(key)}[{index}]", self.faults)

    def _items(self, key: str) -> list[Any]:
        value = self.take(key)
        if value is None or isinstance(value, list):
            return value or []
        self.fault(key, f"{shown(value)} is not a list")
        return []

    def part(self, key: str) -> "FieldReader":
        """Return a reader for an object inside this one, an empty one where it is left out; the caller ends it."""
        value = self.take(key)
        return FieldReader({} if value is None else value, self.at(key), self.faults)
