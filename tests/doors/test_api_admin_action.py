"""The door that locks, liquidates and unlocks: `accountRiskStatus/setadminautoliqaction`."""

from typing import Any

import pytest
from django.utils import timezone
from rest_framework.response import Response
from rest_framework.test import APIClient

from accounts.models import Account, AccountLock, AdminActionRecord, AuditEntry
from accounts.rules.locks import AdminAction, AdminActionReasonCode, LockMode, admin_effect
from accounts.rules.roles import Role
from accounts.services import structure
from liquidation.models import LiquidationRun
from tests import builders
from tests.doors.conftest import FACTS, Firm, calling_as, faults

PATH = "/v1/accountRiskStatus/setadminautoliqaction"
OLD_REASON_CODES = ["CallIn", "ClosingAccount", "ComplianceRequest", "LowLiquidity"]

BAD_ID = "Account Id should be greater than 0"
BAD_ACTION = "Admin Action should be between Normal and LiquidateImmediately"
BAD_CODE = "Admin Action Reason Code should be between CloseAMLDecision and Other"
LONG_REASON = "Admin Action Reason should be no longer than 8192"
NO_REASON = "Admin Action Reason should be specified"


def request_body(account: Account, action: str = "LockTradingImmediately", **fields: object) -> dict[str, object]:
    body = {"accountId": account.pk, "adminAction": action, "adminActionReasonCode": "Other"}
    return body | {"adminActionReason": "Daily loss"} | fields


def send(client: APIClient, account: Account, action: str = "LockTradingImmediately", **fields: object) -> Response:
    return client.post(PATH, request_body(account, action, **fields), format="json")


def place_order(client: APIClient, account: Account, action: str = "Buy") -> dict[str, Any]:
    order = {"accountId": account.pk, "action": action, "symbol": "ESZ6", "orderQty": 1, "orderType": "Market"}
    answer: dict[str, Any] = client.post("/v1/order/placeorder", order, format="json").json()
    return answer


def nothing_happened() -> bool:
    return not (AdminActionRecord.objects.exists() or AccountLock.objects.exists() or LiquidationRun.objects.exists())


# The error table, row by row


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"accountId": 0}, BAD_ID),
        ({"accountId": -1}, BAD_ID),
        ({"accountId": "0"}, BAD_ID),
        ({"accountId": None}, BAD_ID),
        ({"accountId": "x"}, BAD_ID),
        ({"accountId": True}, BAD_ID),
        ({"accountId": 1.5}, BAD_ID),
        ({"adminAction": "Lock"}, BAD_ACTION),
        ({"adminAction": "normal"}, BAD_ACTION),
        ({"adminAction": ""}, BAD_ACTION),
        ({"adminAction": None}, BAD_ACTION),
        ({"adminAction": 1}, BAD_ACTION),
        ({"adminAction": {}}, BAD_ACTION),
        ({"adminActionReasonCode": "Because"}, BAD_CODE),
        ({"adminActionReasonCode": "other"}, BAD_CODE),
        ({"adminActionReasonCode": None}, BAD_CODE),
        ({"adminActionReasonCode": []}, BAD_CODE),
        ({"adminActionReason": "x" * 8193}, LONG_REASON),
        ({"adminActionReason": "x" * 8193, "adminActionReasonCode": "CloseFraud"}, LONG_REASON),
        ({"adminActionReason": " " * 8193}, LONG_REASON),
        ({"adminActionReason": ""}, NO_REASON),
        ({"adminActionReason": None}, NO_REASON),
        ({"adminActionReason": " \t\n"}, NO_REASON),
    ],
)
def test_every_fault_of_the_body_has_the_providers_text(
    admin_client: APIClient, firm: Firm, fields: dict[str, object], text: str
) -> None:
    answer = send(admin_client, firm.account, **fields)
    assert (answer.status_code, answer.json()) == (200, {"errorText": text})
    assert nothing_happened()


@pytest.mark.parametrize(
    ("left_out", "text"),
    [
        ("accountId", BAD_ID),
        ("adminAction", BAD_ACTION),
        ("adminActionReasonCode", BAD_CODE),
        ("adminActionReason", NO_REASON),
    ],
)
def test_a_field_that_is_left_out_has_the_same_text(
    admin_client: APIClient, firm: Firm, left_out: str, text: str
) -> None:
    body = request_body(firm.account)
    del body[left_out]
    assert admin_client.post(PATH, body, format="json").json() == {"errorText": text}


