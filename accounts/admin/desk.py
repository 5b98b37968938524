"""What every page of the desk has in common: who acts, who sees what, and that only services write."""

from typing import Any, cast

from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse

from accounts.admin.refusal import RefusableForm, SaveRefused, refusal_on, remember
from accounts.admin.theme import ModelAdmin
from accounts.models import Company, User
from accounts.permissions import Actor, Door, may, visible_accounts
from accounts.rules.roles import Role, Verb, role_may


def actor_of(request: HttpRequest) -> Actor:
    """Return who acts through this request."""
    return Actor(Door.ADMIN, user_of(request), request.META.get("REMOTE_ADDR", ""))


def user_of(request: HttpRequest) -> User:
    """Return the signed-in user; the admin site lets nobody else in."""
    return cast("User", request.user)


def has_role_for(request: HttpRequest, verb: Verb) -> bool:
    """Return whether the user's role may ever do this; on which objects is asked when it is done."""
    user = user_of(request)
    return user.is_active and (user.is_superuser or role_may(Role(user.role), verb))


def may_in_company(request: HttpRequest, verb: Verb, company_id: int | None) -> bool:
    """Return whether the user may do this in this company."""
    user = user_of(request)
    return user.is_superuser or (may(actor_of(request), verb) and user.company_id == company_id)


def own_companies(user: User) -> QuerySet[Company]:
    """Return the companies for which the user may make things: their own, or all for the platform."""
    return Company.objects.all() if user.is_superuser else Company.objects.filter(users=user)


class DeskAdmin(ModelAdmin):
    """A page that shows what its user may see. Nothing can be added, changed or deleted unless a subclass says so."""

    list_per_page = 50
    show_full_result_count = False
    list_filter_sheet = False
    account_lookup = ""
    """The way from this model to its account, for pages that show only visible accounts' rows."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        if not self.account_lookup or user_of(request).is_superuser:
            return rows
        return rows.filter(**{f"{self.account_lookup}__in": visible_accounts(user_of(request))})

    def has_module_permission(self, request: HttpRequest) -> bool:
        return user_of(request).is_active

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return user_of(request).is_active

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        return []  # Django's own log is not kept: the service has written the audit entry

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Write nothing: the service has written the audit entry."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Write nothing: the service has written the audit entry."""

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = kwargs.pop("form", None) or (self.form if issubclass(self.form, RefusableForm) else RefusableForm)
        read_only = dict.fromkeys(
            name for name in self.get_readonly_fields(request, obj) if name in form.declared_fields
        )
        facts = {"refusal": refusal_on(request, self.model)} | self.form_facts(request, obj) | read_only
        bound = type("BoundForm", (form,), facts)
        return super().get_form(request, obj, change=change, form=bound, **kwargs)

    def form_facts(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Return what the form must know of this request, as attributes of its class."""
        return {}

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        context = {"show_save_and_add_another": False} | (extra_context or {})
        try:
            return super().changeform_view(request, object_id, form_url, context)
        except SaveRefused as refused:
            remember(request, refused.refusal)
            return super().changeform_view(request, object_id, form_url, context)

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm[Any], change: bool) -> None:
        raise TypeError(f"{self.opts.verbose_name}: a door does not write; call a service")

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        for formset in formsets:
            self.save_formset(request, form, formset, change)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        raise TypeError(f"{formset.model.__name__}: a door does not write; call a service")
