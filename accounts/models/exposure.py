"""What an account holds and has asked for: positions, start-of-day records, orders, fills and the session's figures."""

from decimal import Decimal

from django.db import models
from django.db.models import Q

from accounts.models.account import Account
from accounts.models.company import User
from accounts.models.fields import MoneyField, PriceField, one_of, word_field
from accounts.models.instrument import Instrument
from accounts.rules.orders import OPEN_STATUSES, OrderStatus, OrderType, TimeInForce
from accounts.rules.pnl import Holding, Side


class AccountSession(models.Model):
    """The figures an account's limits are measured from, fixed at the session's start.

    `base` is the daily limit plus the carry; it moves only at the reset or when the daily limit is changed by hand.
    `balance` runs on from session to session: what the account began with (the original balance, else its first daily
    limit) and the P/L of its whole tree since; a new daily limit does not move it. `next_reset_at` is the session's
    planned end: the tree is rolled when the top account's has passed.
    """

    account = models.OneToOneField(Account, on_delete=models.CASCADE, primary_key=True, related_name="session")
    trading_day = models.DateField()
    started_at = models.DateTimeField()
    next_reset_at = models.DateTimeField(db_index=True)
    roll_failed_at = models.DateTimeField(null=True, blank=True)
    base = MoneyField(null=True, blank=True)
    carry = MoneyField(default=Decimal(0))
    week_pnl_before = MoneyField(default=Decimal(0), help_text="Realized P/L of this week's earlier sessions.")
    original_balance = MoneyField(null=True, blank=True)
    balance = MoneyField(null=True, blank=True)
    max_net_liq = MoneyField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.account} {self.trading_day}"

    @property
    def starting_balance(self) -> Decimal | None:
        """Return what the auto-liquidation limits count net liq from; None where nothing is known."""
        return self.base if self.balance is None else self.balance


class SodRecord(models.Model):
    """The net position carried into a session, at its settlement or a hand-entered price."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="sod_records")
    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT)
    trading_day = models.DateField()
    net = models.IntegerField()
    price = PriceField()
    is_manual = models.BooleanField(default=False)
    published_at = models.DateTimeField()

    class Meta:
        ordering = ["-trading_day", "instrument__symbol"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "instrument", "trading_day"], name="sod_once_per_contract_and_day"
            )
        ]

    def __str__(self) -> str:
        return f"{self.account} {self.trading_day} {self.net} {self.instrument}"


class Position(models.Model):
    """One account's holding of one contract in this session. Values are price times quantity."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="positions")
    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="positions")
    prev_pos = models.IntegerField(default=0)
    prev_price = PriceField(default=Decimal(0))
    bought = models.PositiveIntegerField(default=0)
    bought_value = PriceField(default=Decimal(0))
    sold = models.PositiveIntegerField(default=0)
    sold_value = PriceField(default=Decimal(0))
    open_value = PriceField(default=Decimal(0))
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ["account", "instrument__symbol"]
        constraints = [models.UniqueConstraint(fields=["account", "instrument"], name="position_once_per_contract")]

    def __str__(self) -> str:
        return f"{self.account} {self.net} {self.instrument}"

    @property
    def net(self) -> int:
        return self.prev_pos + self.bought - self.sold

    @property
    def holding(self) -> Holding:
        """Return the row as the rules know it."""
        return Holding(
            prev_pos=self.prev_pos,
            prev_price=self.prev_price,
            bought=self.bought,
            bought_value=self.bought_value,
            sold=self.sold,
            sold_value=self.sold_value,
            open_value=self.open_value,
        )


class Order(models.Model):
    """An order as we know it; the row is committed before the venue hears of it."""

    client_order_id = models.CharField(max_length=96, unique=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="orders")
    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT)
    side = word_field(Side)
    qty = models.PositiveIntegerField()
    filled_qty = models.PositiveIntegerField(default=0)
    type = word_field(OrderType)
    time_in_force = word_field(TimeInForce, default=TimeInForce.DAY)
    price = PriceField(null=True, blank=True)
    stop_price = PriceField(null=True, blank=True)
    status = word_field(OrderStatus, default=OrderStatus.PENDING_NEW)
    is_liquidation = models.BooleanField(default=False, help_text="Placed to close a position; may only reduce.")
    is_automated = models.BooleanField(default=False)
    submitted_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    operator_id = models.CharField(max_length=20, blank=True)
    venue = models.CharField(max_length=40, default="simulated", help_text="The gateway that carries it.")
    failure_reason = models.CharField(max_length=64, blank=True)
    failure_text = models.TextField(blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    cancel_sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=Q(qty__gt=0), name="order_qty_positive"),
            models.CheckConstraint(condition=Q(filled_qty__lte=models.F("qty")), name="order_not_overfilled"),
            one_of("side", Side, "order_side_known"),
            one_of("status", OrderStatus, "order_status_known"),
            one_of("type", OrderType, "order_type_known"),
            models.CheckConstraint(condition=~Q(type=OrderType.LIMIT) | Q(price__isnull=False), name="limit_has_price"),
        ]
        indexes = [
            # working orders of a tree: the order gate, the run's cancels, the account page
            models.Index(fields=["account"], name="order_open", condition=Q(status__in=sorted(OPEN_STATUSES))),
            models.Index(fields=["updated_at"], name="order_changes"),  # the engine asks what changed lately
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.qty} {self.instrument} ({self.client_order_id})"

    @property
    def leaves_qty(self) -> int:
        """Return what may still fill."""
        return self.qty - self.filled_qty if self.status in OPEN_STATUSES else 0


class Fill(models.Model):
    """One execution, applied to the position exactly once: unique by venue and execution id."""

    venue = models.CharField(max_length=40)
    execution_id = models.CharField(max_length=128)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="fills")
    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, null=True, blank=True, related_name="fills")
    side = word_field(Side)
    qty = models.PositiveIntegerField()
    price = PriceField()
    filled_at = models.DateTimeField()
    applied_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["venue", "execution_id"], name="fill_once"),
            models.CheckConstraint(condition=Q(qty__gt=0), name="fill_qty_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.qty} {self.instrument} at {self.price}"
