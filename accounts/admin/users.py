"""The pages of users."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.password_validation import validate_password
from django.db.models import ForeignKey, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.admin.credit_tab import UserCreditTab
from accounts.admin.desk import DeskAdmin, actor_of, has_role_for, may_in_company, own_companies, user_of
from accounts.admin.refusal import RefusableForm, refusals_on
from accounts.admin.tables import when
from accounts.admin.theme import TabularInline
from accounts.admin.widgets import PasswordInput, TextInput
from accounts.models import User, UserExchangeSetting
from accounts.rules.roles import Role, Verb
from accounts.services.companies import change_user, create_user
from accounts.services.limits import save_user_credit


class UserForm(RefusableForm):
    """A user's profile."""

    reason = forms.CharField(required=False, widget=TextInput(), label="Reason for the change")

    class Meta:
        model = User
        fields = ("username", "first_name", "last_name", "email", "role", "is_active")


class NewUserForm(UserForm):
    """A new user with a first password."""

    password = forms.CharField(
        widget=PasswordInput(attrs={"autocomplete": "new-password"}), help_text="The first password, to be changed."
    )

    class Meta:
        model = User
        fields = ("company", "username", "role", "is_active")

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        validate_password(password)
        return password

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        if cleaned.get("company") is None and "company" not in self.errors:
            self.add_error("company", "Every user belongs to a company.")
        return cleaned


class ExchangeSettingForm(RefusableForm):
    """One operator id. An id is replaced by taking the row away and adding another."""

    class Meta:
        model = UserExchangeSetting
        fields = ("exchange", "operator_id")


class ExchangeSettings(TabularInline):
    """The ids by which exchanges know the user; saved together, as one setting of the user."""

    model = UserExchangeSetting
    form = ExchangeSettingForm
    tab = True
    extra = 0
    verbose_name = "exchange setting"
    verbose_name_plural = "exchange settings"

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def has_add_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return self.has_change_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return obj is not None and may_in_company(request, Verb.EDIT_USERS, obj.company_id)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return self.has_change_permission(request, obj)


@admin.register(User)
class UserAdmin(DeskAdmin):
    """People and programs of a company."""

    form = UserForm
    list_display = ("username", "company", "role", "is_active", when("last_login", "Last login"))
    list_select_related = ("company",)
    list_filter = ("role", "is_active")
    search_fields = ("username", "first_name", "last_name", "email")
    change_form_after_template = "admin/desk/reason.html"

    class Media:
        js = ("riskdesk/desk.js",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        rows = super().get_queryset(request)
        user = user_of(request)
        if user.is_superuser:
            return rows
        if user.role == Role.TRADER:
            return rows.filter(pk=user.pk)
        return rows.filter(company=user.company_id)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return has_role_for(request, Verb.EDIT_USERS)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if obj is None:
            return has_role_for(request, Verb.EDIT_USERS)
        return obj.company_id is not None and may_in_company(request, Verb.EDIT_USERS, obj.company_id)

    def get_inlines(self, request: HttpRequest, obj: User | None) -> Any:
        return () if obj is None or obj.company_id is None else (ExchangeSettings, UserCreditTab)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = UserForm if change else NewUserForm
        return super().get_form(request, obj, change=change, form=form, **kwargs)

    def get_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("company", "username", "password", "role", "is_active")
        return ("company", "username", "first_name", "last_name", "email", "role", "is_active", "last_login")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        return () if obj is None else ("company", "last_login")

    def formfield_for_foreignkey(self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        user = user_of(request)
        kwargs |= {"queryset": own_companies(user), "initial": user.company_id}
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        user = self.get_object(request, object_id) if object_id else None
        facts: dict[str, Any] = {}
        if user is not None and user.company is not None:
            is_chosen = user.company.auto_liquidation_user_id == user.pk
            facts = {"company": user.company, "is_liquidation_user": is_chosen}
        return super().changeform_view(request, object_id, form_url, facts | (extra_context or {}))

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        now, actor = timezone.now(), actor_of(request)
        with refusals_on(User):
            if change:
                changes, reason = form.changes(), form.cleaned_data["reason"]
                change_user(user_id=obj.pk, changes=changes, actor=actor, now=now, reason=reason)
                return
            values = form.cleaned_data
            created = create_user(
                company=values["company"],
                username=values["username"],
                role=Role(values["role"]),
                password=values["password"],
                is_active=values["is_active"],
                actor=actor,
                now=now,
            )
            obj.pk = created.pk

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        who = {"actor": actor_of(request), "now": timezone.now(), "reason": form.cleaned_data.get("reason", "")}
        if formset.model is UserExchangeSetting:
            if formset.has_changed():
                with refusals_on(User):
                    change_user(user_id=form.instance.pk, changes={}, operator_ids=_operator_ids(formset), **who)
            return
        for tab in formset.forms:
            if tab.has_changed() and (changes := tab.changes()):
                with refusals_on(formset.model):
                    save_user_credit(user_id=form.instance.pk, changes=changes, **who)


def _operator_ids(formset: Any) -> dict[str, str]:
    kept = (row.cleaned_data for row in formset.forms if row.cleaned_data and not row.cleaned_data.get("DELETE"))
    return {values["exchange"]: values["operator_id"] for values in kept}
