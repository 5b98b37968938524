"""The reads of `accountRiskStatus`: what a status shows, to whom, and at what cost."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Account, AccountSession, AdminActionRecord
from accounts.rules.locks import AdminAction, LockCause, LockMode
from tests import builders
from tests.doors.conftest import Firm, calling_as, faults

LIST = "/v1/accountRiskStatus/list"
LIQUIDATE_ONLY = LockMode.LIQUIDATE_ONLY


def status_of(client: APIClient, account: Account) -> dict[str, Any]:
    answer: dict[str, Any] = client.get(f"/v1/accountRiskStatus/item?id={account.pk}").json()
    assert faults(answer, "AccountRiskStatus") == []
    return answer


def set_session(account: Account, **figures: str) -> None:
    AccountSession.objects.filter(account=account).update(**{name: Decimal(value) for name, value in figures.items()})


def record(account: Account, action: AdminAction, *, seconds_ago: float, holds: float | None = None) -> None:
    set_at = timezone.now() - timedelta(seconds=seconds_ago)
    AdminActionRecord.objects.create(
        account=account,
        action=action,
        reason_code="Other",
        set_at=set_at,
        expires_at=None if holds is None else set_at + timedelta(seconds=holds),
    )


def test_an_account_that_was_never_touched_shows_its_id_alone(admin_client: APIClient, firm: Firm) -> None:
    assert status_of(admin_client, firm.account) == {"id": firm.account.pk}


def test_the_newest_action_stands(admin_client: APIClient, firm: Firm) -> None:
    record(firm.account, AdminAction.LOCK_TRADING_IMMEDIATELY, seconds_ago=20)
    record(firm.account, AdminAction.NORMAL, seconds_ago=10)
    assert status_of(admin_client, firm.account)["adminAction"] == "Normal"


@pytest.mark.parametrize(("seconds_ago", "expected"), [(50, "PlaceAutoLiqOnHold"), (61, "Normal")])
def test_a_hold_that_has_run_out_reads_normal_since_its_end(
    admin_client: APIClient, firm: Firm, seconds_ago: float, expected: str
) -> None:
    record(firm.account, AdminAction.PLACE_AUTO_LIQ_ON_HOLD, seconds_ago=seconds_ago, holds=60)
    row = AdminActionRecord.objects.get()
    status = status_of(admin_client, firm.account)
    assert status["adminAction"] == expected
    since = row.expires_at if expected == "Normal" else row.set_at
    assert status["adminTimestamp"][:19] == f"{since:%Y-%m-%dT%H:%M:%S}"


def test_liquidate_only_is_the_time_since_when_and_counts_the_accounts_above(
    admin_client: APIClient, firm: Firm
) -> None:
    child = builders.account(firm.company, "A-1-1", parent=firm.account)
    builders.lock(firm.account, mode=LIQUIDATE_ONLY)
    for account in (firm.account, child):
        assert status_of(admin_client, account)["liquidateOnly"] == "2026-11-20T15:00:00.000Z"
    builders.lock(child, mode=LockMode.LOCKED)
    assert "liquidateOnly" not in status_of(admin_client, child)
    assert "liquidateOnly" in status_of(admin_client, firm.account)


@pytest.mark.parametrize("cause", list(LockCause))
def test_liquidate_only_by_the_users_own_limits_is_said_so(
    admin_client: APIClient, firm: Firm, cause: LockCause
) -> None:
    builders.lock(firm.account, cause=cause, mode=LIQUIDATE_ONLY)
    status = status_of(admin_client, firm.account)
    assert status.get("userTriggeredLiqOnly") is (True if cause is LockCause.AUTO_LIQ else None)


def test_a_full_lock_is_not_liquidate_only(admin_client: APIClient, firm: Firm) -> None:
    builders.lock(firm.account, cause=LockCause.AUTO_LIQ, mode=LockMode.LOCKED)
    assert "liquidateOnly" not in status_of(admin_client, firm.account)


@pytest.mark.parametrize(
    ("cause", "mode", "action"),
    [
        (LockCause.AUTO_LIQ, LockMode.LOCKED, "LiquidateImmediately"),
        (LockCause.CREDIT_LOSS, LockMode.LOCKED, "LockTradingImmediately"),
        (LockCause.LOCKOUT, LockMode.LOCKED, "LockTradingImmediately"),
        (LockCause.AUTO_LIQ, LockMode.LIQUIDATE_ONLY, "LiquidateOnlyModeImmediately"),
    ],
)
@pytest.mark.parametrize("is_inherited", [False, True])
def test_a_client_sees_that_an_account_is_locked_whoever_locked_it(
    admin_client: APIClient, firm: Firm, cause: LockCause, mode: LockMode, action: str, is_inherited: bool
) -> None:
    account = builders.account(firm.company, parent=firm.account) if is_inherited else firm.account
    builders.lock(firm.account, cause=cause, mode=mode)
    found = status_of(admin_client, account)
    assert (found["adminAction"], found["adminTimestamp"]) == (action, "2026-11-20T15:00:00.000Z")


def test_the_floor_trails_the_peak(admin_client: APIClient, firm: Firm) -> None:
    account = builders.account(firm.company, auto_liq={"trailing_max_drawdown": Decimal(2500)})
    assert status_of(admin_client, account) == {"id": account.pk}
    set_session(account, max_net_liq="101000.25")
    expected = {"id": account.pk, "maxNetLiq": 101000.25, "minNetLiq": 98500.25}
    assert status_of(admin_client, account) == expected


def test_without_a_trailing_drawdown_there_is_no_floor(admin_client: APIClient, firm: Firm) -> None:
    set_session(firm.account, max_net_liq="101000")
    assert status_of(admin_client, firm.account) == {"id": firm.account.pk, "maxNetLiq": 101000.0}


@pytest.mark.parametrize(
    ("limits", "session", "floor"),
    [
        ({}, {"base": "100000"}, 97500),
        ({}, {"base": "100000", "max_net_liq": "99000"}, 97500),
        ({}, {"base": "100000", "max_net_liq": "102499"}, 99999),
        ({}, {"base": "100000", "max_net_liq": "102500"}, 100000),
        ({}, {"base": "100000", "max_net_liq": "102501"}, 100000),
        ({}, {"base": "100000", "original_balance": "100100", "max_net_liq": "105000"}, 100100),
        ({"trailing_max_drawdown_limit": Decimal(99000)}, {"base": "100000", "max_net_liq": "105000"}, 99000),
    ],
)
def test_the_floor_starts_with_the_session_and_stops_at_its_cap(
    admin_client: APIClient, firm: Firm, limits: dict[str, Decimal], session: dict[str, str], floor: float
) -> None:
    account = builders.account(firm.company, auto_liq={"trailing_max_drawdown": Decimal(2500)} | limits)
    set_session(account, **session)
    assert status_of(admin_client, account)["minNetLiq"] == floor


def test_every_read_answers_for_its_accounts(admin_client: APIClient, firm: Firm) -> None:
    second = builders.account(firm.company, "A-2")
    ids = [firm.account.pk, second.pk]
    reads = {
        "list": ids,
        f"items?ids={ids[0]},{ids[1]}": ids,
        f"items?ids={ids[1]}%2C{ids[0]},999999": ids,
        f"items?ids={ids[0]}&ids={ids[1]}": ids,
        f"deps?masterid={ids[1]}": ids[1:],
        "deps?masterid=999999": [],
        f"ldeps?masterids={ids[0]},{ids[1]}": ids,
        f"ldeps?masterids={ids[0]}": ids[:1],
    }
    for read, expected in reads.items():
        answer = admin_client.get(f"/v1/accountRiskStatus/{read}")
        assert [status["id"] for status in answer.json()] == expected, read


def test_a_stranger_sees_only_its_own_and_what_is_shared_with_it(firm: Firm, stranger: Firm) -> None:
    client = calling_as(stranger.admin)
    assert [status["id"] for status in client.get(LIST).json()] == [stranger.account.pk]
    assert client.get(f"/v1/accountRiskStatus/item?id={firm.account.pk}").status_code == 404
    for read in (
        f"items?ids={firm.account.pk}",
        f"deps?masterid={firm.account.pk}",
        f"ldeps?masterids={firm.account.pk}",
    ):
        assert client.get(f"/v1/accountRiskStatus/{read}").json() == []
    builders.share(firm.account, stranger.company)
    assert {status["id"] for status in client.get(LIST).json()} == {firm.account.pk, stranger.account.pk}


def test_a_trader_sees_the_assigned_accounts(firm: Firm) -> None:
    builders.account(firm.company, "A-2")
    trader = builders.trader(firm.company, firm.account)
    assert [status["id"] for status in calling_as(trader).get(LIST).json()] == [firm.account.pk]


@pytest.mark.parametrize("path", [LIST, "/v1/account/list", "/v1/position/list"])
def test_a_list_takes_the_same_number_of_queries_for_any_number_of_accounts(
    admin_client: APIClient, firm: Firm, path: str
) -> None:
    def grow() -> None:
        account = builders.account(firm.company, parent=firm.account)
        builders.position(account)
        builders.trader(firm.company, account)
        builders.lock(account, mode=LIQUIDATE_ONLY)
        record(account, AdminAction.LOCK_TRADING_IMMEDIATELY, seconds_ago=1)

    grow()
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            assert admin_client.get(path).status_code == 200
        counts.append(len(queries))
        for _ in range(5):
            grow()
    assert counts[0] == counts[1] <= 4
