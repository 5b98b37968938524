"""Credit settings: the boxes of the SOD/Credit tabs and the wire's auto-liquidation limits."""

import datetime as dt

from django.db import models
from django.db.models import Q

from accounts.models.account import Account
from accounts.models.company import Company, User
from accounts.models.fields import MoneyField, PercentField, one_of, word_field
from accounts.rules.credit import CreditLossAction, CreditRule


class CreditSettings(models.Model):
    """The fields that the account's and the user's SOD/Credit tabs have in common."""

    create_sod = models.BooleanField("Create start-of-day (SOD) records", default=True)
    override_reset = models.BooleanField("Override position reset time", default=False)
    reset_time = models.TimeField(default=dt.time(0, 0))
    reset_timezone = models.CharField("Timezone", max_length=64, blank=True)
    check_credit = models.BooleanField(default=False)
    apply_to_block_cross = models.BooleanField("Apply to Block/Cross Orders", default=False)
    daily_limit = MoneyField(null=True, blank=True)
    currency = models.CharField(max_length=3, default="USD")
    rule = word_field(CreditRule, default=CreditRule.PNL)

    class Meta:
        abstract = True


class AccountCredit(CreditSettings):
    """An account's SOD/Credit tab."""

    account = models.OneToOneField(Account, on_delete=models.CASCADE, primary_key=True, related_name="credit")
    create_spread_sod = models.BooleanField("Create SOD records for Spread\\Strategy Positions", default=False)
    persist_lme = models.BooleanField(
        "Persist LME rolling contract positions in the rolling contract instead of into the underlying instrument "
        "at reset",
        default=False,
    )
    trade_out_allowed = models.BooleanField(default=True)
    credit_loss_action = word_field(CreditLossAction, default=CreditLossAction.NONE)
    credit_loss_pct = PercentField("Credit loss %", null=True, blank=True)
    credit_loss_company = models.ForeignKey(
        Company,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="The company that switched the action on; its liquidation user closes. Empty: the owner.",
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(daily_limit__gte=0) | Q(daily_limit=None), name="account_daily_limit_sign"
            ),
            models.CheckConstraint(
                condition=Q(credit_loss_pct=None) | Q(credit_loss_pct__gt=0, credit_loss_pct__lte=100),
                name="credit_loss_pct_range",
            ),
            models.CheckConstraint(
                condition=Q(credit_loss_action=CreditLossAction.NONE) | Q(credit_loss_pct__isnull=False),
                name="credit_loss_action_has_pct",
            ),
            models.CheckConstraint(
                condition=Q(override_reset=False) | ~Q(reset_timezone=""), name="account_reset_has_zone"
            ),
            models.CheckConstraint(condition=Q(persist_lme=False) | Q(create_sod=True), name="lme_needs_sod"),
            one_of("rule", CreditRule, "account_rule_known"),
            one_of("credit_loss_action", CreditLossAction, "credit_loss_action_known"),
        ]

    def __str__(self) -> str:
        return f"Credit of {self.account}"


class UserCredit(CreditSettings):
    """A user's SOD/Credit tab: the account's without the credit-loss box."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="credit")
    create_sod = models.BooleanField("Create start-of-day (SOD) records", default=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(daily_limit__gte=0) | Q(daily_limit=None), name="user_daily_limit_sign"),
            models.CheckConstraint(
                condition=Q(override_reset=False) | ~Q(reset_timezone=""), name="user_reset_has_zone"
            ),
            one_of("rule", CreditRule, "user_rule_known"),
        ]

    def __str__(self) -> str:
        return f"Credit of {self.user}"


class AccountAutoLiq(models.Model):
    """The wire's `userAccountAutoLiq`, one per account. Empty: that rule is not applied. Amounts are positive."""

    account = models.OneToOneField(Account, on_delete=models.CASCADE, primary_key=True, related_name="auto_liq")
    changes_locked = models.BooleanField(default=False)
    margin_percentage_alert = PercentField(null=True, blank=True)
    daily_loss_percentage_alert = PercentField(null=True, blank=True)
    daily_loss_alert = MoneyField(null=True, blank=True)
    margin_percentage_liq_only = PercentField(null=True, blank=True)
    daily_loss_percentage_liq_only = PercentField(null=True, blank=True)
    daily_loss_liq_only = MoneyField(null=True, blank=True)
    margin_percentage_auto_liq = PercentField(null=True, blank=True)
    daily_loss_percentage_auto_liq = PercentField(null=True, blank=True)
    daily_loss_auto_liq = MoneyField(null=True, blank=True)
    weekly_loss_auto_liq = MoneyField(null=True, blank=True)
    flatten_timestamp = models.DateTimeField(null=True, blank=True)
    trailing_max_drawdown = MoneyField(null=True, blank=True)
    trailing_max_drawdown_limit = MoneyField(null=True, blank=True)
    trailing_max_drawdown_mode = models.CharField(
        max_length=8, blank=True, choices=[("EOD", "End of day"), ("RealTime", "Real time")]
    )
    daily_profit_auto_liq = MoneyField(null=True, blank=True)
    weekly_profit_auto_liq = MoneyField(null=True, blank=True)
    do_not_unlock = models.BooleanField(default=False)

    class Meta:
        verbose_name = "auto-liquidation limits"
        verbose_name_plural = "auto-liquidation limits"

    def __str__(self) -> str:
        return f"Auto-liquidation limits of {self.account}"
