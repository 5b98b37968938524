"""Read the entries of a book file, each by itself."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from accounts.rules.credit import CreditLossAction, CreditRule, validate_credit_loss_pct
from accounts.rules.hierarchy import AccountType
from accounts.rules.money import to_nanos
from accounts.rules.orders import OrderType
from accounts.rules.pnl import Side
from liquidation.rules.autoliq import DrawdownMode
from liquidation.rules.book_entries import (
    AccountEntry,
    Book,
    CompanyEntry,
    ConnectionEntry,
    CreditEntry,
    InstrumentEntry,
    MarginEntry,
    OrderEntry,
    PositionEntry,
    RateEntry,
    Reference,
    ShareEntry,
    UserEntry,
)
from liquidation.rules.book_fields import FieldReader, JsonObject

AUTO_LIQ_AMOUNTS = {
    "marginPercentageAlert": "margin_percentage_alert",
    "dailyLossPercentageAlert": "daily_loss_percentage_alert",
    "dailyLossAlert": "daily_loss_alert",
    "marginPercentageLiqOnly": "margin_percentage_liq_only",
    "dailyLossPercentageLiqOnly": "daily_loss_percentage_liq_only",
    "dailyLossLiqOnly": "daily_loss_liq_only",
    "marginPercentageAutoLiq": "margin_percentage_auto_liq",
    "dailyLossPercentageAutoLiq": "daily_loss_percentage_auto_liq",
    "dailyLossAutoLiq": "daily_loss_auto_liq",
    "weeklyLossAutoLiq": "weekly_loss_auto_liq",
    "trailingMaxDrawdown": "trailing_max_drawdown",
    "trailingMaxDrawdownLimit": "trailing_max_drawdown_limit",
    "dailyProfitAutoLiq": "daily_profit_auto_liq",
    "weeklyProfitAutoLiq": "weekly_profit_auto_liq",
}
"""Our names of the wire's amounts and percentages."""

AUTO_LIQ_FLAGS = {"doNotUnlock": "do_not_unlock", "changesLocked": "changes_locked"}

_KEEPS_ITS_SIGN = "trailing_max_drawdown_limit"
_ORDER_TYPES = (OrderType.LIMIT, OrderType.MARKET)


def parse_json(raw: bytes) -> tuple[Any, str]:
    """Return the JSON value of a file, and what is wrong with it (empty: nothing).

    Example:
        >>> parse_json(b'{"company": []}')
        ({'company': []}, '')
        >>> parse_json(b"{")[1]
        'is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)'
    """
    try:
        return json.loads(raw, object_pairs_hook=JsonObject), ""
    except (ValueError, RecursionError) as error:
        # ValueError: no JSON, no UTF-8, or a number of thousands of digits.
        return None, f"is not JSON: {error}"


def read_fields(value: object) -> tuple[Book, list[str]]:
    """Return every entry of the book and what is wrong with its fields, each taken by itself.

    What an entry refers to is held against the rest of the book by `liquidation.rules.book`.

    Args:
        value: What the JSON file holds. null is the same as a field left out.
    """
    faults: list[str] = []
    whole = FieldReader(value, "", faults)
    book = Book(
        companies=[_company(reader) for reader in whole.objects("company")],
        users=[_user(reader) for reader in whole.objects("user")],
        connections=[_connection(reader) for reader in whole.objects("connection")],
        instruments=[_instrument(reader) for reader in whole.objects("instrument")],
        margins=[_margin(reader) for reader in whole.objects("margin")],
        rates=[_rate(reader) for reader in whole.objects("currency_rate")],
        accounts=[_account(reader) for reader in whole.objects("account")],
        shares=[_share(reader) for reader in whole.objects("share")],
        positions=[_position(reader) for reader in whole.objects("position")],
        orders=[_order(reader) for reader in whole.objects("order")],
    )
    whole.end()
    return book, faults


def _company(reader: FieldReader) -> CompanyEntry:
    entry = CompanyEntry(
        name=reader.text("name", length=64),
        post_trade_risk_enabled=reader.flag("post_trade_risk_enabled", default=True),
        carry_realized_pnl=reader.flag("carry_realized_pnl", default=False),
        auto_liquidation_user=reader.text("auto_liquidation_user", length=150, required=False),
    )
    reader.end()
    return entry


def _user(reader: FieldReader) -> UserEntry:
    entry = UserEntry(
        username=reader.text("username", length=150),
        company=reader.text("company", length=64),
        is_active=reader.flag("is_active", default=True),
        is_company_admin=reader.flag("is_company_admin", default=False),
        operator_ids=_operator_ids(reader),
    )
    if not all(character.isalnum() or character in "_.@+-" for character in entry.username):
        reader.fault("username", f'"{entry.username}" holds more than letters, digits and _ . @ + -')
    reader.end()
    return entry


def _operator_ids(reader: FieldReader) -> dict[str, str]:
    found: dict[str, str] = {}
    for setting in reader.objects("exchange_settings"):
        exchange = setting.text("exchange", length=16)
        operator_id = setting.text("operator_id", length=20)
        if exchange in found:
            setting.fault("exchange", f'"{exchange}" is there already')
        if exchange:
            found[exchange] = operator_id
        setting.end()
    return found


def _connection(reader: FieldReader) -> ConnectionEntry:
    entry = ConnectionEntry(
        name=reader.text("name", length=64),
        company=reader.text("company", length=64),
        exchange=reader.text("exchange", length=16),
    )
    reader.end()
    return entry


