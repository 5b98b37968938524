"""The pages of liquidations: their list, and the live page of one with its three buttons."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from accounts.admin.account_panels import run_tone
from accounts.admin.desk import DeskAdmin, actor_of
from accounts.admin.tables import Table, when, words
from accounts.admin.theme import RUN_COLORS, colored
from accounts.errors import RiskError
from accounts.permissions import may
from accounts.rules.roles import Verb
from liquidation.admin.timeline import decision_facts, operations_of, order_rows, timeline
from liquidation.models import LiquidationRun
from liquidation.rules.states import RunEvent
from liquidation.services.runs import confirm_flat, resume_run, stop_run

OPERATE = {
    RunEvent.RESUME.value: (resume_run, "resumed"),
    RunEvent.STOP.value: (stop_run, "stopped"),
    RunEvent.CONFIRM_BY_HAND.value: (confirm_flat, "confirmed flat"),
}
VERBS = {
    RunEvent.RESUME.value: Verb.RESUME_RUN,
    RunEvent.STOP.value: Verb.END_RUN,
    RunEvent.CONFIRM_BY_HAND.value: Verb.END_RUN,
}
ORDER_COLUMNS = ("Leg", "Account", "Contract", "Side", "Quantity", "Type", "Price", "Status", "Fills", "Order id")


@admin.register(LiquidationRun)
class LiquidationRunAdmin(DeskAdmin):
    """Liquidations, from the price to flat."""

    account_lookup = "account"
    list_display = (
        "run", "account", "state_word", "cause_word", when("requested_at", "Requested", milliseconds=True),
        "requested_by", when("ended_at", "Ended", milliseconds=True), "reason_word",
    )  # fmt: skip
    list_display_links = ("run",)
    list_select_related = ("account",)
    list_filter = ("state",)
    search_fields = ("account__name", "cause")
    change_form_template = "admin/desk/run.html"

    @admin.display(description="Run")
    def run(self, run: LiquidationRun) -> str:
        return f"Run {run.pk}"

    @colored(description="State", colors=RUN_COLORS)
    def state_word(self, run: LiquidationRun) -> str:
        return words(run.state)

    @admin.display(description="Cause")
    def cause_word(self, run: LiquidationRun) -> str:
        return words(run.cause)

    @admin.display(description="Why")
    def reason_word(self, run: LiquidationRun) -> str:
        return words(run.reason)

    def get_queryset(self, request: HttpRequest) -> QuerySet[LiquidationRun]:
        return super().get_queryset(request).select_related("account", "evaluation", "liquidation_user")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("<int:run_id>/live/", view(require_GET(self.live)), name="liquidation_run_live"),
            path("<int:run_id>/operate/", view(require_POST(self.operate)), name="liquidation_run_operate"),
        ]
        return own + super().get_urls()

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        run = self.get_object(request, object_id)
        facts = self._page(request, run) if run is not None else {}
        return super().change_view(request, object_id, form_url, facts | (extra_context or {}))

    def live(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """Return the part of the page that changes; the whole page again when what may be done has changed."""
        run = self._visible(request, run_id)
        response = TemplateResponse(request, "admin/desk/run_live.html", _live(run))
        if request.GET.get("offered", "") != _offered(run):
            response["HX-Refresh"] = "true"
        return response

    def operate(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """Resume, stop or confirm by hand, and say how it went."""
        run = self._visible(request, run_id)
        service, done = OPERATE.get(request.POST.get("event", ""), (None, ""))
        if service is None:
            raise Http404
        try:
            reason = request.POST.get("reason", "")
            service(run_id=run.pk, actor=actor_of(request), reason=reason, now=timezone.now())
        except RiskError as error:
            messages.error(request, error.text)
        else:
            messages.success(request, f"Run {run.pk} is {done}.")
        return HttpResponseRedirect(reverse("admin:liquidation_liquidationrun_change", args=[run.pk]))

    def _visible(self, request: HttpRequest, run_id: int) -> LiquidationRun:
        run: LiquidationRun | None = self.get_queryset(request).filter(pk=run_id).first()
        if run is None:
            raise Http404
        return run

    def _page(self, request: HttpRequest, run: LiquidationRun) -> dict[str, Any]:
        actor = actor_of(request)
        return _live(run) | {
            "operations": [line for line in operations_of(run) if may(actor, VERBS[line[0]], run.account)],
            "decision": decision_facts(run.evaluation) if run.evaluation else [],
        }


def _offered(run: LiquidationRun) -> str:
    return ",".join(event for event, _ in operations_of(run))


def _live(run: LiquidationRun) -> dict[str, Any]:
    orders = Table("orders", "Closing orders", ORDER_COLUMNS, order_rows(run), "No closing order was sent.")
    return {
        "run": run,
        "offered": _offered(run),
        "state": words(run.state),
        "tone": run_tone(run),
        "cause": words(run.cause),
        "why": words(run.reason) if run.reason else "",
        "lines": timeline(run),
        "orders": orders,
    }
