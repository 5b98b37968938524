"""Which path leads to which operation: both segments in any case, a trailing slash allowed."""

from collections.abc import Callable

from django.http.response import HttpResponseBase
from django.urls import URLPattern, re_path

from accounts.api.account import AccountView
from accounts.api.admin_action import SetAdminAutoLiqAction
from accounts.api.auth import AccessTokenRequest, RenewAccessToken
from accounts.api.order import CancelOrder, PlaceOrder
from accounts.api.position import PositionView
from accounts.api.risk_status import RiskStatusView
from accounts.api.views import EntityView
from accounts.api.wire import no_such_operation


def _operation(path: str, view: Callable[..., HttpResponseBase]) -> URLPattern:
    # Not "(?i:…)": with such a group anywhere Django can reverse no address at all.
    either_case = "".join(f"[{sign}{sign.upper()}]" if sign.isalpha() else sign for sign in path.lower())
    return re_path(rf"^{either_case}/?$", view)


def _reads(entity: str, view: type[EntityView], *operations: str) -> list[URLPattern]:
    return [_operation(f"{entity}/{operation}", view.as_view(operation=operation)) for operation in operations]


urlpatterns = [
    _operation("auth/accesstokenrequest", AccessTokenRequest.as_view()),
    _operation("auth/renewaccesstoken", RenewAccessToken.as_view()),
    _operation("accountRiskStatus/setadminautoliqaction", SetAdminAutoLiqAction.as_view()),
    _operation("order/placeorder", PlaceOrder.as_view()),
    _operation("order/cancelorder", CancelOrder.as_view()),
    *_reads("account", AccountView, "item", "items", "list"),
    *_reads("accountRiskStatus", RiskStatusView, "item", "items", "list", "deps", "ldeps"),
    *_reads("position", PositionView, "item", "items", "list", "deps", "ldeps"),
    re_path("", no_such_operation),
]
