"""Who did what, when, from where and why: append-only, refused by the database itself to change, chained by hash."""

from django.db import models

from accounts.models.account import Account
from accounts.models.company import Company, User


class AuditEntry(models.Model):
    """One change, written in the change's own transaction."""

    at = models.DateTimeField(db_index=True)
    action = models.CharField(max_length=64, db_index=True)
    actor = models.CharField(max_length=200)
    user = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    door = models.CharField(max_length=16)
    address = models.CharField(max_length=64, blank=True)
    company = models.ForeignKey(Company, on_delete=models.PROTECT, null=True, related_name="+")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, null=True, related_name="audit_entries")
    object_type = models.CharField(max_length=40)
    object_id = models.BigIntegerField(null=True)
    object_name = models.CharField(max_length=200, blank=True)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    reason = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "audit entries"
        ordering = ["-id"]
        indexes = [models.Index(fields=["object_type", "object_id"], name="audit_of_object")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.action} {self.object_name}"


class AuditSeal(models.Model):
    """One link of the chain: the hash of an entry's content and of the link before it."""

    entry = models.OneToOneField(AuditEntry, on_delete=models.PROTECT, related_name="seal")
    previous_hash = models.CharField(max_length=64, unique=True)
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.hash
