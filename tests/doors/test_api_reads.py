"""The reads of `account` and `position`."""

from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import Account, Position
from accounts.permissions import TASK
from accounts.rules.pnl import Side
from accounts.services import structure
from accounts.services.fills import record_fill
from tests import builders
from tests.doors.conftest import Firm, calling_as, faults


def fill(account: Account, side: Side, qty: int, price: str) -> None:
    record_fill(
        venue="simulated",
        execution_id=f"X-{side}-{qty}-{price}",
        account=account,
        instrument=builders.instrument("ESZ6"),
        side=side,
        qty=qty,
        price=Decimal(price),
        filled_at=builders.NOW,
        actor=TASK,
        now=builders.NOW,
    )


def only(answer: Any) -> dict[str, Any]:
    (entity,) = answer.json()
    assert isinstance(entity, dict)
    return entity


def test_an_account_has_every_required_field_of_both_shapes(admin_client: APIClient, firm: Firm) -> None:
    account = only(admin_client.get("/v1/account/list"))
    assert faults(account, "Account", extra=frozenset({"active"})) == []
    assert (account["id"], account["name"], account["autoLiqProfileId"]) == (firm.account.pk, "A-1", firm.account.pk)
    assert (account["active"], account["closed"]) == (True, False)
    assert account["timestamp"] == "2026-11-20T15:00:00.000Z"


def test_a_closed_account_is_not_active(admin_client: APIClient, firm: Firm) -> None:
    structure.close_account(account_id=firm.account.pk, actor=builders.platform(), now=builders.NOW, reason="End")
    account = only(admin_client.get("/v1/account/list"))
    assert (account["active"], account["closed"]) == (False, True)


def test_an_account_names_its_longest_standing_user(admin_client: APIClient, firm: Firm) -> None:
    assert only(admin_client.get("/v1/account/list"))["userId"] == 0
    trader = builders.trader(firm.company, firm.account)
    builders.trader(firm.company, firm.account)
    assert only(admin_client.get("/v1/account/list"))["userId"] == trader.pk


def test_items_and_item_of_accounts(admin_client: APIClient, firm: Firm, stranger: Firm) -> None:
    ids = f"{stranger.account.pk},{firm.account.pk},999999"
    account = only(admin_client.get(f"/v1/account/items?ids={ids}"))
    assert admin_client.get(f"/v1/account/item?id={firm.account.pk}").json() == account
    answer = admin_client.get(f"/v1/account/item?id={stranger.account.pk}")
    assert (answer.status_code, answer.content) == (404, b"Not found")


def test_a_shared_account_is_listed_once(firm: Firm, stranger: Firm) -> None:
    for other in (builders.company(), stranger.company):
        builders.share(firm.account, other)
    for admin in (firm.admin, stranger.admin):
        ids = [account["id"] for account in calling_as(admin).get("/v1/account/list").json()]
        assert ids.count(firm.account.pk) == 1


def test_a_position_shows_what_was_carried_and_what_was_done(admin_client: APIClient, firm: Firm) -> None:
    row = builders.position(firm.account, net=2, price="6000")
    fill(firm.account, Side.BUY, 1, "6003")
    fill(firm.account, Side.SELL, 2, "6010.25")
    position = only(admin_client.get("/v1/position/list"))
    assert faults(position, "Position") == []
    expected = {
        "id": row.pk,
        "accountId": firm.account.pk,
        "contractId": row.instrument_id,
        "netPos": 1,
        "netPrice": 6001.0,
        "bought": 1,
        "boughtValue": 6003.0,
        "sold": 2,
        "soldValue": 12020.5,
        "prevPos": 2,
        "prevPrice": 6000.0,
    }
    assert position == expected | {name: position[name] for name in ("timestamp", "tradeDate")}
    day = firm.account.session.trading_day
    assert position["tradeDate"] == {"year": day.year, "month": day.month, "day": day.day}


@pytest.mark.parametrize("price", ["0", "-37.5"])
def test_a_price_of_zero_or_below_is_a_price(admin_client: APIClient, firm: Firm, price: str) -> None:
    builders.position(firm.account, net=-1, price=price)
    position = only(admin_client.get("/v1/position/list"))
    assert (position["prevPrice"], position["netPrice"]) == (float(price), float(price))


def test_a_flat_position_has_no_price(admin_client: APIClient, firm: Firm) -> None:
    fill(firm.account, Side.BUY, 1, "6003")
    fill(firm.account, Side.SELL, 1, "6003")
    position = only(admin_client.get("/v1/position/list"))
    assert position["netPos"] == 0
    assert not {"netPrice", "prevPrice"} & set(position)


def test_every_read_of_positions_answers_for_visible_accounts_alone(
    admin_client: APIClient, firm: Firm, stranger: Firm
) -> None:
    mine, theirs = builders.position(firm.account), builders.position(stranger.account)
    reads = [
        "list",
        f"items?ids={mine.pk},{theirs.pk}",
        f"deps?masterid={firm.account.pk}",
        f"ldeps?masterids={firm.account.pk},{stranger.account.pk}",
    ]
    for read in reads:
        assert only(admin_client.get(f"/v1/position/{read}"))["id"] == mine.pk, read
    assert admin_client.get(f"/v1/position/item?id={mine.pk}").json()["id"] == mine.pk
    assert admin_client.get(f"/v1/position/item?id={theirs.pk}").status_code == 404
    assert admin_client.get(f"/v1/position/deps?masterid={stranger.account.pk}").json() == []
    assert Position.objects.count() == 2
