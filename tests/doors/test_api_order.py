"""The doors of orders: place and cancel."""

from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.api.order import LARGEST_QTY, ORDER_TYPES, SIDES, TIMES_IN_FORCE
from accounts.models import Order
from accounts.rules.locks import LockMode
from accounts.rules.orders import OrderStatus, OrderType
from accounts.rules.pretrade import FailureReason
from accounts.rules.roles import Role, Verb, role_may
from accounts.services import structure
from tests import builders
from tests.doors.conftest import FACTS, Firm, calling_as, faults

PLACE = "/v1/order/placeorder"
CANCEL = "/v1/order/cancelorder"


def order_body(firm: Firm, **fields: object) -> dict[str, object]:
    body = {"accountId": firm.account.pk, "action": "Buy", "symbol": "ESZ6", "orderQty": 1, "orderType": "Market"}
    return body | fields


def place(client: APIClient, firm: Firm, **fields: object) -> dict[str, Any]:
    answer = client.post(PLACE, order_body(firm, **fields), format="json")
    assert answer.status_code == 200, answer.content
    body: dict[str, Any] = answer.json()
    assert faults(body, "PlaceOrderResult") == []
    assert ("orderId" in body) is ("failureReason" not in body)
    return body


def failure(client: APIClient, firm: Firm, **fields: object) -> tuple[str, str]:
    body = place(client, firm, **fields)
    return body["failureReason"], body["failureText"]


def test_the_words_of_the_wire_are_the_providers(facts: dict[str, Any]) -> None:
    assert list(SIDES) == facts["enums"]["OrderAction"]
    assert list(ORDER_TYPES) == facts["enums"]["OrderType"]
    assert list(TIMES_IN_FORCE) == facts["enums"]["TimeInForce"]
    assert sorted(FailureReason) == facts["enums"]["FailureReason"]


def test_an_order_answers_with_its_id(admin_client: APIClient, firm: Firm) -> None:
    body = place(admin_client, firm, orderType="Limit", price=5900.25, clOrdId="mine", isAutomated=True, surprise=1)
    order = Order.objects.get()
    assert body == {"orderId": order.pk}
    assert (order.price, order.client_order_id, order.is_automated) == (
        Decimal("5900.25"),
        f"U{firm.account.pk}-mine",
        True,
    )
    assert (order.status, order.submitted_by) == (OrderStatus.PENDING_NEW, firm.admin)


@pytest.mark.parametrize("order_type", FACTS["enums"]["OrderType"])
@pytest.mark.parametrize("time_in_force", [None, *FACTS["enums"]["TimeInForce"]])
def test_every_type_and_time_is_placed_or_said_to_be_unsupported(
    admin_client: APIClient, firm: Firm, order_type: str, time_in_force: str | None
) -> None:
    body = place(admin_client, firm, orderType=order_type, timeInForce=time_in_force, price=5900, stopPrice="5950.5")
    if ORDER_TYPES[order_type] is None or (time_in_force == "GTD"):
        assert body["failureReason"] == "Unsupported"
        assert "is not supported" in body["failureText"]
        return
    order = Order.objects.get(pk=body["orderId"])
    assert (order.type, order.time_in_force) == (ORDER_TYPES[order_type], TIMES_IN_FORCE[time_in_force or "Day"])
    assert (order.price is not None) is (order.type in {OrderType.LIMIT, OrderType.STOP_LIMIT})
    assert (order.stop_price is not None) is (order.type in {OrderType.STOP, OrderType.STOP_LIMIT})


@pytest.mark.parametrize("fields", [{"maxShow": 1}, {"activationTime": "2026-11-21T15:00:00.000Z"}])
def test_a_field_that_would_change_the_order_is_not_ignored(
    admin_client: APIClient, firm: Firm, fields: dict[str, object]
) -> None:
    assert failure(admin_client, firm, **fields)[0] == "Unsupported"
    assert "orderId" in place(admin_client, firm, **dict.fromkeys(fields))


