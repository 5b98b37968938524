"""A liquidation and everything it did."""

from django.db import models
from django.db.models import Q

from accounts.models import Account, Order, User
from accounts.models.fields import one_of, word_field
from liquidation.models.evaluation import Evaluation
from liquidation.rules.states import ACTIVE, RunState


class LiquidationRun(models.Model):
    """Cancel every working order of an account's tree, close its net positions, and prove that it is flat.

    The committed row is the promise: a worker that dies leaves it to the next one. `lease_token` fences off the worker
    that lost its claim.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="runs")
    state = word_field(RunState, default=RunState.REQUESTED)
    reason = models.CharField(max_length=40, blank=True, help_text="Why it needs an operator or was stopped.")
    cause = models.CharField(max_length=40, help_text="The limit or the action that asked for it.")
    requested_at = models.DateTimeField()
    requested_by = models.CharField(max_length=200)
    evaluation = models.ForeignKey(Evaluation, on_delete=models.PROTECT, null=True, related_name="runs")
    liquidation_user = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    deadline_at = models.DateTimeField()
    state_since = models.DateTimeField()
    wake_at = models.DateTimeField(help_text="Nothing is due before.")
    ended_at = models.DateTimeField(null=True, blank=True)
    lease_token = models.CharField(max_length=32, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(state__in=sorted(ACTIVE)),
                name="one_active_run_per_account",
            ),
            one_of("state", RunState, "run_state_known"),
        ]
        indexes = [models.Index(fields=["wake_at"], name="run_due", condition=Q(state__in=sorted(ACTIVE)))]  # the sweep

    def __str__(self) -> str:
        return f"Run {self.pk} of {self.account}: {self.state}"

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE


class RunStep(models.Model):
    """One line of a run's timeline."""

    run = models.ForeignKey(LiquidationRun, on_delete=models.PROTECT, related_name="steps")
    at = models.DateTimeField()
    event = models.CharField(max_length=40)
    state = word_field(RunState)
    text = models.TextField(blank=True)
    detail = models.JSONField(default=dict)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S.%f} {self.event} {self.text}"


class RunOrder(models.Model):
    """A closing order of a run: which leg and which attempt."""

    run = models.ForeignKey(LiquidationRun, on_delete=models.PROTECT, related_name="run_orders")
    order = models.OneToOneField(Order, on_delete=models.PROTECT, related_name="run_order")
    leg = models.PositiveSmallIntegerField()
    attempt = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["run", "leg", "attempt"], name="one_order_per_leg_and_attempt")]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.leg}/{self.attempt}"
