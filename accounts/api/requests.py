"""Read what clients send: bodies and queries, with numbers where text is typed and the reverse."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import IO, Any

from django.conf import settings
from django.http import QueryDict
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

LARGEST_ID = 2**63 - 1

_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,30}")
_TRUE_WORDS = frozenset({"true", "1"})


class WireParser(BaseParser):
    """A JSON object whose fractions become decimals, never floats."""

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], _media_type: str | None = None, _parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        content = stream.read(most + 1)
        if len(content) > most:
            raise ParseError("Request is too large")
        try:
            body = json.loads(content, parse_float=Decimal, parse_constant=_refuse_constant)
        except (ValueError, ArithmeticError, RecursionError) as error:
            raise ParseError("Malformed JSON") from error
        if not isinstance(body, dict):
            raise ParseError("A JSON object is expected")
        return body


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def text(body: Mapping[str, Any], name: str) -> str | None:
    """Return a field as text, a number as its digits; None where it is left out or null.

    Raises:
        ParseError: the field is no text, or holds what no database keeps.
    """
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise ParseError(f"{name} is not a text")
    found = str(value)
    if "\0" in found or any("\ud800" <= letter <= "\udfff" for letter in found):
        raise ParseError(f"{name} holds letters that are no text")
    return found


def number(body: Mapping[str, Any], name: str) -> Decimal | None:
    """Return a field as a finite decimal; None where it is left out or is no number."""
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        return None
    written = str(value).strip()
    return Decimal(written) if _NUMBER.fullmatch(written) else None


def whole_number(body: Mapping[str, Any], name: str) -> int | None:
    """Return a field as a whole number; None where it is left out or is none."""
    found = number(body, name)
    return int(found) if found is not None and found == found.to_integral_value() else None


def row_id(body: Mapping[str, Any], name: str) -> int | None:
    """Return a field as an id above 0; None where it is none. What no database can look up becomes an id of no row."""
    found = whole_number(body, name)
    return None if found is None or found <= 0 else min(found, LARGEST_ID)


def yes(body: Mapping[str, Any], name: str) -> bool:
    """Return whether a field says yes: true, "true" or 1; left out is no."""
    return str(body.get(name)).strip().lower() in _TRUE_WORDS


def id_list(query: QueryDict, name: str) -> list[int]:
    """Return the ids of a query: `1,2`, `1%2C2`, repeated keys, or all of them at once.

    Ids that no row can have are left out.

    Raises:
        ParseError: the parameter is left out, or one of them is no whole number.
    """
    if name not in query:
        raise ParseError(f"{name} is not specified")
    words = [word.strip() for value in query.getlist(name) for word in value.split(",")]
    if not all(_WHOLE.fullmatch(word) for word in words if word):
        raise ParseError(f"{name} is not a list of ids")
    return [found for found in (int(word) for word in words if word) if 0 < found <= LARGEST_ID]


def one_id(query: QueryDict, name: str) -> int | None:
    """Return the id of a query; None where no row can have it.

    Raises:
        ParseError: the parameter is left out or is no whole number.
    """
    word = query.get(name, "").strip()
    if not _WHOLE.fullmatch(word):
        raise ParseError(f"{name} is not an id")
    found = int(word)
    return found if 0 < found <= LARGEST_ID else None
