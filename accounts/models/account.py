"""Accounts, their trees, who is assigned to them, and with whom they are shared."""

from django.db import models

from accounts.models.company import Company, User
from accounts.models.fields import one_of, word_field
from accounts.rules.hierarchy import AccountType


class Account(models.Model):
    """A place to hold positions and limits; a sub-account has one parent.

    Limits on an account bind the sum of its tree. The tree's closure is kept in `AccountPath`.
    """

    company = models.ForeignKey(Company, on_delete=models.PROTECT, related_name="accounts")
    name = models.CharField(max_length=64)
    type = word_field(AccountType, default=AccountType.ROUTING_EXTERNAL)
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="children")
    notes = models.TextField(blank=True, max_length=8192)
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["company__name", "name"]
        constraints = [
            models.UniqueConstraint(fields=["company", "name"], name="account_name_once_per_company"),
            models.CheckConstraint(condition=~models.Q(parent=models.F("id")), name="account_not_its_own_parent"),
            models.CheckConstraint(condition=~models.Q(name=""), name="account_name_not_empty"),
            one_of("type", AccountType, "account_type_known"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_closed(self) -> bool:
        return self.closed_at is not None

    @property
    def is_routing(self) -> bool:
        return AccountType(self.type).is_routing


class AccountPath(models.Model):
    """One pair of the tree's closure: `ancestor` is `depth` levels above `descendant` (0: itself)."""

    ancestor = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="paths_down")
    descendant = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="paths_up")
    depth = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["ancestor", "descendant"], name="path_once")]
        indexes = [models.Index(fields=["descendant", "depth"], name="path_upwards")]  # the order gate's look-up

    def __str__(self) -> str:
        return f"{self.ancestor_id} > {self.descendant_id} ({self.depth})"


class AccountAssignment(models.Model):
    """A user who may act on an account and on everything below it."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="assignments")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="assignments")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "user"], name="assignment_once")]

    def __str__(self) -> str:
        return f"{self.user} on {self.account}"


class AccountShare(models.Model):
    """Another company may see this account and hang its own sub-accounts under it, not edit it or share it on."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="shares")
    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="shared_accounts")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "company"], name="share_once")]

    def __str__(self) -> str:
        return f"{self.account} with {self.company}"


class Connection(models.Model):
    """A company's way to one exchange."""

    company = models.ForeignKey(Company, on_delete=models.PROTECT, related_name="connections")
    name = models.CharField(max_length=64)
    exchange = models.CharField(max_length=16)
    gateway = models.CharField(max_length=40, default="simulated", help_text="Which gateway carries the orders.")

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["company", "name"], name="connection_name_once_per_company")]

    def __str__(self) -> str:
        return f"{self.name} ({self.exchange})"


class AccountConnection(models.Model):
    """A connection given to an account and so to its sub-accounts, or taken off a sub-account (`is_removed`)."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="account_connections")
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="account_connections")
    is_removed = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "connection"], name="account_connection_once")]

    def __str__(self) -> str:
        return f"{self.account}: {self.connection}"
