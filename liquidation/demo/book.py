"""The demonstration's firm, as a book: two companies, their accounts in trees, a shared account, positions and orders.

Each position's price is worked out from the market's price at which the account is to reach its limit, so that the
drawn market (`liquidation.demo.market`) makes one account breach after the other.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from liquidation.demo.market import PATHS

OWNER, PARTNER = "Granite Clearing", "Alpha Trading"
POOL = "GRANITE-POOL"

INSTRUMENTS: Mapping[str, tuple[str, str, str]] = {  # exchange, product, tick value
    "ESZ6": ("CME", "ES", "12.50"),
    "NQZ6": ("CME", "NQ", "5.00"),
    "GCZ6": ("COMEX", "GC", "10.00"),
    "CLF7": ("NYMEX", "CL", "10.00"),
}
MARGINS: Mapping[str, tuple[str, str]] = {
    "ES": ("15400", "14000"),
    "NQ": ("22000", "20000"),
    "GC": ("11000", "10000"),
    "CL": ("6600", "6000"),
}
# Alpha's liquidation user is not known to NYMEX: what that leads to is part of the demonstration.
OPERATOR_IDS: Mapping[str, Mapping[str, str]] = {
    OWNER: {"CME": "GRL01", "COMEX": "GRL02", "NYMEX": "GRL03"},
    PARTNER: {"CME": "ALL01", "COMEX": "ALL02"},
}
USERS: Mapping[str, tuple[str, str, str]] = {  # administrator, liquidation user, trader
    OWNER: ("grace", "granite-liq", "tom"),
    PARTNER: ("ada", "alpha-liq", "theo"),
}
FAR = 400
"""Ticks from the limit: further than the drawn market goes, so that the account never gets there."""
BOUGHT_NOW = None
"""A position without a loss so far."""


@dataclass(frozen=True, slots=True)
class Holder:
    """An account with a position, and where the market (ticks from its start) takes it to its loss limit.

    Attributes:
        at_ticks: Where that is; None for a position that starts at the market's price.
        limit: Daily limit in dollars; the loss limit is 80 % of it. Empty: the limit is a parent's.
        orders: Working orders as (side, quantity, ticks from the market's start).
    """

    company: str
    name: str
    parent: str
    symbol: str
    net: int
    at_ticks: int | None
    limit: str = ""
    action: str = "AUTO_LIQUIDATE"
    orders: tuple[tuple[str, int, int], ...] = ()
    auto_liq: Mapping[str, str] | None = None


HOLDERS: tuple[Holder, ...] = (
    # One after the other, as the drawn market reaches them.
    Holder(PARTNER, "ALPHA-7", "ALPHA", "ESZ6", 3, -24, "10000", orders=(("BUY", 2, -320), ("SELL", 3, 240))),
    Holder(OWNER, "GRANITE-3", "GRANITE-HOUSE", "NQZ6", 4, -60, "12000", orders=(("BUY", 1, -900),)),
    Holder(PARTNER, "ALPHA-2", "ALPHA", "GCZ6", -2, 40, "7500", orders=(("SELL", 1, 700),)),
    Holder(
        OWNER, "NY-2", "GRANITE-NY", "ESZ6", 2, -52, "6000", "DISABLE_AND_CANCEL", (("BUY", 2, -330), ("SELL", 2, 260))
    ),
    Holder(PARTNER, "ALPHA-11", "ALPHA", "ESZ6", 5, -80, "20000", orders=(("SELL", 5, 260),)),
    Holder(PARTNER, "POOL-A1", POOL, "NQZ6", 6, -250, "15000", orders=(("BUY", 2, -950), ("SELL", 6, 600))),
    Holder(OWNER, "GRANITE-5", "GRANITE-HOUSE", "GCZ6", -3, 120, "9000"),
    Holder(OWNER, "FUND-B", "GRANITE-FUND", "ESZ6", 6, -80, orders=(("SELL", 6, 280),)),
    Holder(PARTNER, "DESK-4", "ALPHA-DESK", "CLF7", 3, -76, "4000", orders=(("BUY", 1, -400),)),
    Holder(OWNER, "NY-1", "GRANITE-NY", "CLF7", 2, -85, "3000", "DISABLE"),
    Holder(PARTNER, "ALPHA-4", "ALPHA", "ESZ6", 2, -126, "5000", orders=(("BUY", 1, -340), ("BUY", 1, -360))),
    Holder(OWNER, "GRANITE-1", "GRANITE-HOUSE", "NQZ6", 3, -440, "8000"),
    Holder(OWNER, "GRANITE-7", "GRANITE-HOUSE", "GCZ6", -2, 200, "6000", orders=(("SELL", 2, 800),)),
    Holder(PARTNER, "POOL-A2", POOL, "ESZ6", 4, -160, "12500", orders=(("SELL", 2, 290),)),
    Holder(PARTNER, "ALPHA-9", "ALPHA", "ESZ6", 1, -176, "2500"),
    Holder(OWNER, "NY-3", "GRANITE-NY", "CLF7", 4, -132, "5000"),
    # These hold out. A few orders of theirs are near enough to trade.
    Holder(OWNER, "GRANITE-2", "GRANITE-HOUSE", "ESZ6", 1, -FAR, "10000", orders=(("BUY", 1, -20), ("BUY", 1, -70))),
    Holder(OWNER, "GRANITE-4", "GRANITE-HOUSE", "NQZ6", -2, FAR, "10000", orders=(("SELL", 1, 900),)),
    Holder(OWNER, "GRANITE-6", "GRANITE-HOUSE", "GCZ6", 1, -FAR, "10000", orders=(("SELL", 1, 90),)),
    Holder(OWNER, "GRANITE-8", "GRANITE-HOUSE", "CLF7", -1, FAR, "10000"),
    Holder(OWNER, "FUND-A", "GRANITE-FUND", "NQZ6", -1, BOUGHT_NOW),
    Holder(OWNER, "FUND-C", "GRANITE-FUND", "GCZ6", 1, BOUGHT_NOW),
    Holder(OWNER, "NY-4", "GRANITE-NY", "ESZ6", -2, FAR, "15000", auto_liq={"dailyProfitAutoLiq": "40000"}),
    Holder(PARTNER, "ALPHA-1", "ALPHA", "ESZ6", -1, FAR, "10000", orders=(("BUY", 1, -45),)),
    Holder(PARTNER, "ALPHA-3", "ALPHA", "NQZ6", -3, FAR * 2, "15000"),
    Holder(PARTNER, "ALPHA-5", "ALPHA", "GCZ6", 2, -FAR, "10000", orders=(("SELL", 1, 130),)),
    Holder(PARTNER, "ALPHA-6", "ALPHA", "ESZ6", -2, FAR, "12000"),
    Holder(PARTNER, "ALPHA-8", "ALPHA", "CLF7", -2, FAR, "8000"),
    Holder(PARTNER, "ALPHA-10", "ALPHA", "NQZ6", -1, FAR * 2, "8000"),
    Holder(PARTNER, "ALPHA-12", "ALPHA", "GCZ6", 1, -FAR, "5000"),
    Holder(PARTNER, "DESK-1", "ALPHA-DESK", "ESZ6", -1, FAR, "10000", auto_liq={"dailyLossAlert": "2000"}),
    Holder(PARTNER, "DESK-2", "ALPHA-DESK", "NQZ6", -1, FAR * 2, "10000"),
    Holder(PARTNER, "DESK-3", "ALPHA-DESK", "GCZ6", 1, -FAR, "10000"),
    Holder(PARTNER, "DESK-5", "ALPHA-DESK", "ESZ6", -1, FAR, "10000"),
    Holder(PARTNER, "DESK-6", "ALPHA-DESK", "CLF7", -1, FAR, "10000"),
)
FUND_LIMIT = "25000"
ROOTS: tuple[tuple[str, str, str], ...] = (  # company, name, daily limit of the whole tree
    (OWNER, "GRANITE-HOUSE", ""),
    (OWNER, "GRANITE-FUND", FUND_LIMIT),
    (OWNER, "GRANITE-NY", ""),
    (OWNER, POOL, ""),
    (PARTNER, "ALPHA", ""),
    (PARTNER, "ALPHA-DESK", ""),
)


def demo_book() -> dict[str, Any]:
    """Return the firm in the form that `load_book` takes (README, "Books")."""
    return {
        "company": [{"name": name, "auto_liquidation_user": USERS[name][1]} for name in (OWNER, PARTNER)],
        "user": list(_users()),
        "connection": [
            {"name": f"{exchange}-1", "company": company, "exchange": exchange}
            for company in (OWNER, PARTNER)
            for exchange in ("CME", "COMEX", "NYMEX")
        ],
        "instrument": [_instrument(symbol) for symbol in INSTRUMENTS],
        "margin": [
            {"product": product, "initial": initial, "maintenance": maintenance}
            for product, (initial, maintenance) in MARGINS.items()
        ],
        "account": [*map(_root, ROOTS), *map(_account, HOLDERS)],
        "share": [{"account": POOL, "company": OWNER, "with": PARTNER}],
        "position": [_position(holder) for holder in HOLDERS],
        "order": [order for holder in HOLDERS for order in _orders(holder)],
    }


def _users() -> Iterator[dict[str, Any]]:
    for company, (administrator, liquidator, trader) in USERS.items():
        yield {"username": administrator, "company": company, "is_company_admin": True}
        yield {"username": liquidator, "company": company, "exchange_settings": _settings(OPERATOR_IDS[company])}
        yield {"username": trader, "company": company, "exchange_settings": _settings({"CME": f"{trader.upper()}1"})}


def _settings(operator_ids: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"exchange": exchange, "operator_id": operator_id} for exchange, operator_id in operator_ids.items()]


def _instrument(symbol: str) -> dict[str, str]:
    exchange, product, tick_value = INSTRUMENTS[symbol]
    tick = str(PATHS[symbol].tick)
    return {
        "symbol": symbol,
        "exchange": exchange,
        "product": product,
        "tick_size": tick,
        "tick_value": tick_value,
        "currency": "USD",
    }


def _root(root: tuple[str, str, str]) -> dict[str, Any]:
    company, name, limit = root
    account = {"name": name, "company": company, "connections": ["CME-1", "COMEX-1", "NYMEX-1"]}
    return account | ({"credit": _credit(limit, "AUTO_LIQUIDATE")} if limit else {})


def _account(holder: Holder) -> dict[str, Any]:
    account: dict[str, Any] = {"name": holder.name, "company": holder.company, "parent": holder.parent}
    if holder.parent == POOL:
        account["connections"] = ["CME-1", "COMEX-1", "NYMEX-1"]
    if holder.limit:
        account["credit"] = _credit(holder.limit, holder.action)
    if holder.auto_liq:
        account["auto_liq"] = dict(holder.auto_liq)
    return account


def _credit(limit: str, action: str) -> dict[str, Any]:
    return {
        "check_credit": True,
        "daily_limit": limit,
        "currency": "USD",
        "rule": "PNL",
        "credit_loss_pct": "80",
        "credit_loss_action": action,
    }


def _position(holder: Holder) -> dict[str, Any]:
    """Return the position at the price from which the market's move to `at_ticks` loses just the limit."""
    path = PATHS[holder.symbol]
    paid = 0 if holder.at_ticks is None else holder.at_ticks + _loss_ticks(holder)
    entry = {"account": holder.name, "company": holder.company, "symbol": holder.symbol}
    return entry | {"net": holder.net, "price": str(path.price(paid))}


def _loss_ticks(holder: Holder) -> int:
    """Return by how many ticks the price paid is off for the limit to be lost: above for a long, below for a short."""
    loss = Decimal(holder.limit or FUND_LIMIT) * 80 / 100
    per_tick = abs(holder.net) * Decimal(INSTRUMENTS[holder.symbol][2])
    ticks = int((loss / per_tick).to_integral_value(ROUND_CEILING))
    return ticks if holder.net > 0 else -ticks


def _orders(holder: Holder) -> Iterator[dict[str, Any]]:
    for side, qty, ticks in holder.orders:
        price = str(PATHS[holder.symbol].price(ticks))
        yield {
            "account": holder.name,
            "company": holder.company,
            "symbol": holder.symbol,
            "side": side,
            "qty": qty,
            "type": "LIMIT",
            "price": price,
        }