def test_the_first_fault_is_answered_in_the_documented_order(admin_client: APIClient, firm: Firm) -> None:
    faulty: list[tuple[str, object, str]] = [
        ("accountId", 0, BAD_ID),
        ("adminAction", "x", BAD_ACTION),
        ("adminActionReasonCode", "x", BAD_CODE),
        ("adminActionReason", "x" * 8193, LONG_REASON),
    ]
    body: dict[str, object] = {name: value for name, value, _ in faulty}
    for name, _, text in faulty:
        assert admin_client.post(PATH, body, format="json").json() == {"errorText": text}
        body |= {name: {**request_body(firm.account), "adminActionReason": " "}[name]}
    body |= {"accountId": 999_999}
    assert admin_client.post(PATH, body, format="json").json() == {"errorText": NO_REASON}
    body |= {"adminActionReason": "x"}
    assert admin_client.post(PATH, body, format="json").status_code == 404


@pytest.mark.parametrize("length", [8191, 8192])
def test_a_reason_may_have_8192_characters(admin_client: APIClient, firm: Firm, length: int) -> None:
    reason = "\u20ac" * length
    assert "accountRiskStatus" in send(admin_client, firm.account, adminActionReason=reason).json()
    assert AdminActionRecord.objects.get().reason == reason


def test_access_is_denied_on_live(admin_client: APIClient, firm: Firm, settings: Any) -> None:
    settings.RISKADMIN_ENVIRONMENT = "live"
    answer = send(admin_client, firm.account)
    assert (answer.status_code, answer.content) == (401, b"Access is denied")
    assert nothing_happened()


def test_the_endpoint_should_be_called_elsewhere_on_replay(admin_client: APIClient, firm: Firm, settings: Any) -> None:
    settings.RISKADMIN_ENVIRONMENT = "replay"
    answer = send(admin_client, firm.account)
    assert answer.status_code == 200
    assert answer.json() == {"errorText": "This endpoint should be called on live.tradovateapi.com"}
    assert nothing_happened()


# The documented failure scenarios


@pytest.mark.parametrize("account_id", [999_999, 2**63 - 1, 2**63, 10**29])
def test_an_account_id_that_is_no_valid_account_is_404(admin_client: APIClient, firm: Firm, account_id: int) -> None:
    answer = send(admin_client, firm.account, accountId=account_id)
    assert (answer.status_code, answer.content) == (404, b"Not found")


def test_code_other_without_a_reason_is_refused(admin_client: APIClient, firm: Firm) -> None:
    assert send(admin_client, firm.account, adminActionReason="").json() == {"errorText": NO_REASON}


def test_a_reason_above_8192_characters_is_refused(admin_client: APIClient, firm: Firm) -> None:
    assert send(admin_client, firm.account, adminActionReason="x" * 8193).json() == {"errorText": LONG_REASON}


@pytest.mark.parametrize("environment", ["demo", "live", "replay"])
@pytest.mark.parametrize("body", [b"{", b"{}", b'{"accountId": 0}'])
@pytest.mark.parametrize("role", [role for role in Role if role is not Role.COMPANY_ADMIN])
def test_a_caller_who_is_no_organization_administrator_is_401_before_the_body_is_looked_at(
    firm: Firm, settings: Any, role: Role, body: bytes, environment: str
) -> None:
    settings.RISKADMIN_ENVIRONMENT = environment
    client = calling_as(builders.user(firm.company, role=role))
    answer = client.generic("POST", PATH, body, content_type="application/json")
    assert (answer.status_code, answer.content) == (401, b"Access is denied")


def test_nobody_is_401_before_the_body_is_looked_at(firm: Firm) -> None:
    answer = calling_as(None).generic("POST", PATH, b"{", content_type="application/json")
    assert (answer.status_code, answer.content) == (401, b"Access is denied")


# Who


def test_the_platforms_superuser_may(firm: Firm) -> None:
    assert "accountRiskStatus" in send(calling_as(builders.superuser()), firm.account).json()


def test_a_strangers_administrator_learns_nothing_of_the_account(firm: Firm, stranger: Firm) -> None:
    client = calling_as(stranger.admin)
    answers = [send(client, firm.account), send(client, firm.account, accountId=999_999)]
    assert [(answer.status_code, answer.content) for answer in answers] == [(404, b"Not found")] * 2
    assert nothing_happened()


def test_a_shared_with_company_may_not_unlock(firm: Firm, stranger: Firm) -> None:
    builders.share(firm.account, stranger.company)
    builders.lock(firm.account)
    answer = send(calling_as(stranger.admin), firm.account, "Normal")
    assert (answer.status_code, answer.content) == (401, b"Access is denied")
    assert AccountLock.objects.get().released_at is None


# What


@pytest.mark.parametrize("action", FACTS["enums"]["AdminAction"])
def test_every_action_is_accepted_and_stands(admin_client: APIClient, firm: Firm, action: str) -> None:
    before = timezone.now()
    answer = send(admin_client, firm.account, action).json()
    assert faults(answer, "AccountRiskStatusResponse") == []
    status = answer["accountRiskStatus"]
    assert (status["id"], status["adminAction"]) == (firm.account.pk, action)
    assert before.isoformat(timespec="seconds")[:19] <= status["adminTimestamp"][:19]
    assert admin_client.get(f"/v1/accountRiskStatus/item?id={firm.account.pk}").json() == status
    mode = admin_effect(AdminAction(action)).lock_mode
    assert [lock.mode for lock in AccountLock.objects.filter(released_at=None)] == ([] if mode is None else [mode])
    assert ("liquidateOnly" in status) is (mode is LockMode.LIQUIDATE_ONLY)


