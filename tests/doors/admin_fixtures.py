"""A small firm to look at, and the browser of one of its people."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.test import Client

from accounts.models import Account, Company, User
from accounts.rules.credit import CreditLossAction
from accounts.rules.roles import Role
from liquidation.models import Evaluation, LiquidationRun
from liquidation.services.runs import request_run
from tests import builders

CREDIT = "credit"
AUTO_LIQ = "auto_liq"


@dataclass(frozen=True)
class Firm:
    """Two companies, a tree of three accounts with a position, and people of several roles."""

    company: Company
    other: Company
    house: Account
    desk: Account
    alpha: Account
    admin: User
    viewer: User
    operator: User
    stranger: User


def firm() -> Firm:
    company = builders.company("Lakeside Futures")
    other = builders.company("Stranger Trading")
    house = builders.account(company, "HOUSE", daily_limit="100000")
    desk = builders.account(company, "DESK1", parent=house)
    limits = {"daily_limit": "10000", "loss_pct": "80", "action": CreditLossAction.AUTO_LIQUIDATE}
    alpha = builders.account(company, "ALPHA-1", parent=desk, **limits)
    builders.mark("ESZ6", "5990")
    builders.position(alpha, net=3)
    builders.working_order(alpha, qty=2)
    return Firm(
        company,
        other,
        house,
        desk,
        alpha,
        admin=builders.admin(company, username="ada"),
        viewer=builders.user(company, username="vera"),
        operator=builders.user(company, username="otto", role=Role.RISK_OPERATOR),
        stranger=builders.admin(other, username="sam"),
    )


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def form_of(client: Client, url: str) -> dict[str, Any]:
    """Return what a browser would send back of the page's form, unchanged."""
    context = client.get(url).context
    values: dict[str, Any] = {}
    for form in _forms(context):
        for bound in form:
            _add(values, bound)
    return values


def _forms(context: Any) -> list[Any]:
    forms = [context["adminform"].form]
    for inline in context["inline_admin_formsets"]:
        forms += [inline.formset.management_form, *inline.formset.forms]
    return forms


def _add(values: dict[str, Any], bound: Any) -> None:
    value = bound.value()
    if bound.field.disabled or value is None or value is False:
        return
    widgets = getattr(bound.field.widget, "widgets", None)
    if widgets is not None:
        parts = bound.field.widget.decompress(value)
        values |= {f"{bound.html_name}_{index}": "" if part is None else part for index, part in enumerate(parts)}
    else:
        values[bound.html_name] = "on" if value is True else value


def run_of(account: Account, *, with_decision: bool = True) -> LiquidationRun:
    """Return a run that was asked for, after a decision where a limit asked."""
    evaluation = None
    if with_decision:
        evaluation = Evaluation.objects.create(
            account=account,
            decided_at=builders.NOW,
            kind="CREDIT_LOSS",
            action="AUTO_LIQUIDATE",
            pnl=Decimal("-8012.5"),
            pnl_level=Decimal(-8000),
            threshold=Decimal(8000),
            currency="USD",
            inputs={"marks": {"ESZ6": {"price": "5990", "at": "2026-11-20T14:59:59.750000+00:00", "source": "test"}}},
        )
    result = request_run(
        account_id=account.pk, cause="CREDIT_LOSS", actor=builders.platform(), now=builders.NOW, evaluation=evaluation
    )
    return LiquidationRun.objects.get(pk=result.run_id)
