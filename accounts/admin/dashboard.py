"""The first page: how the accounts stand, what runs, what is alerted, and what happened last."""

from typing import Any

from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse

from accounts.admin.account_list import in_state
from accounts.admin.account_panels import account_link, run_row
from accounts.admin.desk import user_of
from accounts.admin.records import visible_entries
from accounts.admin.standing import ON_THE_DESK
from accounts.admin.tables import NOTHING, Cell, Table, audit_rows, moment
from accounts.models import Account, AuditEntry
from accounts.permissions import visible_accounts
from liquidation.models import Alert, LiquidationRun

STATES = (
    ("NORMAL", "Normal", "success"),
    ("LIQUIDATE_ONLY", "Liquidate only", "warning"),
    ("LOCKED", "Locked", "danger"),
    ("LIQUIDATING", "Liquidation not finished", "danger"),
)
LAST = 12


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return the context of the first page with what this user sees."""
    accounts = Account.objects.filter(pk__in=visible_accounts(user_of(request)).values("pk"))
    counts = [_count(accounts, *state) for state in STATES]
    tables = [_runs(request), _alerts(request), _events(request)]
    return context | {"title": "Overview", "counts": counts, "tables": tables}


def _count(accounts: Any, state: str, label: str, tone: str) -> dict[str, Any]:
    count = in_state(accounts.filter(closed_at=None), state).count()
    href = f"{reverse('admin:accounts_account_changelist')}?state={state}"
    return {"label": label, "count": count, "href": href, "tone": tone if count or state == "NORMAL" else ""}


def _runs(request: HttpRequest) -> Table:
    runs = LiquidationRun.objects.filter(account__in=visible_accounts(user_of(request)), state__in=ON_THE_DESK)
    rows = [[account_link(run.account), *run_row(run)] for run in runs.select_related("account")[:LAST]]
    columns = ("Account", "Run", "State", "Cause", "Requested", "By", "Ended", "Why")
    href = reverse("admin:liquidation_liquidationrun_changelist")
    return Table("runs", "Liquidations not finished", columns, rows, "Nothing is being liquidated.", href)


def _alerts(request: HttpRequest) -> Table:
    user = user_of(request)
    seen = Q() if user.is_superuser else Q(account__in=visible_accounts(user))
    alerts = Alert.objects.filter(seen, cleared_at=None).select_related("account")[:LAST]
    rows = [
        [moment(alert.raised_at), account_link(alert.account) if alert.account else Cell(NOTHING), Cell(alert.text)]
        for alert in alerts
    ]
    href = f"{reverse('admin:liquidation_alert_changelist')}?alerts=open"
    return Table("alerts", "Open alerts", ("When (UTC)", "Account", "What"), rows, "No open alerts.", href)


def _events(request: HttpRequest) -> Table:
    entries = visible_entries(request, AuditEntry.objects.all())[:LAST]
    columns = ("When (UTC)", "Who", "What", "On", "Change", "Reason")
    href = reverse("admin:accounts_auditentry_changelist")
    return Table("events", "Last events", columns, audit_rows(list(entries)), "Nothing has happened yet.", href)
