"""The desk in a real browser: every page fits, and the dangerous buttons work as a person uses them."""

import os
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from accounts.models import Account, AccountCredit, AccountLock
from accounts.rules.roles import Role
from liquidation.models import LiquidationRun
from liquidation.services.alerts import raise_alert
from liquidation.services.runs import stop_run
from liquidation.services.steps import advance
from tests import builders
from tests.browser.conftest import OpenPage
from tests.doors.admin_fixtures import Firm, run_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LIST = "/admin/accounts/account/"


def keep(page: Page, name: str) -> None:
    """Keep a picture where the environment names a folder for it."""
    folder = os.environ.get("RISKADMIN_SHOTS")
    if folder:
        page.wait_for_timeout(250)
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def account_page(account: Account, tab: str = "") -> str:
    return reverse("admin:accounts_account_change", args=[account.pk]) + (f"#{tab}" if tab else "")


def pages_of(desk: Firm, run: LiquidationRun) -> dict[str, str]:
    tabs = ("", "credit", "auto_liq", "positions", "orders", "locks", "runs", "connections", "changes")
    return {
        "overview": "/admin/",
        "accounts": LIST,
        **{f"account-{tab or 'settings'}": account_page(desk.alpha, tab) for tab in tabs},
        "company": reverse("admin:accounts_company_change", args=[desk.company.pk]),
        "user": reverse("admin:accounts_user_change", args=[desk.admin.pk]),
        "user-credit": reverse("admin:accounts_user_change", args=[desk.admin.pk]) + "#credit",
        "user-exchange": reverse("admin:accounts_user_change", args=[desk.admin.pk]) + "#exchange_settings",
        "account-add": reverse("admin:accounts_account_add"),
        "runs": reverse("admin:liquidation_liquidationrun_changelist"),
        "run": reverse("admin:liquidation_liquidationrun_change", args=[run.pk]),
        "changes": reverse("admin:accounts_auditentry_changelist"),
        "locks": reverse("admin:accounts_accountlock_changelist"),
        "orders": reverse("admin:accounts_order_changelist"),
    }


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_fits_its_window(desk: Firm, open_page: OpenPage, width: int, theme: str) -> None:
    builders.lock(desk.desk, reason="Margin call unpaid")
    raise_alert(account=desk.alpha, code="PRICE_STALE", text="No price of ESZ6 for 40 s", now=builders.NOW)
    run = run_of(desk.alpha)
    for _ in range(8):
        advance(run_id=run.pk, now=builders.NOW)
    page = open_page(desk.admin, "/admin/", width=width, theme=theme)
    for name, address in pages_of(desk, run).items():
        page.goto("about:blank")  # or another tab of the same page would be no new page
        page.goto(address)
        keep(page, f"{name}-{width}-{theme}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name


def test_a_person_signs_in_and_changes_the_daily_limit(desk: Firm, open_page: OpenPage) -> None:
    page = open_page(None, account_page(desk.alpha))
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill(builders.PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="SOD/Credit").click()
    page.get_by_label("Daily Limit").fill("12500")
    page.get_by_label("Reason for the change").fill("Raised")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    assert AccountCredit.objects.get(account=desk.alpha).daily_limit == 12500


def test_a_refusal_opens_its_tab_and_stands_beside_its_field(desk: Firm, open_page: OpenPage) -> None:
    page = open_page(desk.admin, account_page(desk.alpha))
    page.get_by_role("link", name="SOD/Credit").click()
    page.get_by_label("Credit loss %").fill("80.123")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("at most two decimals")).to_be_visible()
    expect(page.get_by_label("Credit loss %")).to_have_value("80.123")


def test_fields_are_greyed_while_check_credit_is_off_and_keep_their_values(desk: Firm, open_page: OpenPage) -> None:
    page = open_page(desk.admin, account_page(desk.alpha, "credit"))
    limit = page.get_by_label("Daily Limit")
    expect(limit).to_have_attribute("aria-disabled", "false")
    page.get_by_label("Check Credit").uncheck()
    expect(limit).to_have_attribute("aria-disabled", "true")
    expect(page.get_by_text("No effect while Check Credit is off.").first).to_be_visible()
    keep(page, "greyed")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    credit = AccountCredit.objects.get(account=desk.alpha)
    assert (credit.check_credit, credit.daily_limit) == (False, 10000)


def test_liquidate_is_two_steps_with_a_reason_and_a_typed_word(desk: Firm, open_page: OpenPage) -> None:
    page = open_page(desk.admin, account_page(desk.alpha))
    page.get_by_role("button", name="Liquidate…").click()
    expect(page.get_by_text("3 ESZ6")).to_be_visible()
    keep(page, "confirm")
    page.get_by_label("Reason (required)").fill("Gone for good")
    page.get_by_role("button", name="Yes: Liquidate").click()
    expect(page.get_by_text("Type LIQUIDATE to confirm.", exact=True)).to_be_visible()
    assert not AccountLock.objects.exists()
    page.get_by_label("Type LIQUIDATE to confirm").fill("LIQUIDATE")
    page.get_by_role("button", name="Yes: Liquidate").click()
    expect(page.get_by_text("1 of 1 locked and being liquidated: ALPHA-1.")).to_be_visible()
    assert LiquidationRun.objects.filter(account=desk.alpha).count() == 1


def test_several_accounts_are_chosen_in_the_list_and_locked(desk: Firm, open_page: OpenPage) -> None:
    page = open_page(desk.admin, LIST)
    for box in page.get_by_role("checkbox", name="Select record").all():
        box.check()
    page.get_by_label("Select action to run").select_option("Lock")
    keep(page, "chosen")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("heading", name="Lock 3 accounts?")).to_be_visible()
    page.get_by_label("Reason (required)").fill("Fire drill")
    page.get_by_role("button", name="Yes: Lock").click()
    expect(page.get_by_text("3 of 3 locked")).to_be_visible()


def test_the_page_of_a_run_follows_it_without_a_reload(desk: Firm, open_page: OpenPage) -> None:
    run = run_of(desk.alpha)
    operator = builders.user(desk.company, username="olga", role=Role.COMPANY_ADMIN)
    page = open_page(operator, reverse("admin:liquidation_liquidationrun_change", args=[run.pk]))
    expect(page.get_by_text("Requested").first).to_be_visible()
    stop_run(run_id=run.pk, actor=builders.actor(operator), reason="Enough", now=builders.NOW)
    expect(page.get_by_text("olga: Enough")).to_be_visible()
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
