"""Every page of the desk: who sees what, that looking changes nothing, and what a page costs."""

from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.admin.readout import readout_of
from accounts.models import Account, AuditEntry
from liquidation.services.alerts import raise_alert
from tests import builders
from tests.doors.admin_fixtures import Firm, browser, firm, run_of

pytestmark = pytest.mark.django_db

OWN_APPS = ("accounts", "liquidation")
MODELS = [model for model in admin.site._registry if model._meta.app_label in OWN_APPS]


@pytest.fixture
def desk() -> Firm:
    return firm()


def list_url(model: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def page_url(row: Any) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def rows_everywhere() -> dict[str, list[Any]]:
    return {model._meta.label: list(model.objects.order_by("pk").values()) for model in MODELS}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.model_name)
def test_every_list_and_page_opens_and_changes_nothing(desk: Firm, model: Any) -> None:
    run_of(desk.alpha)
    builders.lock(desk.house)
    builders.share(desk.house, desk.other)
    client = browser(desk.admin)
    before = rows_everywhere()
    assert client.get(list_url(model)).status_code == 200
    own = admin.site._registry[model].get_queryset(_request(desk.admin))
    for row in own[:2]:
        assert client.get(page_url(row)).status_code == 200, row
    assert rows_everywhere() == before


def _request(user: Any) -> Any:
    request = RequestFactory().get("/")
    request.user = user
    return request


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.model_name)
def test_nobody_may_delete_anything(desk: Firm, model: Any) -> None:
    request = _request(builders.superuser())
    assert not admin.site._registry[model].has_delete_permission(request)


def test_pages_ask_nothing_of_other_machines(desk: Firm) -> None:
    text = browser(desk.admin).get(page_url(desk.alpha)).content.decode()
    for attribute in ("src=", "action=", "<link href="):
        for part in text.split(attribute)[1:]:
            assert not part.lstrip("\"'").startswith(("http:", "https:", "//")), part[:80]


def test_the_list_shows_the_tree_in_its_order_with_mode_cause_and_run(desk: Firm) -> None:
    builders.lock(desk.house, reason="over the limit")
    run = run_of(desk.alpha)
    response = browser(desk.admin).get(list_url(Account))
    assert [account.name for account in response.context["cl"].result_list] == ["HOUSE", "DESK1", "ALPHA-1"]
    text = response.content.decode()
    assert "desk-depth-2" in text
    assert "Admin on HOUSE" in text
    assert f"Run {run.pk}: Requested" in text


@pytest.mark.parametrize(
    ("state", "names"),
    [
        ("NORMAL", []),
        ("LIQUIDATE_ONLY", ["HOUSE"]),
        ("LOCKED", ["DESK1", "ALPHA-1"]),
        ("LIQUIDATING", ["ALPHA-1"]),
        ("CLOSED", []),
        ("UNHEARD_OF", ["HOUSE", "DESK1", "ALPHA-1"]),
    ],
)
def test_the_state_filter_counts_the_locks_of_ancestors(desk: Firm, state: str, names: list[str]) -> None:
    builders.lock(desk.house, mode=builders.LockMode.LIQUIDATE_ONLY)
    builders.lock(desk.desk)
    run_of(desk.alpha)
    response = browser(desk.admin).get(list_url(Account), {"state": state})
    assert [account.name for account in response.context["cl"].result_list] == names


def test_the_company_filter_and_the_search_narrow_the_list(desk: Firm) -> None:
    builders.account(desk.other, "OTHER-1")
    client = browser(builders.superuser())
    chosen = client.get(list_url(Account), {"company": desk.other.pk}).context["cl"].result_list
    assert [account.name for account in chosen] == ["OTHER-1"]
    found = client.get(list_url(Account), {"q": "ALPHA"}).context["cl"].result_list
    assert [account.name for account in found] == ["ALPHA-1"]


def _queries(client: Any, url: str) -> int:
    client.get(url)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(url).status_code == 200
    return len(queries)


def test_the_list_costs_as_many_queries_for_forty_accounts_as_for_three(desk: Firm) -> None:
    client = browser(desk.admin)
    builders.lock(desk.house)
    few = _queries(client, list_url(Account))
    for number in range(37):
        row = builders.account(desk.company, f"X-{number}", parent=desk.house)
        builders.lock(row)
    assert _queries(client, list_url(Account)) == few


def test_the_first_page_costs_the_same_however_much_there_is(desk: Firm) -> None:
    client = browser(desk.admin)
    run_of(desk.alpha)
    few = _queries(client, reverse("admin:index"))
    for number in range(5):
        run_of(builders.account(desk.company, f"X-{number}"))
    assert _queries(client, reverse("admin:index")) == few


def test_the_first_page_counts_by_state_and_shows_runs_and_events(desk: Firm) -> None:
    builders.lock(desk.desk, reason="too risky")
    run = run_of(desk.alpha)
    response = browser(desk.admin).get(reverse("admin:index"))
    assert [item["count"] for item in response.context["counts"]] == [1, 0, 2, 1]
    text = response.content.decode()
    assert f"Run {run.pk}" in text
    assert "too risky" in text


