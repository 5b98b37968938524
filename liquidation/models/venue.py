"""The simulated exchange's own book, kept apart from ours as a real exchange's is.

Accounts are known here by their reference (our account's id as text) and contracts by their symbol.
"""

from django.db import models
from django.db.models import Q

from accounts.models.fields import PriceField, word_field
from accounts.rules.orders import OrderStatus, OrderType, TimeInForce
from accounts.rules.pnl import Side


class VenueOrder(models.Model):
    """An order as the exchange knows it."""

    client_order_id = models.CharField(max_length=96, unique=True)
    account_ref = models.CharField(max_length=32, db_index=True)
    symbol = models.CharField(max_length=32)
    side = word_field(Side)
    qty = models.PositiveIntegerField()
    filled_qty = models.PositiveIntegerField(default=0)
    type = word_field(OrderType)
    time_in_force = word_field(TimeInForce)
    price = PriceField(null=True)
    operator_id = models.CharField(max_length=20, blank=True)
    status = word_field(OrderStatus)
    text = models.CharField(max_length=200, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["symbol"], name="venue_resting", condition=Q(status=OrderStatus.WORKING)),
        ]

    def __str__(self) -> str:
        return self.client_order_id


class VenueExecution(models.Model):
    """A trade at the exchange."""

    execution_id = models.CharField(max_length=128, unique=True)
    order = models.ForeignKey(VenueOrder, on_delete=models.CASCADE, related_name="executions")
    qty = models.PositiveIntegerField()
    price = PriceField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.execution_id


class VenuePosition(models.Model):
    """What the exchange says an account holds of a contract."""

    account_ref = models.CharField(max_length=32)
    symbol = models.CharField(max_length=32)
    net = models.IntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_ref", "symbol"], name="venue_position_once")]

    def __str__(self) -> str:
        return f"{self.account_ref} {self.net} {self.symbol}"


class VenuePrice(models.Model):
    """The price at which the exchange trades a contract now."""

    symbol = models.CharField(max_length=32, unique=True)
    price = PriceField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.symbol} {self.price}"
