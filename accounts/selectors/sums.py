"""Positions and working orders added up in the database: one row a contract, however many accounts there are."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import BigIntegerField, Case, Count, ExpressionWrapper, F, Q, QuerySet, Sum, Value, When

from accounts.models import Fill, Order, Position, User
from accounts.rules.margin import ContractExposure
from accounts.rules.money import NANOS_PER_UNIT
from accounts.rules.orders import OPEN_STATUSES
from accounts.rules.pnl import Side

_ANCESTOR = "account__paths_up__ancestor"
_WHOLE = BigIntegerField()
_COST = F("prev_pos") * F("prev_price") + F("bought_value") - F("sold_value")
_SIGN = Case(When(side=Side.BUY, then=Value(1)), default=Value(-1), output_field=_WHOLE)


@dataclass(slots=True)
class ContractSum:
    """One contract of many accounts.

    Attributes:
        net: Contracts held, short is negative.
        cost: Paid for the session's position less received, in price units; with `net` all that its P/L needs.
        is_open: Some account holds it, even where the accounts come to nothing together.
        working_buys: Contracts still open in working buy orders.
        working_sells: The same for sell orders.
    """

    net: int = 0
    cost: Decimal = Decimal(0)
    is_open: bool = False
    working_buys: int = 0
    working_sells: int = 0

    def exposure(self, symbol: str, side: Side, qty: int) -> ContractExposure:
        """Return what margin is asked for, with an order of `qty` working as well."""
        buys = self.working_buys + (qty if side is Side.BUY else 0)
        sells = self.working_sells + (qty if side is Side.SELL else 0)
        return ContractExposure(symbol, self.net, buys, sells)


Sums = Mapping[int, ContractSum]
"""What there is of each contract, by the instrument's id."""


def tree_sums(account_ids: Sequence[int], symbol: str = "") -> dict[int, dict[int, ContractSum]]:
    """Return, for each of these accounts, the sums of its whole tree: two queries for all of them.

    Args:
        symbol: This contract alone; empty is every contract.
    """
    only = Q(instrument__symbol=symbol) if symbol else Q()
    inside = Q(account__paths_up__ancestor__in=account_ids)
    positions = Position.objects.filter(inside & only).values(_ANCESTOR, "instrument")
    orders = Order.objects.filter(inside & only)
    found: dict[int, dict[int, ContractSum]] = {key: defaultdict(ContractSum) for key in account_ids}
    totals = positions.annotate(
        held=Sum(F("prev_pos") + F("bought") - F("sold")),
        holders=Count("pk", filter=~Q(prev_pos=F("sold") - F("bought"))),
        **_exact_sum(_COST),
    )
    for total in totals.order_by():
        _add_holding(found[total[_ANCESTOR]], total)
    for row in _working(orders, _ANCESTOR):
        _add_working(found[row[_ANCESTOR]], row)
    return found


def user_sums(user: User) -> dict[int, ContractSum]:
    """Return what the user's own orders have filled in their accounts' running sessions, and have working.

    A liquidation's orders go out in a user's name and are not the user's own.
    """
    found: dict[int, ContractSum] = defaultdict(ContractSum)
    mine = Fill.objects.filter(
        order__submitted_by=user, order__is_liquidation=False, filled_at__gte=F("account__session__started_at")
    ).values("instrument")
    traded = ExpressionWrapper(_SIGN * F("qty"), output_field=_WHOLE)
    totals = mine.annotate(held=Sum(traded), holders=Sum(traded), **_exact_sum(_SIGN * F("qty") * F("price")))
    for total in totals.order_by():
        _add_holding(found, total)
    for row in _working(Order.objects.filter(submitted_by=user, is_liquidation=False)):
        _add_working(found, row)
    return found


def _exact_sum(units: Any) -> dict[str, Sum]:
    """Return the sum in two parts: of billionths in one 64-bit number, a large tree's sum would not fit on SQLite."""
    whole = ExpressionWrapper(units, output_field=_WHOLE)
    return {
        "high": Sum(ExpressionWrapper(whole / Value(NANOS_PER_UNIT), output_field=_WHOLE)),
        "low": Sum(ExpressionWrapper(whole % Value(NANOS_PER_UNIT), output_field=_WHOLE)),
    }


def _working(orders: QuerySet[Order], *keys: str) -> QuerySet[Order, dict[str, Any]]:
    working = orders.filter(status__in=sorted(OPEN_STATUSES)).values(*keys, "instrument", "side")
    sums: QuerySet[Order, dict[str, Any]] = working.annotate(leaves=Sum(F("qty") - F("filled_qty"))).order_by()
    return sums


def _add_holding(found: dict[int, ContractSum], row: Mapping[str, Any]) -> None:
    held = found[row["instrument"]]
    held.net, held.is_open = row["held"], bool(row["holders"])
    held.cost = Decimal(row["high"]) + Decimal(row["low"]) / NANOS_PER_UNIT


def _add_working(found: dict[int, ContractSum], row: Mapping[str, Any]) -> None:
    if row["side"] == Side.BUY:
        found[row["instrument"]].working_buys = row["leaves"]
    else:
        found[row["instrument"]].working_sells = row["leaves"]