def _instrument(reader: FieldReader) -> InstrumentEntry:
    entry = InstrumentEntry(
        symbol=reader.text("symbol", length=32),
        exchange=reader.text("exchange", length=16),
        product=reader.text("product", length=16),
        tick_size=reader.price("tick_size", required=True, is_above_zero=True),
        tick_value=reader.money("tick_value", required=True),
        currency=reader.currency("currency"),
    )
    if entry.tick_value == 0:
        reader.fault("tick_value", '"0" is not above 0')
    reader.end()
    return entry


def _margin(reader: FieldReader) -> MarginEntry:
    entry = MarginEntry(
        product=reader.text("product", length=16),
        initial=reader.money("initial", required=True),
        maintenance=reader.money("maintenance", required=True),
    )
    reader.end()
    return entry


def _rate(reader: FieldReader) -> RateEntry:
    for key in ("from", "to"):
        reader.take(key, required=True)
    source, target = reader.currency("from", default=""), reader.currency("to", default="")
    entry = RateEntry(source, target, reader.price("rate", required=True, is_above_zero=True))
    if source and source == target:
        reader.fault("to", f'"{target}" is the currency it comes from')
    reader.end()
    return entry


def _account(reader: FieldReader) -> AccountEntry:
    entry = AccountEntry(
        name=reader.text("name", length=64),
        company=reader.text("company", length=64),
        type=reader.word("type", tuple(AccountType), AccountType.ROUTING_EXTERNAL) or AccountType.ROUTING_EXTERNAL,
        parent=_parent(reader),
        connections=reader.names("connections", length=64),
        credit=_credit(reader.part("credit")),
        auto_liq=_auto_liq(reader.part("auto_liq")),
    )
    reader.end()
    return entry


def _parent(reader: FieldReader) -> Reference | None:
    value = reader.take("parent")
    if not isinstance(value, dict):
        name = reader.text("parent", length=64, required=False)
        return Reference(name) if name else None
    part = reader.part("parent")
    reference = _reference(part)
    part.end()
    return reference


def _reference(reader: FieldReader) -> Reference:
    return Reference(name=reader.text("account", length=64), company=reader.text("company", length=64, required=False))


def _credit(reader: FieldReader) -> CreditEntry:
    entry = CreditEntry(
        check_credit=reader.flag("check_credit", default=False),
        daily_limit=reader.money("daily_limit"),
        currency=reader.currency("currency"),
        rule=reader.word("rule", tuple(CreditRule), CreditRule.PNL) or CreditRule.PNL,
        credit_loss_pct=_credit_loss_pct(reader),
        credit_loss_action=reader.word("credit_loss_action", tuple(CreditLossAction), CreditLossAction.NONE)
        or CreditLossAction.NONE,
    )
    if entry.credit_loss_action is not CreditLossAction.NONE and reader.take("credit_loss_pct") is None:
        reader.fault("credit_loss_pct", f"is missing, and {entry.credit_loss_action} needs it")
    reader.end()
    return entry


def _credit_loss_pct(reader: FieldReader) -> Decimal | None:
    value = reader.money("credit_loss_pct", is_signed=True)
    if value is None:
        return None
    try:
        validate_credit_loss_pct(value)
    except ValueError as error:
        reader.fault("credit_loss_pct", str(error))
        return None
    return value


def _auto_liq(reader: FieldReader) -> dict[str, Decimal | bool | str | datetime]:
    found: dict[str, Decimal | bool | str | datetime] = {}
    for key, field in AUTO_LIQ_AMOUNTS.items():
        value = reader.money(key, is_signed=True, integers=True)
        if value is not None and value == 0 and field.startswith("margin_"):
            reader.fault(key, "0 is not a percentage of margin that can be kept")
        elif value is not None:
            # Both signs are in use for a loss on the wire; the limit is the amount without one.
            found[field] = value if field == _KEEPS_ITS_SIGN else value.copy_abs()
    for key, field in AUTO_LIQ_FLAGS.items():
        if reader.flag(key, default=False):
            found[field] = True
    if reader.take("trailingMaxDrawdownMode") is not None:
        mode = reader.word("trailingMaxDrawdownMode", tuple(DrawdownMode), DrawdownMode.EOD)
        found["trailing_max_drawdown_mode"] = str(mode)
    if (at := reader.instant("flattenTimestamp")) is not None:
        found["flatten_timestamp"] = at
    reader.end()
    return found


def _share(reader: FieldReader) -> ShareEntry:
    entry = ShareEntry(account=_reference(reader), company=reader.text("with", length=64))
    reader.end()
    return entry


def _position(reader: FieldReader) -> PositionEntry:
    entry = PositionEntry(
        account=_reference(reader),
        symbol=reader.text("symbol", length=32),
        net=reader.whole("net", least=-(2**31 - 1)),
        price=reader.price("price", required=True),
    )
    if entry.price is not None and not _fits(entry.net * entry.price):
        reader.fault("price", "the net position times its price is too large")
    reader.end()
    return entry


def _fits(value: Decimal) -> bool:
    try:
        to_nanos(value)
    except ValueError:
        return False
    return True


def _order(reader: FieldReader) -> OrderEntry:
    kind = reader.word("type", _ORDER_TYPES)
    entry = OrderEntry(
        account=_reference(reader),
        symbol=reader.text("symbol", length=32),
        side=reader.word("side", tuple(Side)),
        qty=reader.whole("qty", least=1),
        type=kind,
        price=reader.price("price", required=kind is OrderType.LIMIT),
    )
    if kind is OrderType.MARKET and entry.price is not None:
        reader.fault("price", "a market order has none")
    reader.end()
    return entry
