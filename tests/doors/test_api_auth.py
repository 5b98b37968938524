"""The doors of sessions: tokens are given, renewed, counted and refused."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.errors import NotPermitted
from accounts.models import ApiToken, AuditEntry
from accounts.rules.audit import AuditAction
from accounts.services.tokens import TOKEN_LIFE, issue_token, renew_token, revoke_token, user_of_token
from tests import builders
from tests.doors.conftest import Firm, calling_as, faults, token_of

LOGIN = "/v1/auth/accesstokenrequest"
RENEW = "/v1/auth/renewaccesstoken"
WRONG_LOGIN = "Incorrect username or password. Please try again, noting that passwords are case-sensitive."


def credentials(firm: Firm, **fields: object) -> dict[str, object]:
    return {"name": firm.admin.username, "password": builders.PASSWORD} | fields


def test_a_right_login_answers_with_a_token_that_works(firm: Firm) -> None:
    client = APIClient()
    answer = client.post(LOGIN, credentials(firm), format="json")
    body = answer.json()
    assert answer.status_code == 200
    assert faults(body, "AccessTokenResponse", extra=frozenset({"mdAccessToken"})) == []
    assert body["accessToken"].startswith("rt_")
    assert body["mdAccessToken"]
    assert (body["userStatus"], body["userId"], body["name"]) == ("Active", firm.admin.pk, firm.admin.username)
    assert body["hasLive"] is False
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {body['accessToken']}")
    assert client.get("/v1/account/list").status_code == 200


def test_a_token_lives_eighty_minutes(firm: Firm) -> None:
    now = builders.NOW
    issued = issue_token(username=firm.admin.username, password=builders.PASSWORD, now=now)
    assert issued.expires_at - now == timedelta(minutes=80)
    just = timedelta(microseconds=1)
    assert user_of_token(issued.token, now + TOKEN_LIFE - just) == firm.admin
    assert user_of_token(issued.token, now + TOKEN_LIFE) is None
    assert user_of_token(issued.token, now + TOKEN_LIFE + just) is None


def test_the_database_keeps_only_the_digest(firm: Firm) -> None:
    token = token_of(firm.admin)
    row = ApiToken.objects.get()
    assert len(row.digest) == 64
    assert token not in str(vars(row))


def test_a_login_is_recorded(firm: Firm) -> None:
    token_of(firm.admin)
    entry = AuditEntry.objects.get(action=AuditAction.USER_LOGGED_IN)
    assert (entry.user, entry.door, entry.company) == (firm.admin, "API", firm.company)


@pytest.mark.parametrize("cid", [8, "8", 8.0, None])
@pytest.mark.parametrize("kind", ["json", "multipart", "form"])
def test_a_login_is_taken_as_json_and_as_form_with_any_client_id(firm: Firm, kind: str, cid: object) -> None:
    fields = credentials(firm, appId="Sample", appVersion="1.0", deviceId="d", sec="s", hibpCheck=True, surprise=1)
    fields |= {} if cid is None else {"cid": cid}
    client = APIClient()
    if kind == "form":
        encoded = "&".join(f"{name}={str(value).replace(' ', '+')}" for name, value in fields.items())
        answer = client.post(LOGIN, encoded, content_type="application/x-www-form-urlencoded")
    else:
        answer = client.post(LOGIN, fields, format=kind)
    assert "accessToken" in answer.json()


@pytest.mark.parametrize(
    "change",
    [
        {"password": "wrong"},
        {"password": builders.PASSWORD.upper()},
        {"name": "nobody"},
        {"name": ""},
        {"password": None},
        {"password": 5},
    ],
)
def test_a_wrong_login_answers_200_with_the_providers_sentence(firm: Firm, change: dict[str, object]) -> None:
    answer = APIClient().post(LOGIN, credentials(firm) | change, format="json")
    assert (answer.status_code, answer.json()) == (200, {"errorText": WRONG_LOGIN})
    assert not ApiToken.objects.exists()


def test_an_inactive_user_gets_no_token_and_loses_the_standing_one(firm: Firm) -> None:
    client = calling_as(firm.admin)
    firm.admin.is_active = False
    firm.admin.save()
    answer = client.get("/v1/account/list")
    assert (answer.status_code, answer.content) == (401, b"Access is denied")
    assert APIClient().post(LOGIN, credentials(firm), format="json").json() == {"errorText": WRONG_LOGIN}


def test_a_stale_token_in_the_header_does_not_hinder_a_login(firm: Firm) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION="Bearer rt_stale")
    assert "accessToken" in client.post(LOGIN, credentials(firm), format="json").json()


def test_a_third_session_closes_the_oldest_and_no_other(firm: Firm, stranger: Firm) -> None:
    other = calling_as(stranger.admin)
    sessions = [calling_as(firm.admin) for _ in range(3)]
    statuses = [client.get("/v1/account/list").status_code for client in sessions]
    assert statuses == [401, 200, 200]
    assert other.get("/v1/account/list").status_code == 200


def test_an_expired_session_does_not_count_as_one_of_the_two(firm: Firm) -> None:
    old = timezone.now() - 2 * TOKEN_LIFE
    issue_token(username=firm.admin.username, password=builders.PASSWORD, now=old)
    sessions = [calling_as(firm.admin) for _ in range(2)]
    assert [client.get("/v1/account/list").status_code for client in sessions] == [200, 200]


@pytest.mark.parametrize("method", ["get", "post"])
def test_renewing_extends_the_same_session(firm: Firm, method: str) -> None:
    now = timezone.now()
    issued = issue_token(username=firm.admin.username, password=builders.PASSWORD, now=now - timedelta(minutes=70))
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {issued.token}")
    body = getattr(client, method)(RENEW).json()
    assert faults(body, "AccessTokenResponse", extra=frozenset({"mdAccessToken"})) == []
    assert body["accessToken"] == issued.token
    assert ApiToken.objects.get().expires_at >= now + TOKEN_LIFE


def test_an_ended_session_cannot_be_renewed(firm: Firm) -> None:
    now = builders.NOW
    issued = issue_token(username=firm.admin.username, password=builders.PASSWORD, now=now)
    with pytest.raises(NotPermitted):
        renew_token(token=issued.token, now=now + TOKEN_LIFE)
    assert revoke_token(token=issued.token, now=now)
    assert not revoke_token(token=issued.token, now=now)
    with pytest.raises(NotPermitted):
        renew_token(token=issued.token, now=now)
    assert APIClient().get(RENEW).status_code == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_read_in_any_case(firm: Firm, scheme: str) -> None:
    client = Client(headers={"Authorization": f"{scheme} {token_of(firm.admin)}"})
    assert client.get("/v1/account/list").status_code == 200


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer rt_unknown", "Basic dTpw", "Token x", "rt_unknown"]
)
def test_anything_else_than_a_living_token_is_denied_in_plain_text(firm: Firm, header: str) -> None:
    answer = Client(headers={"Authorization": header}).get("/v1/account/list")
    assert (answer.status_code, answer.content) == (401, b"Access is denied")
    assert answer["Content-Type"].startswith("text/plain")
    assert answer["WWW-Authenticate"] == "Bearer"


def test_a_browser_session_is_no_token(firm: Firm) -> None:
    client = Client()
    client.force_login(firm.admin)
    assert client.get("/v1/account/list").status_code == 401
