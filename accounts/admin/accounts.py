"""The pages of accounts."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import ForeignKey, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin.account_actions import LIQUIDATE, LIQUIDATE_ONLY, LOCK, UNLOCK, run_action
from accounts.admin.account_list import CompanyFilter, StateFilter, TreePaginator
from accounts.admin.account_panels import panels_of
from accounts.admin.credit_form import may_change_credit_loss
from accounts.admin.credit_tab import AccountCreditTab, AutoLiqTab
from accounts.admin.desk import DeskAdmin, actor_of, has_role_for, own_companies, user_of
from accounts.admin.readout import readout_of
from accounts.admin.refusal import RefusableForm, refusals_on
from accounts.admin.standing import standings
from accounts.admin.tables import NOTHING, words
from accounts.admin.theme import MODE_COLORS, RUN_COLORS, colored
from accounts.admin.widgets import Select, TextInput
from accounts.models import Account, AccountAutoLiq, AccountCredit
from accounts.permissions import may, visible_accounts
from accounts.rules.hierarchy import AccountType
from accounts.rules.locks import LockCause, tt_flags
from accounts.rules.roles import Verb
from accounts.selectors import open_locks
from accounts.services.limits import save_account_credit, save_auto_liq
from accounts.services.structure import change_account, create_account, move_account

TYPES = (
    (AccountType.ROUTING_EXTERNAL.value, "Routing (external clearing account)"),
    (AccountType.ROUTING_INTERNAL.value, "Routing (internal sub-account)"),
    (AccountType.NON_ROUTING.value, "Non-routing"),
)
TYPE_NAMES = {
    "ROUTING_EXTERNAL": "Routing (external)",
    "ROUTING_INTERNAL": "Routing (internal)",
    "NON_ROUTING": "Non-routing",
}
EDITED = ("name", "type", "parent", "notes")


class AccountForm(RefusableForm):
    """The Settings tab; its reason is kept with whatever is saved on any tab."""

    reason = forms.CharField(required=False, widget=TextInput(), label="Reason for the change")
    type = forms.ChoiceField(choices=TYPES, widget=Select())

    class Meta:
        model = Account
        fields = ("company", *EDITED)


@admin.register(Account)
class AccountAdmin(DeskAdmin):
    """The tree of accounts, and one account with its tabs."""

    form = AccountForm
    list_display = ("indented_name", "company", "type_name", "parent", "mode", "cause", "run_state")
    list_display_links = ("indented_name",)
    list_select_related = ("company", "parent")
    list_filter = (CompanyFilter, "type", StateFilter)
    list_fullwidth = True
    search_fields = ("name", "notes")
    search_help_text = "Search by name or notes"
    sortable_by = ()
    paginator = TreePaginator
    autocomplete_fields = ("parent",)
    actions = ("lock_accounts", "liquidate_only_accounts", "liquidate_accounts", "unlock_accounts")
    change_form_outer_before_template = "admin/desk/account_head.html"
    change_form_after_template = "admin/desk/account_tail.html"
    change_form_show_cancel_button = True
    fieldsets = ((None, {"fields": ("company", *EDITED)}),)

    class Media:
        js = ("riskdesk/desk.js",)

    # What the user sees and may.

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        return super().get_queryset(request).filter(pk__in=visible_accounts(user_of(request)).values("pk"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return has_role_for(request, Verb.EDIT_ACCOUNT)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if obj is None:
            return has_role_for(request, Verb.EDIT_CREDIT)
        actor = actor_of(request)
        return not obj.is_closed and (may(actor, Verb.EDIT_CREDIT, obj) or may_change_credit_loss(actor, obj).allowed)

    def has_lock_permission(self, request: HttpRequest) -> bool:
        return has_role_for(request, Verb.LOCK)

    def has_liquidate_permission(self, request: HttpRequest) -> bool:
        return has_role_for(request, Verb.LIQUIDATE)

    def has_unlock_permission(self, request: HttpRequest) -> bool:
        return has_role_for(request, Verb.UNLOCK)

    # The list.

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changes = super().get_changelist_instance(request)
        changes.result_list = changes.paginator.in_tree_order(changes.result_list)
        found = standings([account.pk for account in changes.result_list])
        for account in changes.result_list:
            account.standing = found[account.pk]
        return changes

    @admin.display(description="Name")
    def indented_name(self, account: Any) -> SafeString:
        return format_html('<span class="desk-depth-{}">{}</span>', min(account.standing.depth, 8), account.name)

    @admin.display(description="Type")
    def type_name(self, account: Account) -> str:
        return TYPE_NAMES[account.type]

    @colored(description="Trading mode", colors=MODE_COLORS)
    def mode(self, account: Any) -> str:
        return "Closed" if account.is_closed else words(account.standing.mode)

    @admin.display(description="Cause", empty_value=NOTHING)
    def cause(self, account: Any) -> str | None:
        return account.standing.cause(account.pk) or None

    @admin.display(description="Liquidation", empty_value=NOTHING)
    def run_state(self, account: Any) -> SafeString | None:
        run = account.standing.run
        if run is None:
            return None
        url = reverse("admin:liquidation_liquidationrun_change", args=[run.pk])
        return format_html('<a class="desk-link" href="{}">Run {}: {}</a>', url, run.pk, words(run.state))

    @admin.action(description="Lock", permissions=["lock"])
    def lock_accounts(self, request: HttpRequest, queryset: QuerySet[Account]) -> Any:
        return run_action(self, request, queryset, LOCK)

    @admin.action(description="Liquidate only", permissions=["lock"])
    def liquidate_only_accounts(self, request: HttpRequest, queryset: QuerySet[Account]) -> Any:
        return run_action(self, request, queryset, LIQUIDATE_ONLY)

    @admin.action(description="Liquidate", permissions=["liquidate"])
    def liquidate_accounts(self, request: HttpRequest, queryset: QuerySet[Account]) -> Any:
        return run_action(self, request, queryset, LIQUIDATE)

    @admin.action(description="Unlock", permissions=["unlock"])
    def unlock_accounts(self, request: HttpRequest, queryset: QuerySet[Account]) -> Any:
        return run_action(self, request, queryset, UNLOCK)

    # One account.

    def get_inlines(self, request: HttpRequest, obj: Account | None) -> Any:
        return () if obj is None else (AccountCreditTab, AutoLiqTab)

    def get_readonly_fields(self, request: HttpRequest, obj: Account | None = None) -> Any:
        if obj is None:
            return ()
        actor = actor_of(request)
        if may(actor, Verb.EDIT_STRUCTURE, obj):
            return ("company",)
        return ("company", "type", "parent") if may(actor, Verb.EDIT_ACCOUNT, obj) else ("company", *EDITED)

    def formfield_for_foreignkey(self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        user = user_of(request)
        if db_field.name == "parent":
            kwargs["queryset"] = visible_accounts(user).filter(closed_at=None)
        if db_field.name == "company":
            kwargs["queryset"] = own_companies(user)
            kwargs["initial"] = user.company_id
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        account = self.get_object(request, object_id) if object_id else None
        facts: dict[str, Any] = {}
        if account is not None:
            facts = self._facts(request, account)
            # The tab strip is rendered on its own and sees no more of the page than the request.
            request.desk_tabs = facts["panels"]  # type: ignore[attr-defined]  # the request carries what belongs to it
        return super().changeform_view(request, object_id, form_url, facts | (extra_context or {}))

    def _facts(self, request: HttpRequest, account: Account) -> dict[str, Any]:
        standing = standings([account.pk])[account.pk]
        actor = actor_of(request)
        actions = [wanted for wanted in (LOCK, LIQUIDATE_ONLY, LIQUIDATE, UNLOCK) if may(actor, wanted.verb, account)]
        causes = (LockCause(lock.cause) for lock in open_locks([account.pk]))
        return {
            "account": account,
            "standing": standing,
            "mode": "Closed" if account.is_closed else words(standing.mode),
            "mode_tone": MODE_COLORS["Closed" if account.is_closed else words(standing.mode)],
            "cause": standing.cause(account.pk),
            "run": standing.run,
            "run_tone": RUN_COLORS.get(words(standing.run.state)) if standing.run else "",
            "flags": tt_flags(causes),
            "desk_actions": actions,
            "readout": readout_of(account, timezone.now()),
            "panels": panels_of(account),
        }

    def save_model(self, request: HttpRequest, obj: Account, form: Any, change: bool) -> None:
        now, actor = timezone.now(), actor_of(request)
        with refusals_on(Account):
            if not change:
                values = form.cleaned_data
                created = create_account(
                    company=values["company"],
                    name=values["name"],
                    account_type=AccountType(values["type"]),
                    parent=values["parent"],
                    actor=actor,
                    now=now,
                )
                obj.pk = created.pk
                return
            self._save_changes(obj.pk, form, {"actor": actor, "now": now, "reason": form.cleaned_data["reason"]})

    def _save_changes(self, account_id: int, form: Any, who: dict[str, Any]) -> None:
        changes = form.changes()
        is_moved = "parent" in changes
        parent = changes.pop("parent", None)
        if changes:
            change_account(account_id=account_id, changes=changes, **who)
        if is_moved:
            move_account(account_id=account_id, parent=parent, **who)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        save = {AccountCredit: save_account_credit, AccountAutoLiq: save_auto_liq}[formset.model]
        who = {"actor": actor_of(request), "now": timezone.now(), "reason": form.cleaned_data.get("reason", "")}
        for tab in formset.forms:
            if tab.has_changed() and (changes := tab.changes()):
                with refusals_on(formset.model):
                    save(account_id=form.instance.pk, changes=changes, **who)
