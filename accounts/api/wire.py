"""The wire's own shapes: numbers, times, what is left out, and what every error answers."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import orjson
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.renderers import BaseRenderer
from rest_framework.response import Response

from accounts.errors import AccountClosed, LiquidationInProgress, NotFound, NotPermitted, RiskError

Fields = dict[str, Any]

ACCESS_DENIED = "Access is denied"
NOT_FOUND = "Not found"

_ERROR_TEXTS: Mapping[type[RiskError], str] = {
    AccountClosed: "Account is closed",
    LiquidationInProgress: "Liquidation is in progress",
}
_REFUSALS = (NotPermitted, exceptions.NotAuthenticated, exceptions.AuthenticationFailed, exceptions.PermissionDenied)


class WireRenderer(BaseRenderer):
    """JSON with the wire's names untouched, decimals as numbers and times as the provider writes them."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self, data: object, _accepted_media_type: str | None = None, _renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        if data is None:
            return b""
        return orjson.dumps(data, default=_plain, option=orjson.OPT_PASSTHROUGH_DATETIME)


def _plain(value: object) -> float | str:
    match value:
        case Decimal():
            return float(value)  # a double on the wire; decisions were made before, in decimals
        case datetime():
            return timestamp(value)
    raise TypeError(f"{type(value).__name__} has no shape on the wire.")


def timestamp(moment: datetime) -> str:
    """Return the time as UTC with exactly three fractional digits and `Z`: clients parse that shape alone.

    Raises:
        ValueError: the time has no zone.

    Example:
        >>> timestamp(datetime(2017, 4, 13, 4, 59, 6, 588999, tzinfo=UTC))
        '2017-04-13T04:59:06.588Z'
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no zone.")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def trade_date(day: date) -> dict[str, int]:
    """Return the day as the wire's TradeDate."""
    return {"year": day.year, "month": day.month, "day": day.day}


def present(**fields: object) -> Fields:
    """Return the fields that are set; the wire leaves the others out."""
    return {name: value for name, value in fields.items() if value is not None}


def exception_handler(error: Exception, _context: Mapping[str, Any]) -> HttpResponseBase | None:
    """Return what the wire answers to this error; None leaves it a 500, logged."""
    if isinstance(error, _REFUSALS):
        return _access_denied()
    if isinstance(error, (NotFound, Http404, exceptions.NotFound)):
        return _plain_text(NOT_FOUND, 404)
    if isinstance(error, RiskError):
        return Response({"errorText": _ERROR_TEXTS.get(type(error), error.text)})
    if isinstance(error, exceptions.APIException):
        return _plain_text(str(error.detail), error.status_code)
    return None


@csrf_exempt
def no_such_operation(_request: HttpRequest) -> HttpResponse:
    """Answer for every path that is no operation."""
    return _plain_text(NOT_FOUND, 404)


def _access_denied() -> HttpResponse:
    answer = _plain_text(ACCESS_DENIED, 401)
    answer["WWW-Authenticate"] = "Bearer"
    return answer


def _plain_text(text: str, status: int) -> HttpResponse:
    return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")
