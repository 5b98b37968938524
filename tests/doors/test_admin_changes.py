"""What is saved in the browser goes through the services; what they refuse stands beside its field."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Account, AccountCredit, AuditEntry, Company, User
from accounts.permissions import Door
from accounts.rules.audit import AuditAction
from accounts.rules.roles import Role
from tests import builders
from tests.doors.admin_fixtures import AUTO_LIQ, CREDIT, Firm, browser, firm, form_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Firm:
    return firm()


def page_url(row: Any) -> str:
    return reverse(f"admin:accounts_{row._meta.model_name}_change", args=[row.pk])


def save(client: Client, row: Any, **values: Any) -> Any:
    """Send the page's form with these fields set; None clears one."""
    url = page_url(row)
    data = form_of(client, url) | values
    return client.post(url, {name: value for name, value in data.items() if value is not None})


def newest() -> AuditEntry:
    entry = AuditEntry.objects.first()
    assert entry is not None
    return entry


def field_errors(response: Any, tab: int) -> dict[str, list[str]]:
    (form,) = response.context["inline_admin_formsets"][tab].formset.forms
    return dict(form.errors)


def test_saving_the_credit_tab_calls_the_service_with_only_what_changed(desk: Firm) -> None:
    values = {f"{CREDIT}-0-daily_limit": "12000", "reason": "A better year"}
    response = save(browser(desk.admin), desk.alpha, **values)
    assert response.status_code == 302, response.context["inline_admin_formsets"][0].formset.errors
    entry = newest()
    assert entry.action == AuditAction.CREDIT_CHANGED
    assert entry.before == {"daily_limit": "10000"}
    assert entry.after == {"daily_limit": "12000"}
    assert (entry.user, entry.door, entry.address) == (desk.admin, Door.ADMIN, "127.0.0.1")
    assert entry.reason == "A better year"


def test_saving_without_a_change_writes_nothing(desk: Firm) -> None:
    before = AuditEntry.objects.count()
    assert save(browser(desk.admin), desk.alpha).status_code == 302
    assert AuditEntry.objects.count() == before


def test_a_refusal_stands_beside_its_field_and_nothing_of_the_page_is_lost_or_saved(desk: Firm) -> None:
    values = {"name": "ALPHA-9", f"{CREDIT}-0-daily_limit": "15000", f"{CREDIT}-0-credit_loss_pct": "80.123"}
    response = save(browser(desk.admin), desk.alpha, **values)
    assert response.status_code == 200
    assert list(field_errors(response, 0)) == ["credit_loss_pct"]
    text = response.content.decode()
    assert "at most two decimals" in text
    assert 'value="15000"' in text
    assert 'value="ALPHA-9"' in text
    assert Account.objects.get(pk=desk.alpha.pk).name == "ALPHA-1"
    assert AccountCredit.objects.get(account=desk.alpha).daily_limit == 10000


def test_an_action_without_a_limit_is_refused_beside_the_limit(desk: Firm) -> None:
    response = save(browser(desk.admin), desk.alpha, **{f"{CREDIT}-0-daily_limit": "0"})
    assert list(field_errors(response, 0)) == ["daily_limit"]


def test_a_negative_limit_is_refused_beside_the_limit(desk: Firm) -> None:
    response = save(browser(desk.admin), desk.alpha, **{f"{CREDIT}-0-daily_limit": "-1"})
    assert field_errors(response, 0) == {"daily_limit": ["A limit is zero or more."]}


def test_overriding_the_reset_needs_a_timezone(desk: Firm) -> None:
    response = save(browser(desk.admin), desk.house, **{f"{CREDIT}-0-override_reset": "on"})
    assert list(field_errors(response, 0)) == ["reset_timezone"]


def test_auto_liquidate_cannot_be_chosen_without_a_liquidation_user(desk: Firm) -> None:
    bare = builders.company("Bare", liquidation_user=False)
    account = builders.account(bare, "BARE-1", daily_limit="1000")
    client = browser(builders.admin(bare, username="bob"))
    text = client.get(page_url(account)).content.decode()
    assert "Auto-liquidate cannot be chosen: Bare has no auto-liquidation user." in text
    values = {f"{CREDIT}-0-credit_loss_action": "AUTO_LIQUIDATE", f"{CREDIT}-0-credit_loss_pct": "80"}
    response = save(client, account, **values)
    assert list(field_errors(response, 0)) == ["credit_loss_action"]