def test_the_enums_of_the_rules_are_the_providers(facts: dict[str, Any]) -> None:
    assert sorted(AdminAction) == facts["enums"]["AdminAction"]
    codes = set(facts["enums"]["AdminActionReasonCode"])
    assert set(AdminActionReasonCode) == codes | set(OLD_REASON_CODES)
    assert (next(iter(AdminAction)), list(AdminAction)[-1]) == ("Normal", "LiquidateImmediately")


@pytest.mark.parametrize("code", [*FACTS["enums"]["AdminActionReasonCode"], *OLD_REASON_CODES])
def test_every_reason_code_is_accepted_and_stored_as_sent(admin_client: APIClient, firm: Firm, code: str) -> None:
    reason = "Why" if code == "Other" else None
    answer = send(admin_client, firm.account, adminActionReasonCode=code, adminActionReason=reason)
    assert "accountRiskStatus" in answer.json()
    assert AdminActionRecord.objects.get().reason_code == code


def test_the_lock_is_in_force_when_the_answer_comes(admin_client: APIClient, firm: Firm) -> None:
    assert "orderId" in place_order(admin_client, firm.account)
    send(admin_client, firm.account, "LockTradingImmediately")
    assert place_order(admin_client, firm.account)["failureReason"] == "TradingLocked"
    send(admin_client, firm.account, "Normal")
    assert "orderId" in place_order(admin_client, firm.account)


def test_liquidate_only_lets_closing_orders_through_and_no_opening_ones(admin_client: APIClient, firm: Firm) -> None:
    builders.position(firm.account, net=1)
    send(admin_client, firm.account, "LiquidateOnlyModeImmediately")
    assert place_order(admin_client, firm.account, "Buy")["failureReason"] == "LiquidationOnly"
    assert "orderId" in place_order(admin_client, firm.account, "Sell")


def test_liquidate_locks_and_asks_for_one_run(admin_client: APIClient, firm: Firm) -> None:
    builders.position(firm.account, net=2)
    send(admin_client, firm.account, "LiquidateImmediately")
    assert LiquidationRun.objects.filter(account=firm.account).count() == 1
    assert place_order(admin_client, firm.account, "Sell")["failureReason"] == "TradingLocked"


def test_twenty_identical_calls_make_one_run_one_lock_and_one_record(admin_client: APIClient, firm: Firm) -> None:
    builders.position(firm.account, net=2)
    answers = [send(admin_client, firm.account, "LiquidateImmediately").json() for _ in range(20)]
    assert all(answer == answers[0] for answer in answers)
    assert LiquidationRun.objects.count() == AccountLock.objects.count() == AdminActionRecord.objects.count() == 1


def test_normal_while_a_liquidation_runs_is_refused_and_changes_nothing(admin_client: APIClient, firm: Firm) -> None:
    builders.position(firm.account, net=2)
    send(admin_client, firm.account, "LiquidateImmediately")
    entries = AuditEntry.objects.count()
    answer = send(admin_client, firm.account, "Normal")
    assert (answer.status_code, answer.json()) == (200, {"errorText": "Liquidation is in progress"})
    assert AuditEntry.objects.count() == entries
    assert place_order(admin_client, firm.account)["failureReason"] == "TradingLocked"


@pytest.mark.parametrize("action", ["Normal", "LockTradingImmediately", "LiquidateImmediately"])
def test_a_closed_account_is_refused(admin_client: APIClient, firm: Firm, action: str) -> None:
    structure.close_account(account_id=firm.account.pk, actor=builders.platform(), now=builders.NOW, reason="End")
    answer = send(admin_client, firm.account, action)
    assert (answer.status_code, answer.json()) == (200, {"errorText": "Account is closed"})
    assert nothing_happened()


def test_the_audit_names_the_caller_the_door_and_the_reason(admin_client: APIClient, firm: Firm) -> None:
    send(admin_client, firm.account, adminActionReason="Daily loss of 9,000")
    entries = AuditEntry.objects.filter(account=firm.account, user=firm.admin, door="API", address="127.0.0.1")
    assert "Daily loss of 9,000" in {entry.reason for entry in entries}


def test_numbers_come_as_text_and_unknown_fields_are_ignored(admin_client: APIClient, firm: Firm) -> None:
    fields = {"accountId": str(firm.account.pk), "adminActionReason": 42, "p-ticket": "abc", "surprise": [1]}
    assert "accountRiskStatus" in send(admin_client, firm.account, **fields).json()
    assert AdminActionRecord.objects.get().reason == "42"