@pytest.mark.parametrize(
    ("fields", "reason", "text"),
    [
        ({"accountId": 0}, "UnknownReason", "Account Id should be greater than 0"),
        ({"accountId": "x"}, "UnknownReason", "Account Id should be greater than 0"),
        ({"accountId": None}, "UnknownReason", "Account Id should be specified"),
        ({"action": "Hold"}, "UnknownReason", "Action should be between Buy and Sell"),
        ({"action": None}, "UnknownReason", "Action should be between Buy and Sell"),
        ({"symbol": ""}, "UnknownReason", "Symbol should be specified"),
        ({"symbol": None}, "UnknownReason", "Symbol should be specified"),
        ({"symbol": "XXZ9"}, "InvalidContract", "Unknown contract XXZ9."),
        ({"orderQty": None}, "UnknownReason", "Order Qty should be specified"),
        ({"orderQty": 1.5}, "UnknownReason", "Order Qty should be specified"),
        ({"orderQty": 0}, "UnknownReason", "Order Qty should be greater than 0"),
        ({"orderQty": -1}, "UnknownReason", "Order Qty should be greater than 0"),
        ({"orderQty": LARGEST_QTY + 1}, "UnknownReason", "Order Qty should be less than 2147483648"),
        ({"orderType": "Best"}, "UnknownReason", "Order Type should be between Limit and TrailingStopLimit"),
        ({"orderType": None}, "UnknownReason", "Order Type should be between Limit and TrailingStopLimit"),
        ({"timeInForce": "Never"}, "UnknownReason", "Time In Force should be between Day and IOC"),
        ({"orderType": "Limit"}, "InvalidPrice", "Price should be specified"),
        ({"orderType": "Limit", "price": "x"}, "InvalidPrice", "Price should be specified"),
        ({"orderType": "Limit", "price": 10**9}, "InvalidPrice", "Price should be less than 1000000000"),
        ({"orderType": "Limit", "price": -(10**9)}, "InvalidPrice", "Price should be less than 1000000000"),
        ({"orderType": "Limit", "price": "1e-10"}, "InvalidPrice", "Price has more than 9 decimals"),
        ({"orderType": "Stop"}, "InvalidPrice", "Stop Price should be specified"),
        ({"clOrdId": "x" * 65}, "UnknownReason", "Cl Ord Id should be no longer than 64"),
    ],
)
def test_every_fault_has_a_reason_and_a_text(
    admin_client: APIClient, firm: Firm, fields: dict[str, object], reason: str, text: str
) -> None:
    assert failure(admin_client, firm, **fields) == (reason, text)
    assert not Order.objects.exists()


def test_a_price_off_the_tick_is_invalid(admin_client: APIClient, firm: Firm) -> None:
    assert failure(admin_client, firm, orderType="Limit", price=5900.1)[0] == "InvalidPrice"
    assert failure(admin_client, firm, orderType="Stop", stopPrice=5900.1)[0] == "InvalidPrice"


def test_the_price_of_a_market_order_is_not_looked_at(admin_client: APIClient, firm: Firm) -> None:
    assert "orderId" in place(admin_client, firm, price="nonsense")


@pytest.mark.parametrize("length", [63, 64])
def test_a_client_order_id_may_have_64_characters(admin_client: APIClient, firm: Firm, length: int) -> None:
    assert "orderId" in place(admin_client, firm, clOrdId="x" * length)


def test_numbers_may_come_as_text_and_text_as_numbers(admin_client: APIClient, firm: Firm) -> None:
    fields = {"accountId": str(firm.account.pk), "orderQty": "2", "clOrdId": 77, "isAutomated": "true"}
    place(admin_client, firm, orderType="Limit", price="5900.25", **fields)
    order = Order.objects.get()
    assert (order.qty, order.client_order_id, order.is_automated) == (2, f"U{firm.account.pk}-77", True)


def test_a_form_is_taken_too(admin_client: APIClient, firm: Firm) -> None:
    assert "orderId" in admin_client.post(PLACE, order_body(firm), format="multipart").json()


def test_a_repeated_client_order_id_makes_one_order(admin_client: APIClient, firm: Firm) -> None:
    answers = [place(admin_client, firm, clOrdId="once") for _ in range(3)]
    assert answers == [{"orderId": Order.objects.get().pk}] * 3


def test_a_client_order_id_of_another_account_is_no_obstacle(admin_client: APIClient, firm: Firm) -> None:
    place(admin_client, firm, clOrdId="once")
    second = builders.account(firm.company)
    assert "orderId" in place(admin_client, firm, clOrdId="once", accountId=second.pk)


# Which account


def test_the_account_may_be_named_and_an_id_wins(admin_client: APIClient, firm: Firm) -> None:
    second = builders.account(firm.company, "A-2")
    place(admin_client, firm, accountId=None, accountSpec="A-2")
    place(admin_client, firm, accountSpec="A-2")
    assert [order.account for order in Order.objects.all()] == [second, firm.account]


def test_the_callers_own_account_comes_before_a_shared_one_of_the_same_name(firm: Firm, stranger: Firm) -> None:
    builders.share(firm.account, stranger.company)
    own = builders.account(stranger.company, firm.account.name)
    place(calling_as(stranger.admin), firm, accountId=None, accountSpec=firm.account.name)
    assert Order.objects.get().account == own


def test_a_name_that_means_two_accounts_means_none(firm: Firm, stranger: Firm) -> None:
    builders.account(stranger.company, firm.account.name)
    body = order_body(firm, accountId=None, accountSpec=firm.account.name)
    assert calling_as(builders.superuser()).post(PLACE, body, format="json").status_code == 404


@pytest.mark.parametrize("fields", [{}, {"accountId": None, "accountSpec": "A-1"}, {"accountId": 2**63}])
def test_another_companys_account_is_404(firm: Firm, stranger: Firm, fields: dict[str, object]) -> None:
    answer = calling_as(stranger.admin).post(PLACE, order_body(firm, **fields), format="json")
    assert (answer.status_code, answer.content) == (404, b"Not found")
    assert not Order.objects.exists()