def test_a_field_greyed_by_the_page_cannot_be_changed_by_a_forged_form(desk: Firm) -> None:
    builders.companies.change_company(
        company_id=desk.company.pk,
        changes={"post_trade_risk_enabled": False},
        actor=builders.platform(),
        now=builders.NOW,
    )
    before = AuditEntry.objects.count()
    save(browser(desk.admin), desk.alpha, **{f"{CREDIT}-0-credit_loss_pct": "10"})
    assert AuditEntry.objects.count() == before


def test_a_child_is_shown_the_reset_time_that_its_parent_holds(desk: Firm) -> None:
    changes = {"override_reset": True, "reset_timezone": "America/Chicago"}
    builders.limits.save_account_credit(
        account_id=desk.house.pk, changes=changes, actor=builders.platform(), now=builders.NOW
    )
    text = browser(desk.admin).get(page_url(desk.alpha)).content.decode()
    assert "HOUSE resets at 00:00:00 America/Chicago; a sub-account cannot hold another time." in text


def test_auto_liq_limits_are_saved_through_their_service(desk: Firm) -> None:
    response = save(browser(desk.admin), desk.alpha, **{f"{AUTO_LIQ}-0-daily_loss_auto_liq": "2500.5"})
    assert response.status_code == 302
    assert newest().after == {"daily_loss_auto_liq": "2500.5"}


def test_name_and_parent_are_changed_by_their_own_verbs(desk: Firm) -> None:
    save(browser(desk.admin), desk.alpha, name="ALPHA-7", parent=str(desk.house.pk), reason="New desk")
    actions = list(AuditEntry.objects.values_list("action", flat=True)[:2])
    assert actions == [AuditAction.ACCOUNT_MOVED, AuditAction.ACCOUNT_CHANGED]
    assert Account.objects.get(pk=desk.alpha.pk).parent == desk.house


def test_a_parent_below_the_account_is_refused_beside_the_parent(desk: Firm) -> None:
    response = save(browser(desk.admin), desk.house, parent=str(desk.alpha.pk))
    assert list(response.context["adminform"].form.errors) == ["parent"]


def test_an_account_is_made_through_its_service(desk: Firm) -> None:
    client = browser(desk.admin)
    values = {"company": desk.company.pk, "name": "BETA-1", "type": "ROUTING_INTERNAL", "parent": desk.desk.pk}
    response = client.post(reverse("admin:accounts_account_add"), values)
    made = Account.objects.get(name="BETA-1")
    assert response.status_code == 302
    assert made.credit.check_credit is False
    assert newest().action == AuditAction.ACCOUNT_CREATED


def test_a_name_that_is_taken_is_refused_on_the_form(desk: Firm) -> None:
    values = {"company": desk.company.pk, "name": "HOUSE", "type": "ROUTING_INTERNAL"}
    response = browser(desk.admin).post(reverse("admin:accounts_account_add"), values)
    assert response.status_code == 200
    assert response.context["adminform"].form.errors


def test_a_closed_account_can_be_looked_at_and_not_changed(desk: Firm) -> None:
    empty = builders.account(desk.company, "EMPTY")
    builders.structure.close_account(account_id=empty.pk, actor=builders.platform(), now=builders.NOW, reason="Left")
    client = browser(desk.admin)
    assert b'name="_save"' not in client.get(page_url(empty)).content
    assert client.post(page_url(empty), {"name": "BACK"}).status_code == 403


def test_the_companys_switch_is_saved_through_its_service(desk: Firm) -> None:
    response = save(browser(desk.admin), desk.company, post_trade_risk_enabled=None, reason="Maintenance")
    assert response.status_code == 302
    entry = newest()
    assert (entry.action, entry.before, entry.after) == (
        AuditAction.COMPANY_CHANGED,
        {"post_trade_risk_enabled": True},
        {"post_trade_risk_enabled": False},
    )


def test_the_companys_page_says_what_its_liquidation_user_lacks(desk: Firm) -> None:
    builders.structure.create_connection(
        company=desk.company, name="EUREX", exchange="EUREX", actor=builders.platform(), now=builders.NOW
    )
    text = browser(desk.admin).get(page_url(desk.company)).content.decode()
    assert "Missing: give the user an operator ID" in text
    bare = builders.company("Bare", liquidation_user=False)
    text = browser(builders.superuser()).get(page_url(bare)).content.decode()
    assert "No auto-liquidation user" in text


def test_only_the_platform_makes_companies(desk: Firm) -> None:
    url = reverse("admin:accounts_company_add")
    assert browser(desk.admin).get(url).status_code == 403
    response = browser(builders.superuser()).post(url, {"name": "New Firm", "carry_realized_pnl": "on"})
    assert response.status_code == 302
    made = Company.objects.get(name="New Firm")
    assert (made.post_trade_risk_enabled, made.carry_realized_pnl) == (False, True)


