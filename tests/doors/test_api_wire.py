"""What holds for every operation: paths, ids, bodies, numbers, times and errors."""

import logging
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework import exceptions
from rest_framework.test import APIClient

from accounts.api.requests import LARGEST_ID
from accounts.api.views import EntityView, WireView
from accounts.api.wire import WireRenderer, exception_handler, present, timestamp
from accounts.errors import (
    AccountClosed,
    Conflict,
    InvalidValue,
    LiquidationInProgress,
    NotFound,
    NotPermitted,
    RiskError,
)
from accounts.rules.roles import Role
from tests import builders
from tests.doors.conftest import Firm, calling_as

NAIVE = builders.NOW.replace(tzinfo=None)
SET_ACTION = "/v1/accountRiskStatus/setadminautoliqaction"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/account/list",
        "/v1/account/list/",
        "/v1/Account/List",
        "/v1/ACCOUNT/LIST/",
        "/v1/accountriskstatus/list",
        "/v1/accountRiskStatus/LIST",
        "/v1/AccountRiskStatus/list/",
        "/v1/position/list?format=xml",
    ],
)
def test_a_path_is_read_in_any_case_with_or_without_a_slash(admin_client: APIClient, path: str) -> None:
    assert admin_client.get(path).status_code == 200


@pytest.mark.parametrize("segment", ["setadminautoliqaction", "setAdminAutoLiqAction", "SETADMINAUTOLIQACTION/"])
def test_operations_are_read_in_any_case(admin_client: APIClient, segment: str) -> None:
    answer = admin_client.post(f"/v1/accountRiskStatus/{segment}", {}, format="json")
    assert answer.json() == {"errorText": "Account Id should be greater than 0"}