@pytest.mark.parametrize("role", list(Role))
def test_every_role_places_and_cancels_what_it_may_and_is_401_before_the_body_otherwise(firm: Firm, role: Role) -> None:
    user = builders.user(firm.company, role=role)
    structure.assign_user(account_id=firm.account.pk, user=user, actor=builders.platform(), now=builders.NOW)
    client, order = calling_as(user), builders.working_order(firm.account)
    for path, verb, body in (
        (PLACE, Verb.PLACE_ORDER, order_body(firm)),
        (CANCEL, Verb.CANCEL_ORDER, {"orderId": order.pk}),
    ):
        answer = client.post(path, body, format="json")
        faulty = client.generic("POST", path, b"{", content_type="application/json")
        if role_may(role, verb):
            assert {"orderId", "commandId"} & set(answer.json())
            assert faulty.status_code == 400
        else:
            assert (answer.status_code, answer.content) == (401, b"Access is denied")
            assert faulty.status_code == 401


@pytest.mark.parametrize("path", [PLACE, CANCEL])
def test_nobody_is_401(firm: Firm, path: str) -> None:
    assert calling_as(None).post(path, order_body(firm), format="json").status_code == 401


# Denials


@pytest.mark.parametrize("is_ancestor", [False, True])
@pytest.mark.parametrize(
    ("mode", "reason"), [(LockMode.LOCKED, "TradingLocked"), (LockMode.LIQUIDATE_ONLY, "LiquidationOnly")]
)
def test_a_locked_account_denies_without_naming_an_order(
    admin_client: APIClient, firm: Firm, mode: LockMode, reason: str, is_ancestor: bool
) -> None:
    account = builders.account(firm.company, parent=firm.account) if is_ancestor else firm.account
    builders.lock(firm.account, mode=mode)
    found, text = failure(admin_client, firm, accountId=account.pk)
    assert found == reason
    assert firm.account.name in text
    assert Order.objects.get().status == OrderStatus.DENIED


def test_a_closed_account_denies(admin_client: APIClient, firm: Firm) -> None:
    structure.close_account(account_id=firm.account.pk, actor=builders.platform(), now=builders.NOW, reason="End")
    assert failure(admin_client, firm)[0] == "AccountClosed"


def test_an_account_without_a_limit_denies_new_risk(admin_client: APIClient, firm: Firm) -> None:
    account = builders.account(firm.company, credit={"check_credit": True})
    assert failure(admin_client, firm, accountId=account.pk)[0] == "MaxPosLimitMisconfigured"


# Cancels


def cancel(client: APIClient, order_id: object) -> dict[str, Any]:
    answer: dict[str, Any] = client.post(CANCEL, {"orderId": order_id}, format="json").json()
    assert faults(answer, "CommandResult") == []
    return answer


def test_a_cancel_answers_with_its_command_and_may_be_repeated(admin_client: APIClient, firm: Firm) -> None:
    order = builders.working_order(firm.account)
    assert cancel(admin_client, order.pk) == cancel(admin_client, str(order.pk)) == {"commandId": order.pk}
    order.refresh_from_db()
    assert order.status == OrderStatus.PENDING_CANCEL


def test_an_order_of_a_locked_account_can_be_canceled(admin_client: APIClient, firm: Firm) -> None:
    order = builders.working_order(firm.account)
    builders.lock(firm.account)
    assert "commandId" in cancel(admin_client, order.pk)


def test_an_order_that_has_ended_is_too_late_to_cancel(admin_client: APIClient, firm: Firm) -> None:
    order = builders.working_order(firm.account)
    Order.objects.filter(pk=order.pk).update(status=OrderStatus.FILLED, filled_qty=order.qty)
    answer = cancel(admin_client, order.pk)
    assert answer == {"failureReason": "TooLate", "failureText": "The order is filled already."}


@pytest.mark.parametrize("order_id", [0, -1, None, "x", True])
def test_a_cancel_needs_an_order_id(admin_client: APIClient, order_id: object) -> None:
    answer = cancel(admin_client, order_id)
    assert answer == {"failureReason": "UnknownReason", "failureText": "Order Id should be greater than 0"}


@pytest.mark.parametrize("order_id", [999_999, 2**63])
def test_an_order_that_is_not_there_is_404(admin_client: APIClient, order_id: int) -> None:
    answer = admin_client.post(CANCEL, {"orderId": order_id}, format="json")
    assert (answer.status_code, answer.content) == (404, b"Not found")


def test_another_companys_order_is_404(firm: Firm, stranger: Firm) -> None:
    order = builders.working_order(firm.account)
    answer = calling_as(stranger.admin).post(CANCEL, {"orderId": order.pk}, format="json")
    assert (answer.status_code, answer.content) == (404, b"Not found")
    order.refresh_from_db()
    assert order.status == OrderStatus.WORKING
