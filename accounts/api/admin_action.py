"""`accountRiskStatus/setadminautoliqaction`: lock, liquidate or unlock an account in one call."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils import timezone
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.requests import row_id, text
from accounts.api.risk_status import accounts_with_limits, risk_statuses
from accounts.api.views import IsOrganizationAdministrator, WireView
from accounts.errors import InvalidValue, NotFound, NotPermitted
from accounts.permissions import visible_accounts
from accounts.rules.locks import AdminAction, AdminActionReasonCode
from liquidation.services.admin_actions import set_admin_action

LONGEST_REASON = 8192
ELSEWHERE = "This endpoint should be called on live.tradovateapi.com"


@dataclass(frozen=True, slots=True)
class AdminActionRequest:
    """What was asked for, every field valid by itself."""

    account_id: int
    action: AdminAction
    reason_code: str
    reason: str


class SetAdminAutoLiqAction(WireView):
    """Set an account's admin action. In force when the answer is on its way."""

    permission_classes = (IsAuthenticated, IsOrganizationAdministrator)

    def post(self, _request: Request) -> Response:
        _require_environment()
        asked = admin_action_request(self.body)
        accounts = accounts_with_limits(visible_accounts(self.user)).filter(pk=asked.account_id)
        if not accounts.exists():
            raise NotFound("Not found")
        set_admin_action(
            account_id=asked.account_id,
            action=asked.action,
            reason_code=asked.reason_code,
            reason=asked.reason,
            actor=self.actor,
            now=timezone.now(),
        )
        (status,) = risk_statuses(list(accounts), timezone.now())
        return Response({"accountRiskStatus": status})


def _require_environment() -> None:
    if settings.RISKADMIN_ENVIRONMENT == "live":
        raise NotPermitted("Served on demo alone.")
    if settings.RISKADMIN_ENVIRONMENT == "replay":
        raise InvalidValue(ELSEWHERE)


def admin_action_request(body: Mapping[str, Any]) -> AdminActionRequest:
    """Return the request of this body; the first fault is answered, in the provider's order and words.

    Raises:
        InvalidValue: a field is missing or cannot be.
    """
    account_id = row_id(body, "accountId")
    if account_id is None:
        raise InvalidValue("Account Id should be greater than 0", field="accountId")
    action = body.get("adminAction")
    if action not in list(AdminAction):
        raise InvalidValue("Admin Action should be between Normal and LiquidateImmediately", field="adminAction")
    code = body.get("adminActionReasonCode")
    if code not in list(AdminActionReasonCode):
        raise InvalidValue(
            "Admin Action Reason Code should be between CloseAMLDecision and Other", field="adminActionReasonCode"
        )
    reason = text(body, "adminActionReason") or ""
    if len(reason) > LONGEST_REASON:
        raise InvalidValue(f"Admin Action Reason should be no longer than {LONGEST_REASON}", field="adminActionReason")
    if code == AdminActionReasonCode.OTHER and not reason.strip():
        raise InvalidValue("Admin Action Reason should be specified", field="adminActionReason")
    return AdminActionRequest(account_id, AdminAction(action), str(code), reason)
