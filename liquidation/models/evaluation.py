"""What the engine decided and what it wants a person to know."""

from django.db import models

from accounts.models import Account
from accounts.models.fields import MoneyField, one_of, word_field
from liquidation.rules.limits import Action, LimitKind


class Evaluation(models.Model):
    """One decision that had consequences: the limit reached, the figures and the prices it was decided with."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="evaluations")
    decided_at = models.DateTimeField()
    kind = word_field(LimitKind)
    action = word_field(Action)
    pnl = MoneyField()
    pnl_level = MoneyField()
    threshold = MoneyField()
    currency = models.CharField(max_length=3)
    inputs = models.JSONField(default=dict, help_text="Positions, marks with their age and source, rates and settings.")

    class Meta:
        ordering = ["-id"]
        constraints = [
            one_of("kind", LimitKind, "evaluation_kind_known"),
            one_of("action", Action, "evaluation_action_known"),
        ]

    def __str__(self) -> str:
        return f"{self.account}: {self.kind} {self.action} at {self.pnl}"


class Alert(models.Model):
    """Something a person should look at. Raised once per crossing; armed again when the cause is gone."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, null=True, related_name="alerts")
    code = models.CharField(max_length=64)
    text = models.TextField()
    raised_at = models.DateTimeField(db_index=True)
    cleared_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "code"], condition=models.Q(cleared_at=None), name="one_open_alert_per_code"
            )
        ]

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"