def test_the_readout_shows_the_figures_the_readiness_and_the_level(desk: Firm, settings: Any) -> None:
    settings.MARK_MAX_AGE_SECONDS = 10**9
    page = browser(desk.admin).get(page_url(desk.alpha))
    figures = {figure.label: figure.text for figure in page.context["readout"].figures}
    # 3 long from 6000, now 5990: 3 x 40 ticks x 12.50 = 1,500 lost of 10,000; 8,000 may be lost.
    assert figures["Balance"] == "8,500.00 USD"
    assert figures["BalanceUsed %"] == "15.00"
    assert figures["Net Liquidation"] == "8,500.00 USD"
    assert figures["AutoLiq %"] == "80.00"
    assert figures["CurrLiq %"] == "15.00"
    assert figures["BalToLiq"] == "6,500.00 USD"
    readout = page.context["readout"]
    assert readout.is_ready
    assert readout.passed == 11
    assert readout.level == "Auto-liquidate on this account acts for it and for everything below it."


def test_what_cannot_be_priced_is_a_dash_and_a_sentence_never_a_zero(desk: Firm) -> None:
    page = browser(desk.admin).get(page_url(desk.alpha))  # the price is from another day
    figures = {figure.label: figure.text for figure in page.context["readout"].figures}
    assert figures["Balance"] == figures["BalToLiq"] == figures["CurrLiq %"] == "-"
    assert "No current price of ESZ6." in page.content.decode()


def test_an_ancestor_that_acts_is_named(desk: Firm) -> None:
    changes = {"credit_loss_pct": builders.Decimal(50), "credit_loss_action": "AUTO_LIQUIDATE"}
    builders.limits.save_account_credit(
        account_id=desk.house.pk, changes=changes, actor=builders.platform(), now=builders.NOW
    )
    readout = browser(desk.admin).get(page_url(desk.alpha)).context["readout"]
    assert readout.level == "Ignored: auto-liquidate on HOUSE acts for this account."
    assert not readout.is_ready
    assert "HOUSE" in readout.checks[10].reason


def test_the_page_of_an_account_costs_the_same_for_one_contract_as_for_four(desk: Firm) -> None:
    client = browser(desk.admin)
    few = _queries(client, page_url(desk.alpha))
    for symbol in ("NQZ6", "GCZ6", "6JZ6"):
        builders.position(desk.alpha, symbol, price="100")
        builders.working_order(desk.alpha, symbol)
        builders.mark(symbol, "100")
    assert _queries(client, page_url(desk.alpha)) == few


def test_a_long_list_is_cut_into_pages_without_losing_the_order_of_the_tree(desk: Firm) -> None:
    for number in range(60):
        builders.account(desk.company, f"SUB-{number:02}", parent=desk.house)
    client = browser(desk.admin)
    names = [
        account.name
        for page in (1, 2)
        for account in client.get(list_url(Account), {"p": page}).context["cl"].result_list
    ]
    assert names == ["HOUSE", "DESK1", "ALPHA-1", *(f"SUB-{number:02}" for number in range(60))]


@pytest.mark.parametrize(
    ("path", "values", "rows"),
    [
        ("accounts/order", {"orders": "working"}, 1),
        ("accounts/order", {"orders": "done"}, 0),
        ("accounts/accountlock", {"locks": "open"}, 1),
        ("accounts/accountlock", {"locks": "released"}, 0),
        ("liquidation/alert", {"alerts": "open"}, 1),
        ("liquidation/alert", {"alerts": "cleared"}, 0),
        ("accounts/auditentry", {"account__id__exact": "0"}, 0),
    ],
)
def test_the_records_are_narrowed_by_their_filters(desk: Firm, path: str, values: dict[str, str], rows: int) -> None:
    builders.lock(desk.alpha)
    raise_alert(account=desk.alpha, code="PRICE_STALE", text="No price", now=builders.NOW)
    response = browser(desk.admin).get(f"/admin/{path}/", values)
    assert len(response.context["cl"].result_list) == rows


def test_the_list_of_companies_says_whether_the_liquidation_user_is_ready(desk: Firm) -> None:
    site = admin.site._registry[type(desk.company)]
    assert site.is_ready(desk.company)
    liquidator = desk.company.auto_liquidation_user
    liquidator.is_active = False
    assert not site.is_ready(desk.company)
    builders.companies.change_user(
        user_id=liquidator.pk, changes={"is_active": False}, actor=builders.platform(), now=builders.NOW
    )
    assert b"Not active" in browser(desk.admin).get(page_url(desk.company)).content


@pytest.mark.parametrize(
    ("daily_limit", "used", "tone"),
    [("1000", "150.00", "danger"), ("1500", "100.00", "danger"), ("1800", "83.33", "warning"), ("2000", "75.00", "")],
)
def test_a_limit_that_is_nearly_used_is_colored(
    desk: Firm, settings: Any, daily_limit: str, used: str, tone: str
) -> None:
    settings.MARK_MAX_AGE_SECONDS = 10**9
    changes = {"daily_limit": builders.Decimal(daily_limit)}
    builders.limits.save_account_credit(
        account_id=desk.alpha.pk, changes=changes, actor=builders.platform(), now=builders.NOW
    )
    figures = {figure.label: figure for figure in readout_of(desk.alpha, builders.NOW).figures}
    assert (figures["BalanceUsed %"].text, figures["BalanceUsed %"].tone) == (used, tone)
    assert figures["Age of prices"].text == "0.0 s"


def test_a_door_that_would_write_by_itself_is_stopped(desk: Firm) -> None:
    page = admin.site._registry[AuditEntry]
    with pytest.raises(TypeError, match="a door does not write"):
        page.save_model(_request(desk.admin), AuditEntry(), None, change=False)
    formset = type("Formset", (), {"model": AuditEntry})
    with pytest.raises(TypeError, match="a door does not write"):
        page.save_formset(_request(desk.admin), None, formset, change=False)
