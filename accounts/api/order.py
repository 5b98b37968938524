"""`order` on the wire: place and cancel."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any, NoReturn, TypeVar

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.requests import number, row_id, text, whole_number, yes
from accounts.api.views import WireView
from accounts.api.wire import Fields
from accounts.errors import InvalidValue, NotFound, RiskError
from accounts.models import User
from accounts.permissions import visible_accounts
from accounts.rules.orders import OrderType, TimeInForce
from accounts.rules.pnl import Side
from accounts.rules.pretrade import FailureReason
from accounts.rules.roles import Verb
from accounts.services.orders import NewOrder, cancel_order, submit_order

SIDES = {"Buy": Side.BUY, "Sell": Side.SELL}
ORDER_TYPES = {
    "Limit": OrderType.LIMIT,
    "LimitIfTouched": None,
    "MIT": None,
    "Market": OrderType.MARKET,
    "QTS": None,
    "Stop": OrderType.STOP,
    "StopLimit": OrderType.STOP_LIMIT,
    "TrailingStop": None,
    "TrailingStopLimit": None,
}
"""Every order type of the wire; None is not supported."""
TIMES_IN_FORCE = {
    "Day": TimeInForce.DAY,
    "FOK": TimeInForce.FOK,
    "GTC": TimeInForce.GTC,
    "GTD": None,
    "IOC": TimeInForce.IOC,
}
UNSUPPORTED_FIELDS = ("activationTime", "maxShow")
"""Fields that change what an order does: one that was ignored would send another order than was asked for."""
LONGEST_CLIENT_ID = 64
LARGEST_QTY = 2**31 - 1
LARGEST_PRICE = 10**9
MOST_PRICE_DECIMALS = 9


Word = TypeVar("Word", bound=StrEnum)


class OrderRefused(RiskError):
    """The body is no order that could be sent."""

    code = "ORDER_REFUSED"

    def __init__(self, reason: FailureReason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class PlaceOrder(WireView):
    """Hold an order against locks and credit, and send it on its way if it passes."""

    verb = Verb.PLACE_ORDER

    def post(self, _request: Request) -> Response:
        try:
            order = new_order(self.body)
            account_id = _account_id(self.body, self.user)
            result = submit_order(account_id=account_id, order=order, actor=self.actor, now=timezone.now())
        except OrderRefused as error:
            return Response(_failure(error.reason, error.text))
        except InvalidValue as error:
            is_price = error.field in {"price", "stop_price"}
            reason = FailureReason.InvalidPrice if is_price else FailureReason.UnknownReason
            return Response(_failure(reason, error.text))
        if result.failure_reason is not None:
            return Response(_failure(result.failure_reason, result.failure_text))  # the provider names no order then
        return Response({"orderId": result.order_id})


class CancelOrder(WireView):
    """Ask for an order to be taken out of the market."""

    verb = Verb.CANCEL_ORDER

    def post(self, _request: Request) -> Response:
        order_id = row_id(self.body, "orderId")
        if order_id is None:
            return Response(_failure(FailureReason.UnknownReason, "Order Id should be greater than 0"))
        result = cancel_order(order_id=order_id, actor=self.actor, now=timezone.now())
        if result.failure_reason is not None:
            return Response(_failure(result.failure_reason, result.failure_text))
        return Response({"commandId": result.order_id})  # commands have no rows: the order's id names the command


def _failure(reason: FailureReason, explanation: str) -> Fields:
    return {"failureReason": reason, "failureText": explanation}


def _account_id(body: Mapping[str, Any], user: User) -> int:
    """Return the account meant: by id, else by name, the caller's own company before one that shares."""
    visible = visible_accounts(user)
    if body.get("accountId") is not None:
        asked = row_id(body, "accountId") or _refuse("Account Id should be greater than 0")
        found = list(visible.filter(pk=asked))
    else:
        name = text(body, "accountSpec") or _refuse("Account Id should be specified")
        named = list(visible.filter(name=name))
        found = [account for account in named if account.company_id == user.company_id] or named
    if len(found) != 1:
        raise NotFound("Not found")
    return found[0].pk


def new_order(body: Mapping[str, Any]) -> NewOrder:
    """Return the order of this body.

    Raises:
        OrderRefused: a field is missing, cannot be, or asks for what is not supported.
    """
    side = SIDES.get(str(body.get("action"))) or _refuse("Action should be between Buy and Sell")
    for name in UNSUPPORTED_FIELDS:
        if body.get(name) is not None:
            _refuse(f"{name} is not supported", FailureReason.Unsupported)
    order_type = _supported("Order Type", body.get("orderType"), ORDER_TYPES)
    is_limit = order_type in {OrderType.LIMIT, OrderType.STOP_LIMIT}
    is_stop = order_type in {OrderType.STOP, OrderType.STOP_LIMIT}
    return NewOrder(
        symbol=text(body, "symbol") or _refuse("Symbol should be specified"),
        side=side,
        qty=_qty(body),
        type=order_type,
        price=_price(body, "price", "Price") if is_limit else None,
        stop_price=_price(body, "stopPrice", "Stop Price") if is_stop else None,
        time_in_force=_supported("Time In Force", body.get("timeInForce") or "Day", TIMES_IN_FORCE),
        client_order_id=_client_order_id(body),
        is_automated=yes(body, "isAutomated"),
    )


def _supported(field: str, value: object, words: Mapping[str, Word | None]) -> Word:
    if not isinstance(value, str) or value not in words:
        _refuse(f"{field} should be between {next(iter(words))} and {list(words)[-1]}")
    return words[value] or _refuse(f"{field} {value} is not supported", FailureReason.Unsupported)


def _qty(body: Mapping[str, Any]) -> int:
    qty = whole_number(body, "orderQty")
    if qty is None:
        _refuse("Order Qty should be specified")
    if qty <= 0:
        _refuse("Order Qty should be greater than 0")
    if qty > LARGEST_QTY:
        _refuse(f"Order Qty should be less than {LARGEST_QTY + 1}")
    return qty


def _price(body: Mapping[str, Any], name: str, field: str) -> Decimal:
    price = number(body, name)
    if price is None:
        _refuse(f"{field} should be specified", FailureReason.InvalidPrice)
    if abs(price) >= LARGEST_PRICE:
        _refuse(f"{field} should be less than {LARGEST_PRICE}", FailureReason.InvalidPrice)
    if price != round(price, MOST_PRICE_DECIMALS):
        _refuse(f"{field} has more than {MOST_PRICE_DECIMALS} decimals", FailureReason.InvalidPrice)
    return price


def _client_order_id(body: Mapping[str, Any]) -> str:
    found = text(body, "clOrdId") or ""
    if len(found) > LONGEST_CLIENT_ID:
        _refuse(f"Cl Ord Id should be no longer than {LONGEST_CLIENT_ID}")
    return found


def _refuse(explanation: str, reason: FailureReason = FailureReason.UnknownReason) -> NoReturn:
    raise OrderRefused(reason, explanation)
