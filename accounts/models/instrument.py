"""Contracts, their margins, currency rates and last prices."""

from django.db import models
from django.db.models import Q

from accounts.models.fields import MoneyField, PriceField


class Instrument(models.Model):
    """A futures contract."""

    symbol = models.CharField(max_length=32, unique=True)
    exchange = models.CharField(max_length=16)
    product = models.CharField(max_length=16, db_index=True)
    tick_size = PriceField()
    tick_value = MoneyField(help_text="What one tick of one contract is worth, in the contract's currency.")
    currency = models.CharField(max_length=3, default="USD")

    class Meta:
        ordering = ["symbol"]
        constraints = [
            models.CheckConstraint(condition=Q(tick_size__gt=0), name="tick_size_positive"),
            models.CheckConstraint(condition=Q(tick_value__gt=0), name="tick_value_positive"),
        ]

    def __str__(self) -> str:
        return self.symbol


class ProductMargin(models.Model):
    """Margin per contract of a product, and per matched spread within it where the exchange gives relief."""

    product = models.CharField(max_length=16, unique=True)
    initial = MoneyField()
    maintenance = MoneyField()
    spread = MoneyField(null=True, blank=True, help_text="Empty: no relief, each leg pays the outright margin.")

    class Meta:
        ordering = ["product"]
        constraints = [
            models.CheckConstraint(
                condition=Q(initial__gte=0, maintenance__gte=0) & (Q(spread=None) | Q(spread__gte=0)),
                name="margin_sign",
            ),
            # A spread never needs more margin than its two legs alone; the worst case is computed on that ground.
            models.CheckConstraint(
                condition=Q(spread=None) | Q(spread__lte=models.F("initial") * 2),
                name="margin_spread_at_most_two_outrights",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product} margin"


class CurrencyRate(models.Model):
    """How much of `target` one unit of `source` is worth."""

    source = models.CharField(max_length=3)
    target = models.CharField(max_length=3)
    rate = PriceField()

    class Meta:
        ordering = ["source", "target"]
        constraints = [
            models.UniqueConstraint(fields=["source", "target"], name="currency_pair_once"),
            models.CheckConstraint(condition=Q(rate__gt=0), name="currency_rate_positive"),
            models.CheckConstraint(condition=~Q(source=models.F("target")), name="currency_pair_differs"),
        ]

    def __str__(self) -> str:
        return f"{self.source}/{self.target} {self.rate}"


class Mark(models.Model):
    """The last accepted price of a contract: when it was made and when its source was last heard."""

    instrument = models.OneToOneField(Instrument, on_delete=models.CASCADE, primary_key=True, related_name="mark")
    price = PriceField()
    priced_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    source = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"{self.instrument} {self.price}"
