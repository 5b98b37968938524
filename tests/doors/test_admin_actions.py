"""Lock, liquidate-only, liquidate and unlock in two steps, and a person's three buttons on a run."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import Account, AccountLock, AuditEntry
from accounts.rules.locks import LockCause, LockMode, TradingMode
from accounts.rules.roles import Role
from accounts.selectors import trading_mode_of
from liquidation.models import Evaluation, LiquidationRun
from liquidation.rules.states import RunState
from liquidation.services.runs import stop_run
from liquidation.services.steps import advance
from tests import builders
from tests.doors.admin_fixtures import Firm, browser, firm, run_of

pytestmark = pytest.mark.django_db

LIST = "/admin/accounts/account/"


@pytest.fixture
def desk() -> Firm:
    return firm()


def choose(client: Client, action: str, *accounts: Account, **more: str) -> Any:
    return client.post(LIST, {"action": action, "_selected_action": [row.pk for row in accounts], **more})


def confirm(client: Client, action: str, *accounts: Account, reason: str = "Too much risk", **more: str) -> Any:
    return choose(client, action, *accounts, confirmed="yes", reason=reason, **more)


def said(response: Any) -> list[str]:
    return [str(message) for message in response.wsgi_request._messages]


def test_the_first_post_only_shows_what_would_happen(desk: Firm) -> None:
    before = AuditEntry.objects.count()
    response = choose(browser(desk.admin), "liquidate_accounts", desk.alpha, desk.house)
    text = response.content.decode()
    assert response.status_code == 200
    assert "3 ESZ6" in text
    assert "Buy 2 ESZ6" in text
    assert "Type LIQUIDATE to confirm" in text
    assert AuditEntry.objects.count() == before
    assert not AccountLock.objects.exists()


def test_the_second_post_locks_every_account_chosen(desk: Firm) -> None:
    response = confirm(browser(desk.admin), "lock_accounts", desk.alpha, desk.desk)
    assert response.status_code == 302
    assert said(response) == ["2 of 2 locked: DESK1, ALPHA-1."]
    locks = AccountLock.objects.filter(released_at=None, cause=LockCause.ADMIN, mode=LockMode.LOCKED)
    assert {lock.account for lock in locks} == {desk.alpha, desk.desk}
    assert {lock.reason for lock in locks} == {"Too much risk"}


@pytest.mark.parametrize("reason", ["", "   "])
def test_without_a_reason_nothing_happens_and_the_field_says_so(desk: Firm, reason: str) -> None:
    response = confirm(browser(desk.admin), "lock_accounts", desk.alpha, reason=reason)
    assert response.status_code == 200
    assert "Say why." in response.content.decode()
    assert not AccountLock.objects.exists()


@pytest.mark.parametrize("typed", ["", "liquidate", "LIQUIDATE!"])
def test_liquidate_wants_its_word_typed(desk: Firm, typed: str) -> None:
    response = confirm(browser(desk.admin), "liquidate_accounts", desk.alpha, typed=typed)
    assert "Type LIQUIDATE to confirm." in response.content.decode()
    assert 'value="Too much risk"' in response.content.decode()
    assert not LiquidationRun.objects.exists()


def test_liquidate_locks_all_before_it_asks_for_the_first_run(desk: Firm) -> None:
    response = confirm(browser(desk.admin), "liquidate_accounts", desk.alpha, desk.house, typed="LIQUIDATE")
    assert response.status_code == 302
    assert LiquidationRun.objects.filter(account__in=[desk.alpha, desk.house]).count() == 2
    actions = list(AuditEntry.objects.order_by("id").values_list("action", flat=True))
    last_lock = max(index for index, action in enumerate(actions) if action == "account.locked")
    assert last_lock < actions.index("run.requested")


def test_liquidate_only_and_unlock_lead_there_and_back(desk: Firm) -> None:
    client = browser(desk.admin)
    confirm(client, "liquidate_only_accounts", desk.alpha)
    assert trading_mode_of(desk.alpha.pk) is TradingMode.LIQUIDATE_ONLY
    confirm(client, "unlock_accounts", desk.alpha)
    assert trading_mode_of(desk.alpha.pk) is TradingMode.NORMAL


def test_what_is_refused_is_said_by_account_and_the_others_go_ahead(desk: Firm) -> None:
    client = browser(desk.admin)
    builders.lock(desk.desk)
    builders.lock(desk.alpha)
    run_of(desk.alpha)
    response = confirm(client, "unlock_accounts", desk.desk, desk.alpha)
    assert said(response) == ["ALPHA-1: Liquidation is in progress", "1 of 2 set to normal: DESK1."]


def test_an_account_that_a_lock_above_still_binds_is_said_to_be_locked(desk: Firm) -> None:
    builders.lock(desk.desk)
    response = confirm(browser(desk.admin), "unlock_accounts", desk.alpha)
    assert said(response) == ["1 of 1 set to normal: ALPHA-1.", "ALPHA-1 is locked still: Admin on DESK1."]


def test_where_all_is_refused_no_success_is_claimed(desk: Firm) -> None:
    run_of(desk.alpha)
    response = confirm(browser(desk.admin), "unlock_accounts", desk.alpha)
    assert said(response) == ["ALPHA-1: Liquidation is in progress"]


def test_a_shared_account_is_named_as_one_the_user_may_not_lock(desk: Firm) -> None:
    builders.share(desk.house, desk.other)
    client = browser(desk.stranger)
    response = choose(client, "lock_accounts", desk.house)
    assert "You may not do this to: HOUSE." in response.content.decode()
    assert 'name="reason"' not in response.content.decode()
    confirm(client, "lock_accounts", desk.house)  # forged: the page offered no such form
    assert not AccountLock.objects.exists()


@pytest.mark.parametrize(
    ("role", "actions"),
    [
        (Role.COMPANY_ADMIN, {"lock_accounts", "liquidate_only_accounts", "liquidate_accounts", "unlock_accounts"}),
        (Role.RISK_OPERATOR, {"lock_accounts", "liquidate_only_accounts", "liquidate_accounts"}),
        (Role.ACCOUNT_ADMIN, {"lock_accounts", "liquidate_only_accounts", "unlock_accounts"}),
        (Role.VIEW_ONLY, set()),
    ],
)
def test_each_role_is_offered_what_it_may_do(desk: Firm, role: Role, actions: set[str]) -> None:
    response = browser(builders.user(desk.company, role=role)).get(LIST)
    form = response.context["action_form"]
    offered = {name for name, _ in form.fields["action"].choices if name} if form else set()
    assert offered == actions


def test_a_get_with_an_actions_name_does_nothing(desk: Firm) -> None:
    values = {"action": "lock_accounts", "_selected_action": desk.alpha.pk, "confirmed": "yes", "reason": "x"}
    browser(desk.admin).get(LIST, values)
    assert not AccountLock.objects.exists()


def operate(client: Client, run: LiquidationRun, event: str, reason: str = "Seen at the venue") -> Any:
    return client.post(f"/admin/liquidation/liquidationrun/{run.pk}/operate/", {"event": event, "reason": reason})


def needs_operator(run: LiquidationRun) -> LiquidationRun:
    LiquidationRun.objects.filter(pk=run.pk).update(state=RunState.NEEDS_OPERATOR, reason="DEADLINE")
    return LiquidationRun.objects.get(pk=run.pk)


def test_the_runs_page_tells_the_story_from_the_price_in_milliseconds(desk: Firm) -> None:
    run = run_of(desk.alpha)
    response = browser(desk.admin).get(f"/admin/liquidation/liquidationrun/{run.pk}/change/")
    lines = [(line.event, line.after) for line in response.context["lines"]]
    assert lines == [("Price", "+0 ms"), ("Decision", "+250 ms"), ("Requested", "+250 ms")]
    text = response.content.decode()
    assert "Credit loss reached: P/L -8,012.50 of 8,000.00 USD" in text
    assert 'hx-trigger="every 1s"' in text


def test_a_finished_run_shows_its_closing_orders_with_their_fills(desk: Firm) -> None:
    run = run_of(desk.alpha)
    Evaluation.objects.filter(runs=run).update(inputs={"nets": [3]})
    for _ in range(8):
        advance(run_id=run.pk, now=builders.NOW)
    response = browser(desk.admin).get(f"/admin/liquidation/liquidationrun/{run.pk}/change/")
    (order,) = response.context["orders"].rows
    assert [cell.text for cell in order[2:9]] == [
        "ESZ6", "Sell", "3", "Market", "-", "Filled", "3 at 5990 (15:00:00.000)",
    ]  # fmt: skip
    assert response.context["lines"][0].event == "Decision"
    assert response.context["lines"][-1].state == "Flat"
    assert ("Nets 1", "3") in response.context["decision"]


def test_the_live_part_stops_asking_when_the_run_has_ended(desk: Firm) -> None:
    run = run_of(desk.alpha, with_decision=False)
    client = browser(desk.admin)
    url = f"/admin/liquidation/liquidationrun/{run.pk}/live/"
    response = client.get(url, {"offered": "STOP"})
    assert b"hx-get" in response.content
    assert "HX-Refresh" not in response
    stop_run(run_id=run.pk, actor=builders.actor(desk.admin), reason="Enough", now=builders.NOW)
    response = client.get(url, {"offered": "STOP"})
    assert b"hx-get" not in response.content
    assert response["HX-Refresh"] == "true"


@pytest.mark.parametrize(
    ("event", "state"),
    [("RESUME", RunState.CANCELING), ("STOP", RunState.STOPPED), ("CONFIRM_BY_HAND", RunState.FLAT)],
)
def test_a_run_that_needs_an_operator_takes_each_of_the_three(desk: Firm, event: str, state: RunState) -> None:
    run = needs_operator(run_of(desk.alpha))
    response = operate(browser(desk.admin), run, event)
    assert response.status_code == 302
    assert LiquidationRun.objects.get(pk=run.pk).state == state
    assert said(response)[0].startswith(f"Run {run.pk} is ")


def test_only_what_the_state_allows_is_offered(desk: Firm) -> None:
    run = run_of(desk.alpha)
    client = browser(desk.admin)
    url = f"/admin/liquidation/liquidationrun/{run.pk}/change/"
    assert [event for event, _ in client.get(url).context["operations"]] == ["STOP"]
    needs_operator(run)
    assert len(client.get(url).context["operations"]) == 3
    assert [event for event, _ in browser(desk.operator).get(url).context["operations"]] == ["RESUME"]
    assert browser(desk.viewer).get(url).context["operations"] == []


def test_a_refused_operation_says_why_and_changes_nothing(desk: Firm) -> None:
    run = run_of(desk.alpha)
    client = browser(desk.admin)
    assert said(operate(client, run, "RESUME"))[0].startswith("Another run")
    assert said(operate(client, run, "STOP", reason=""))[-1] == "Say why."
    assert operate(client, run, "EXPLODE").status_code == 404
    assert LiquidationRun.objects.get(pk=run.pk).state == RunState.REQUESTED


@pytest.mark.parametrize("event", ["STOP", "CONFIRM_BY_HAND"])
def test_a_risk_operator_ends_no_run(desk: Firm, event: str) -> None:
    run = needs_operator(run_of(desk.alpha))
    assert "may not end run" in said(operate(browser(desk.operator), run, event))[0]
    assert LiquidationRun.objects.get(pk=run.pk).state == RunState.NEEDS_OPERATOR
    operate(browser(desk.operator), run, "RESUME")
    assert LiquidationRun.objects.get(pk=run.pk).state == RunState.CANCELING


def test_a_viewer_and_a_stranger_cannot_operate_a_run(desk: Firm) -> None:
    run = run_of(desk.alpha)
    operate(browser(desk.viewer), run, "STOP")
    assert operate(browser(desk.stranger), run, "STOP").status_code == 404
    assert LiquidationRun.objects.get(pk=run.pk).state == RunState.REQUESTED


@pytest.mark.parametrize(("path", "status"), [("live", 405), ("operate", 405)])
def test_live_is_for_looking_and_operate_for_posting(desk: Firm, path: str, status: int) -> None:
    run = run_of(desk.alpha)
    client = browser(desk.admin)
    send = client.post if path == "live" else client.get
    assert send(f"/admin/liquidation/liquidationrun/{run.pk}/{path}/").status_code == status
