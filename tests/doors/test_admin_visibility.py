"""Who sees what in the browser, and who may change it."""

from typing import Any

import pytest
from django.urls import reverse

from accounts.models import Account, AuditEntry
from accounts.rules.roles import Role
from tests import builders
from tests.doors.admin_fixtures import Firm, browser, firm, form_of, run_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Firm:
    return firm()


def list_url(model: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def page_url(row: Any) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def test_the_company_filter_names_no_stranger(desk: Firm) -> None:
    builders.account(desk.other, "OTHER-1")
    assert b"Stranger Trading" not in browser(desk.admin).get(list_url(Account)).content


def test_a_stranger_finds_nothing_of_another_company(desk: Firm) -> None:
    client = browser(desk.stranger)
    for row in (desk.alpha, desk.company, desk.viewer, run_of(desk.alpha)):
        response = client.get(page_url(row))
        assert response.status_code in {302, 404}, row
    assert b"ALPHA-1" not in client.get(list_url(Account)).content
    assert b"Lakeside" not in client.get(list_url(AuditEntry)).content


def test_a_trader_sees_the_trees_assigned_to_him_and_himself(desk: Firm) -> None:
    trader = builders.trader(desk.company, desk.desk, username="tom")
    client = browser(trader)
    listed = client.get(list_url(Account)).context["cl"].result_list
    assert [account.name for account in listed] == ["DESK1", "ALPHA-1"]
    users = client.get(reverse("admin:accounts_user_changelist")).context["cl"].result_list
    assert list(users) == [trader]
    audit = client.get(list_url(AuditEntry)).context["cl"].result_list
    assert {entry.account.name for entry in audit} == {"DESK1", "ALPHA-1"}


def test_a_view_only_user_sees_and_cannot_save(desk: Firm) -> None:
    client = browser(desk.viewer)
    page = client.get(page_url(desk.alpha))
    assert page.status_code == 200
    assert b'name="_save"' not in page.content
    assert client.post(page_url(desk.alpha), {"name": "MINE"}).status_code == 403
    assert page.context["desk_actions"] == []


def test_an_inactive_user_is_sent_to_the_login(desk: Firm) -> None:
    client = browser(desk.viewer)
    type(desk.viewer).objects.filter(pk=desk.viewer.pk).update(is_active=False)
    assert client.get(reverse("admin:index")).status_code == 302


def test_the_page_of_a_shared_account_lets_the_other_company_change_only_the_credit_loss_box(desk: Firm) -> None:
    builders.share(desk.house, desk.other)
    page = browser(desk.stranger).get(page_url(desk.house))
    (credit,) = page.context["inline_admin_formsets"][0].formset.forms
    disabled = {name for name, field in credit.fields.items() if field.disabled}
    assert {"credit_loss_action", "credit_loss_pct"}.isdisjoint(disabled)
    assert {"daily_limit", "check_credit", "create_sod"} <= disabled


def test_an_account_administrator_finds_the_credit_loss_box_greyed_with_the_reason(desk: Firm) -> None:
    keeper = builders.user(desk.company, username="kim", role=Role.ACCOUNT_ADMIN)
    builders.structure.assign_user(account_id=desk.alpha.pk, user=keeper, actor=builders.platform(), now=builders.NOW)
    page = browser(keeper).get(page_url(desk.alpha))
    (credit,) = page.context["inline_admin_formsets"][0].formset.forms
    assert credit.fields["credit_loss_action"].disabled
    assert "Only a company administrator may change this box." in page.content.decode()


def test_an_account_administrator_renames_an_account_and_leaves_its_type_and_place(desk: Firm) -> None:
    keeper = builders.user(desk.company, username="kim", role=Role.ACCOUNT_ADMIN)
    builders.structure.assign_user(account_id=desk.alpha.pk, user=keeper, actor=builders.platform(), now=builders.NOW)
    client = browser(keeper)
    values = form_of(client, page_url(desk.alpha))
    assert {"type", "parent"}.isdisjoint(values)
    wanted = values | {"name": "ALPHA-9", "type": "NON_ROUTING", "parent": ""}
    assert client.post(page_url(desk.alpha), wanted).status_code == 302
    account = Account.objects.get(pk=desk.alpha.pk)
    assert (account.name, account.type, account.parent) == ("ALPHA-9", desk.alpha.type, desk.desk)
    assert client.get(reverse("admin:accounts_account_add")).status_code == 200


def test_the_platform_sees_every_company_connection_share_and_user(desk: Firm) -> None:
    builders.share(desk.house, desk.other)
    builders.account(desk.other)
    client = browser(builders.superuser())
    text = client.get(reverse("admin:accounts_connection_changelist")).content.decode()
    assert "Stranger Trading" in text
    assert "Lakeside Futures" in text
    for path in ("company", "user", "accountshare", "auditentry"):
        assert b"Stranger Trading" in client.get(f"/admin/accounts/{path}/").content


def test_a_shared_account_shows_with_whom_to_both(desk: Firm) -> None:
    builders.share(desk.house, desk.other)
    for person in (desk.admin, desk.stranger):
        assert b"HOUSE" in browser(person).get(reverse("admin:accounts_accountshare_changelist")).content


def test_a_user_without_a_company_has_no_tabs_and_cannot_be_changed(desk: Firm) -> None:
    platform = builders.superuser()
    response = browser(platform).get(page_url(platform))
    assert response.status_code == 200
    assert b'name="_save"' not in response.content
    assert response.context["inline_admin_formsets"] == []
