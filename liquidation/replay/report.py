"""What a replay has come to, read from the database: one object of plain values."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from accounts.models import Account, AccountLock, AccountPath, AuditEntry, Fill, Instrument, Order, Position
from accounts.rules.money import RateMissing, convert, money_text, price_text, round_money, round_price, value_to_money
from accounts.rules.orders import OPEN_STATUSES, OrderStatus
from accounts.selectors import currency_rates, trading_modes
from accounts.services import audit
from liquidation.models import Alert, Evaluation, LiquidationRun
from liquidation.rules.limits import Action
from liquidation.rules.states import RunState

JsonDict = dict[str, Any]


def moment(at: datetime | None) -> str | None:
    """Return a moment in UTC with three decimals and Z.

    Example:
        >>> moment(datetime(2013, 10, 10, 13, 41, 15, tzinfo=UTC))
        '2013-10-10T13:41:15.000Z'
    """
    return None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def needs_operator() -> bool:
    """Return whether any run has ended with a call for an operator."""
    return LiquidationRun.objects.filter(state=RunState.NEEDS_OPERATOR).exists()


def account_reports(account_ids: Sequence[int], prices: Mapping[str, Decimal]) -> list[JsonDict]:
    """Return what became of each account, in the order given.

    Positions and P/L are those of the account's whole tree; locks and orders are its own.

    Args:
        prices: The last price of each contract.
    """
    accounts = Account.objects.select_related("company", "credit").in_bulk(account_ids)
    tables = _Tables(account_ids, prices)
    return [tables.report(accounts[account_id]) for account_id in account_ids]


def alert_reports() -> list[JsonDict]:
    """Return every alert that was raised, in order."""
    alerts = Alert.objects.select_related("account").order_by("pk")
    return [
        {"at": moment(row.raised_at), "account": row.account.name if row.account else None, "code": row.code}
        for row in alerts
    ]


def audit_report() -> JsonDict:
    """Seal the audit and return how many entries it has and whether the whole chain holds."""
    audit.seal()
    found = audit.verify()
    entries = AuditEntry.objects.count()
    return {"audit_entries": entries, "audit_verified": found.is_intact and found.entries == entries}


class _Tables:
    """Everything that the reports are made of, in a handful of queries."""

    def __init__(self, account_ids: Sequence[int], prices: Mapping[str, Decimal]) -> None:
        self.prices = prices
        self.rates = currency_rates()
        self.modes = trading_modes(account_ids)
        self.instruments = {row.pk: row for row in Instrument.objects.all()}
        self.holdings = _tree_holdings()
        self.locks = _grouped(AccountLock.objects.filter(released_at=None).order_by("pk"))
        self.orders = _grouped(Order.objects.order_by("pk"))
        self.evaluations = _grouped(Evaluation.objects.order_by("pk"))
        self.runs = _grouped(LiquidationRun.objects.order_by("pk"))

    def report(self, account: Account) -> JsonDict:
        orders: Sequence[Order] = self.orders.get(account.pk, ())
        holdings = self.holdings.get(account.pk, {})
        nets = {self.instruments[pk].symbol: net for pk, (net, _) in holdings.items()}
        pnl = self._pnl(holdings, account.credit.currency)
        return {
            "company": account.company.name,
            "name": account.name,
            "trading_mode": self.modes[account.pk].value,
            "locks": list(dict.fromkeys(lock.cause for lock in self.locks.get(account.pk, ()))),
            "net_positions": dict(sorted(nets.items())),
            "working_orders": sum(1 for order in orders if order.status in OPEN_STATUSES),
            "session_pnl": None if pnl is None else money_text(round_money(pnl)),
            "rejected_orders": sum(1 for order in orders if order.status == OrderStatus.REJECTED),
            "breach": _breach(self.evaluations.get(account.pk, ())),
            "run": _run(self.runs.get(account.pk, ())),
        }

    def _pnl(self, holdings: Mapping[int, tuple[int, Decimal]], currency: str) -> Decimal | None:
        """Return the P/L of a tree; None where an open position has no price or its currency no rate."""
        total = Decimal(0)
        for instrument_id, (net, cost) in holdings.items():
            row = self.instruments[instrument_id]
            price = self.prices.get(row.symbol)
            if net and price is None:
                return None
            value = net * (price or Decimal(0)) - cost
            part = value_to_money(value, tick_size=row.tick_size, tick_value=row.tick_value)
            try:
                total += convert(part, source=row.currency, target=currency, rates=self.rates)
            except RateMissing:
                return None
        return total


def _grouped(rows: Iterable[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.account_id].append(row)
    return found


def _tree_holdings() -> dict[int, dict[int, tuple[int, Decimal]]]:
    """Return the net and the cost (price times quantity) of each contract in the tree below each account."""
    above: dict[int, list[int]] = defaultdict(list)
    for descendant, ancestor in AccountPath.objects.values_list("descendant_id", "ancestor_id"):
        above[descendant].append(ancestor)
    found: dict[int, dict[int, tuple[int, Decimal]]] = defaultdict(dict)
    for row in Position.objects.order_by("pk"):
        for account_id in above[row.account_id]:
            net, cost = found[account_id].get(row.instrument_id, (0, Decimal(0)))
            found[account_id][row.instrument_id] = (net + row.net, cost + row.holding.cost)
    return found


def _breach(evaluations: Sequence[Evaluation]) -> JsonDict | None:
    """Return the severest limit that was reached; the first, where one was reached twice."""
    if not evaluations:
        return None
    found = max(evaluations, key=lambda row: Action(row.action).severity)
    return {
        "at": moment(found.decided_at),
        "pnl": money_text(found.pnl),
        "threshold": money_text(found.threshold),
        "action": found.action,
    }


def _run(runs: Sequence[LiquidationRun]) -> JsonDict | None:
    if not runs:
        return None
    run = runs[-1]
    closing = run.run_orders.select_related("order__instrument", "order__submitted_by").order_by("pk")
    return {
        "state": run.state,
        "reason": run.reason or None,
        "requested_at": moment(run.requested_at),
        "flat_at": moment(run.ended_at) if run.state == RunState.FLAT else None,
        "orders": [_order(row.order) for row in closing],
    }


def _order(order: Order) -> JsonDict:
    price = _average_price(list(order.fills.order_by("pk")))
    return {
        "symbol": order.instrument.symbol,
        "side": order.side,
        "qty": order.qty,
        "filled": order.filled_qty,
        "price": None if price is None else price_text(price, order.instrument.tick_size),
        "on_behalf_of": order.submitted_by.get_username() if order.submitted_by else None,
        "operator_id": order.operator_id or None,
    }


def _average_price(fills: Sequence[Fill]) -> Decimal | None:
    qty = sum(fill.qty for fill in fills)
    return round_price(sum((fill.price * fill.qty for fill in fills), Decimal(0)) / qty) if qty else None