@pytest.mark.parametrize(
    "path", ["/v1/", "/v1/account", "/v1/account/find", "/v1/nothing/at/all", "/v1/account/list/x"]
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_path_that_is_no_operation_is_404_in_plain_text(firm: Firm, path: str, method: str) -> None:
    answer = getattr(APIClient(enforce_csrf_checks=True), method)(path)
    assert (answer.status_code, answer.content) == (404, b"Not found")
    assert answer["Content-Type"].startswith("text/plain")


def test_a_method_that_is_not_served_is_405(admin_client: APIClient) -> None:
    answer = admin_client.post("/v1/account/list")
    assert answer.status_code == 405
    assert "GET" in answer["Allow"]


@pytest.mark.parametrize("accept", ["*/*", "text/html", "application/xml", ""])
def test_the_answer_is_json_whatever_the_client_accepts(admin_client: APIClient, accept: str) -> None:
    answer = admin_client.get("/v1/account/list", headers={"Accept": accept})
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-8", "text/plain", "APPLICATION/JSON"]
)
def test_a_body_of_no_known_kind_is_read_as_json(admin_client: APIClient, kind: str) -> None:
    answer = admin_client.generic("POST", SET_ACTION, b'{"accountId": 0}', content_type=kind)
    assert answer.json() == {"errorText": "Account Id should be greater than 0"}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nonsense",
        b'{"accountId": NaN}',
        b"[1, 2]",
        b"3",
        b"null",
        b"[" * 100_000,
        b'{"accountId": 1e99999999999999999999}',
        b"\xff\xfe{}",
        b'{"x": ' + b"9" * 5000 + b"}",
    ],
)
def test_a_malformed_body_is_400(admin_client: APIClient, body: bytes) -> None:
    answer = admin_client.generic("POST", SET_ACTION, body, content_type="application/json")
    assert answer.status_code == 400
    assert answer["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize("above", [0, 1])
def test_a_body_may_be_as_large_as_the_settings_allow(admin_client: APIClient, settings: Any, above: int) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    body = b"{" + b" " * (998 + above) + b"}"
    answer = admin_client.generic("POST", SET_ACTION, body, content_type="application/json")
    assert answer.status_code == (400 if above else 200)


@pytest.mark.parametrize("path", ["account/item", "accountRiskStatus/item", "position/item"])
@pytest.mark.parametrize("query", ["", "id=", "id=x", "id=1.5", "id=1,2"])
def test_an_item_needs_an_id(admin_client: APIClient, path: str, query: str) -> None:
    assert admin_client.get(f"/v1/{path}?{query}").status_code == 400


@pytest.mark.parametrize("path", ["account/item", "accountRiskStatus/item", "position/item"])
@pytest.mark.parametrize("wanted", ["0", "-1", "999999", str(LARGEST_ID), str(LARGEST_ID + 1), "9" * 30])
def test_an_item_that_is_not_there_is_404(admin_client: APIClient, path: str, wanted: str) -> None:
    answer = admin_client.get(f"/v1/{path}?id={wanted}")
    assert (answer.status_code, answer.content) == (404, b"Not found")


@pytest.mark.parametrize(
    ("microsecond", "written"), [(0, "000"), (999, "000"), (1000, "001"), (588_999, "588"), (999_999, "999")]
)
def test_times_have_three_fractional_digits_and_are_never_rounded_up(microsecond: int, written: str) -> None:
    assert timestamp(datetime(2017, 4, 13, 4, 59, 6, microsecond, tzinfo=UTC)) == f"2017-04-13T04:59:06.{written}Z"


@given(st.datetimes(NAIVE.replace(year=2), NAIVE.replace(year=9998), timezones=st.just(timezone(timedelta(hours=-5)))))
def test_times_of_any_zone_are_written_in_utc(moment: datetime) -> None:
    written = timestamp(moment)
    assert len(written) == 24
    assert timedelta(0) <= moment - datetime.fromisoformat(written) < timedelta(milliseconds=1)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no zone"):
        timestamp(NAIVE)


def test_decimals_are_numbers_and_nothing_unknown_is_guessed() -> None:
    renderer = WireRenderer()
    assert renderer.render({"a": Decimal("98500.25"), "b": Role.TRADER}) == b'{"a":98500.25,"b":"TRADER"}'
    assert renderer.render(None) == b""
    with pytest.raises(TypeError):
        renderer.render({"a": object()})


def test_unset_fields_are_left_out() -> None:
    assert present(a=None, b=0, c=False, d="") == {"b": 0, "c": False, "d": ""}


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (NotFound("x"), 404, b"Not found"),
        (exceptions.NotFound(), 404, b"Not found"),
        (NotPermitted("who and why"), 401, b"Access is denied"),
        (exceptions.PermissionDenied(), 401, b"Access is denied"),
        (exceptions.NotAuthenticated(), 401, b"Access is denied"),
        (exceptions.AuthenticationFailed(), 401, b"Access is denied"),
        (exceptions.ParseError("Malformed JSON"), 400, b"Malformed JSON"),
    ],
)
def test_errors_of_http_are_plain_text(error: Exception, status: int, body: bytes) -> None:
    answer = exception_handler(error, {})
    assert answer is not None
    assert (answer.status_code, answer.content) == (status, body)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (AccountClosed("Account A-1 is closed."), "Account is closed"),
        (LiquidationInProgress("Run 7"), "Liquidation is in progress"),
        (InvalidValue("Price should be specified"), "Price should be specified"),
        (Conflict("It holds a position."), "It holds a position."),
        (RiskError("Refused"), "Refused"),
    ],
)
def test_business_refusals_are_200_with_error_text(error: RiskError, text: str) -> None:
    answer = exception_handler(error, {})
    assert answer is not None
    assert (answer.status_code, answer.data) == (200, {"errorText": text})


def test_an_unknown_error_is_no_answer_of_ours() -> None:
    assert exception_handler(ZeroDivisionError(), {}) is None


def test_an_unknown_error_is_500_and_logged(
    firm: Firm, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_view: object, _rows: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr("accounts.api.account.AccountView.shown", fail)
    with caplog.at_level(logging.ERROR):
        answer = calling_as(firm.admin).get("/v1/account/list")
    assert answer.status_code == 500
    assert b"secret" not in answer.content
    assert "ZeroDivisionError" in caplog.text


def test_an_entity_says_what_is_visible_and_how_it_is_shown() -> None:
    with pytest.raises(NotImplementedError):
        EntityView().visible()
    with pytest.raises(NotImplementedError):
        EntityView().shown([])


def test_a_view_without_a_caller_refuses(rf: Any) -> None:
    view = WireView()
    view.request = view.initialize_request(rf.get("/"))
    with pytest.raises(NotPermitted):
        _ = view.user


@pytest.mark.parametrize("role", list(Role))
def test_every_role_reads_what_it_may_see(firm: Firm, role: Role) -> None:
    user = builders.user(firm.company, role=role)
    shown = calling_as(user).get("/v1/account/list").json()
    expected = [] if role in {Role.TRADER, Role.ACCOUNT_ADMIN} else [firm.account.pk]  # those are assigned accounts
    assert [account["id"] for account in shown] == expected