def test_a_user_is_made_with_a_first_password(desk: Firm) -> None:
    values = {
        "company": desk.company.pk,
        "username": "nina",
        "role": "TRADER",
        "is_active": "on",
        "password": "a long enough secret",
    }
    client = browser(desk.admin)
    assert client.post(reverse("admin:accounts_user_add"), values | {"password": "1234"}).status_code == 200
    assert client.post(reverse("admin:accounts_user_add"), values | {"company": ""}).status_code == 200
    assert client.post(reverse("admin:accounts_user_add"), values).status_code == 302
    made = User.objects.get(username="nina")
    assert made.check_password("a long enough secret")
    assert (made.role, made.company) == (Role.TRADER, desk.company)
    assert newest().action == AuditAction.USER_CREATED


def test_role_operator_ids_and_credit_of_a_user_are_saved_through_their_services(desk: Firm) -> None:
    values = {
        "role": "RISK_OPERATOR",
        "exchange_settings-TOTAL_FORMS": "1",
        "exchange_settings-0-exchange": "CME",
        "exchange_settings-0-operator_id": "VERA1",
        "credit-0-check_credit": "on",
        "credit-0-daily_limit": "500",
    }
    response = save(browser(desk.admin), desk.viewer, **values)
    assert response.status_code == 302
    actions = set(AuditEntry.objects.values_list("action", flat=True)[:3])
    assert actions == {AuditAction.USER_CHANGED, AuditAction.USER_CREDIT_CHANGED}
    assert list(desk.viewer.exchange_settings.values_list("exchange", "operator_id")) == [("CME", "VERA1")]
    assert User.objects.get(pk=desk.viewer.pk).credit.daily_limit == 500


def test_an_operator_id_is_taken_away_through_the_service(desk: Firm) -> None:
    response = save(browser(desk.admin), desk.admin, **{"exchange_settings-0-DELETE": "on"})
    assert response.status_code == 302
    assert not desk.admin.exchange_settings.exists()
    assert newest().after == {"operator_ids": {}}


def test_a_user_of_another_company_cannot_be_chosen_as_liquidation_user(desk: Firm) -> None:
    response = save(browser(desk.admin), desk.company, auto_liquidation_user=str(desk.stranger.pk))
    assert list(response.context["adminform"].form.errors) == ["auto_liquidation_user"]


def test_the_user_who_closes_is_shown_as_such(desk: Firm) -> None:
    liquidator = desk.company.auto_liquidation_user
    client = browser(desk.admin)
    assert b"This user is the auto-liquidation user" in client.get(page_url(liquidator)).content
    assert b"This user is not the auto-liquidation user" in client.get(page_url(desk.viewer)).content


def test_a_risk_operator_sees_the_settings_and_cannot_save_them(desk: Firm) -> None:
    client = browser(desk.operator)
    assert b'name="_save"' not in client.get(page_url(desk.alpha)).content
    assert client.post(page_url(desk.alpha), {"name": "MINE"}).status_code == 403


def test_saving_only_the_role_leaves_the_users_credit_alone(desk: Firm) -> None:
    before = AuditEntry.objects.count()
    save(browser(desk.admin), desk.viewer, role="TRADER")
    assert AuditEntry.objects.count() == before + 1
    assert newest().after == {"role": "TRADER"}


def test_a_company_an_account_is_shared_with_may_close_it_with_its_own_user(desk: Firm) -> None:
    bare = builders.company("Bare", liquidation_user=False)
    account = builders.account(bare, "BARE-1", daily_limit="1000")
    builders.share(account, desk.other)
    client = browser(desk.stranger)
    assert b"cannot be chosen" not in client.get(page_url(account)).content
    values = {f"{CREDIT}-0-credit_loss_action": "AUTO_LIQUIDATE", f"{CREDIT}-0-credit_loss_pct": "80"}
    assert save(client, account, **values).status_code == 302
    credit = AccountCredit.objects.get(account=account)
    assert (credit.credit_loss_action, credit.credit_loss_company) == ("AUTO_LIQUIDATE", desk.other)


def test_a_non_routing_account_cannot_choose_auto_liquidate(desk: Firm) -> None:
    account = builders.account(desk.company, "NOTE", account_type=builders.AccountType.NON_ROUTING, daily_limit="1000")
    text = browser(desk.admin).get(page_url(account)).content.decode()
    assert "Auto-liquidate cannot be chosen: the account" in text
