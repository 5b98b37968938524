"""Why an account may not trade."""

from django.db import models
from django.db.models import Q

from accounts.models.account import Account
from accounts.models.company import User
from accounts.models.fields import one_of, word_field
from accounts.rules.locks import AdminAction, LockCause, LockMode


class AccountLock(models.Model):
    """One reason why an account may not trade; in force until `released_at` is set.

    An account is locked while any lock on it or on an ancestor is open, so lifting one cause never lifts another.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="locks")
    cause = word_field(LockCause)
    mode = word_field(LockMode)
    reason = models.TextField(max_length=8192)
    opened_at = models.DateTimeField()
    opened_by = models.CharField(max_length=200)
    release_due_at = models.DateTimeField(null=True, blank=True, help_text="Lifted by itself then. Empty: by a person.")
    released_at = models.DateTimeField(null=True, blank=True)
    released_by = models.CharField(max_length=200, blank=True)
    release_reason = models.TextField(blank=True, max_length=8192)

    class Meta:
        ordering = ["-opened_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "cause", "mode"], condition=Q(released_at=None), name="one_open_lock_per_cause"
            ),
            one_of("cause", LockCause, "lock_cause_known"),
            one_of("mode", LockMode, "lock_mode_known"),
        ]

    def __str__(self) -> str:
        return f"{self.account}: {self.cause} {self.mode}"


class AdminActionRecord(models.Model):
    """One admin action set on an account; the newest is the account's `adminAction` on the wire."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="admin_actions")
    action = models.CharField(max_length=40, choices=[(word.value, word.value) for word in AdminAction])
    reason_code = models.CharField(max_length=40)
    reason = models.TextField(blank=True, max_length=8192)
    set_at = models.DateTimeField()
    set_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    expires_at = models.DateTimeField(null=True, blank=True, help_text="A hold ends by itself then.")
    next_action = models.CharField(
        max_length=40, default=AdminAction.NORMAL.value, help_text="What it reads after a hold."
    )

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["account", "-id"], name="newest_admin_action")]

    def __str__(self) -> str:
        return f"{self.account}: {self.action}"
