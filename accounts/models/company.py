"""Firms and their people."""

from django.contrib.auth.models import AbstractUser
from django.db import models

from accounts.models.fields import one_of, word_field
from accounts.rules.roles import Role


class Company(models.Model):
    """A firm that owns users and accounts."""

    name = models.CharField(max_length=64, unique=True)
    post_trade_risk_enabled = models.BooleanField(
        "Enable credit loss actions (including auto-liquidation)",
        default=True,
        help_text="Off: limits are stored and shown, but no breach has any effect.",
    )
    carry_realized_pnl = models.BooleanField(
        "Carry the previous session's realized P/L",
        default=False,
        help_text="On: the session's base is the daily limit plus or minus the previous session's realized P/L.",
    )
    auto_liquidation_user = models.ForeignKey(
        "accounts.User",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="Closing orders go to the exchange in this user's name. Without one no liquidation starts.",
    )

    class Meta:
        verbose_name_plural = "companies"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class User(AbstractUser):
    """A person or a program. Belongs to one company; only a platform superuser belongs to none."""

    company = models.ForeignKey(Company, on_delete=models.PROTECT, null=True, blank=True, related_name="users")
    role = word_field(Role, default=Role.VIEW_ONLY)

    class Meta(AbstractUser.Meta):
        ordering = ["username"]
        constraints = [
            one_of("role", Role, "user_role_known"),
            models.CheckConstraint(
                condition=models.Q(company__isnull=False) | models.Q(is_superuser=True), name="user_has_company"
            ),
        ]


class UserExchangeSetting(models.Model):
    """The id by which an exchange knows a user (Tag 50, operator id)."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="exchange_settings")
    exchange = models.CharField(max_length=16)
    operator_id = models.CharField("operator ID", max_length=20)

    class Meta:
        ordering = ["exchange"]
        constraints = [
            models.UniqueConstraint(fields=["user", "exchange"], name="operator_id_once_per_exchange"),
            models.CheckConstraint(condition=~models.Q(operator_id=""), name="operator_id_not_empty"),
        ]

    def __str__(self) -> str:
        return f"{self.exchange}: {self.operator_id}"


class ApiToken(models.Model):
    """A bearer token of the API, kept only as its digest."""

    digest = models.CharField(max_length=64, unique=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.user} until {self.expires_at:%Y-%m-%d %H:%M}"
