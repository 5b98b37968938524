"""Start-of-day records and the session's reset."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

from django.db import transaction

from accounts.errors import InvalidValue
from accounts.models import Account, AccountPath, AccountSession, Instrument, Position, SodRecord
from accounts.permissions import Actor, require
from accounts.rules.audit import AuditAction
from accounts.rules.credit import session_base
from accounts.rules.money import RateMissing, convert, round_money
from accounts.rules.pnl import Holding, realized_pnl, session_pnl, start_of_day
from accounts.rules.roles import Verb
from accounts.rules.sessions import DEFAULT_RESET, ResetOverride, last_reset_at, trading_day
from accounts.selectors import currency_rates
from accounts.selectors.figures import contract_spec
from accounts.services import audit
from accounts.services.fills import held_position, store_holding
from accounts.services.locks import locked_account


@transaction.atomic
def publish_sod(
    *,
    account_id: int,
    instrument: Instrument,
    net: int,
    price: Decimal,
    actor: Actor,
    now: datetime,
    day: date | None = None,
    reason: str = "",
) -> SodRecord:
    """Set the position that an account carries into a session, and the price its P/L starts from.

    Safe to repeat: one record per account, contract and trading day; a second one corrects the first. Fills of the
    session are kept.

    Args:
        net: Contracts; long positive, short negative. `price` in the contract's price units.
        day: The trading day; today's where left out.

    Raises:
        NotPermitted, NotFound: the actor may not edit this account's start-of-day records.
        InvalidValue: the price is not finite.
    """
    account = locked_account(account_id)
    require(actor, Verb.EDIT_SOD, account)
    if not isinstance(price, Decimal) or not price.is_finite():
        raise InvalidValue("The price of a start-of-day record is a finite decimal.", field="price")
    day = day or trading_day(now, reset_of(account))
    record, _ = SodRecord.objects.update_or_create(
        account=account,
        instrument=instrument,
        trading_day=day,
        defaults={"net": net, "price": price, "is_manual": True, "published_at": now},
    )
    _carry_into_position(account, instrument, net, price, now)
    after = {"symbol": instrument.symbol, "net": net, "price": price, "trading_day": day}
    audit.record(actor=actor, action=AuditAction.SOD_PUBLISHED, now=now, subject=account, after=after, reason=reason)
    return record


def _carry_into_position(account: Account, instrument: Instrument, net: int, price: Decimal, now: datetime) -> None:
    position = held_position(account, instrument, now)
    old = position.holding
    shift = net * price - old.prev_pos * old.prev_price
    holding = Holding(
        prev_pos=net,
        prev_price=price,
        bought=old.bought,
        bought_value=old.bought_value,
        sold=old.sold,
        sold_value=old.sold_value,
        open_value=old.open_value + shift if net + old.bought - old.sold else Decimal(0),
    )
    store_holding(position, holding, now)


def reset_of(account: Account) -> ResetOverride:
    """Return when this account's session resets: the highest override above it binds, else the exchange's roll."""
    paths = AccountPath.objects.filter(descendant=account).order_by("-depth").select_related("ancestor__credit")
    for path in paths:
        credit = path.ancestor.credit
        if credit.override_reset:
            return ResetOverride(credit.reset_time, credit.reset_timezone)
    return DEFAULT_RESET


@transaction.atomic
def roll_session(
    *, account_id: int, settlements: Mapping[str, Decimal], actor: Actor, now: datetime
) -> AccountSession | None:
    """Close the account's session and open the next; None when this session is already open.

    Positions become start-of-day records at settlement (where the account creates them), P/L starts at zero, the base
    is the daily limit plus the carry, and the week's P/L is kept. Locks and a run stay (F27).

    Args:
        settlements: Settlement price by symbol.

    Raises:
        InvalidValue: a held contract has no settlement price, or a traded one no currency rate; nothing is rolled.
    """
    account = locked_account(account_id)
    require(actor, Verb.PUSH_DATA, account)
    reset = reset_of(account)
    day = trading_day(now, reset)
    session = AccountSession.objects.select_for_update(no_key=True).get(account=account)
    if session.trading_day >= day:
        return None
    carried = _roll_positions(account, settlements, day, now)
    _open_session(account, session, carried, day, last_reset_at(now, reset))
    after = {"trading_day": day, "base": session.base, "carry": session.carry}
    audit.record(actor=actor, action=AuditAction.SESSION_ROLLED, now=now, subject=account, after=after)
    return session


def _roll_positions(
    account: Account, settlements: Mapping[str, Decimal], day: date, now: datetime
) -> tuple[Decimal, Decimal]:
    """Roll every position; return the closed session's realized and whole P/L in the account's currency."""
    realized = whole = Decimal(0)
    rates = currency_rates()
    held = Position.objects.select_for_update(of=("self",), no_key=True).filter(account=account).order_by("pk")
    for position in held.select_related("instrument"):
        spec = contract_spec(position.instrument)
        settlement = settlements.get(spec.symbol)
        if settlement is None and position.net:
            raise InvalidValue(f"{spec.symbol} has no settlement price.", field="settlements")
        target = account.credit.currency
        part = realized_pnl(position.holding, spec)
        total = part if settlement is None else session_pnl(position.holding, settlement, spec)
        realized += _converted(part, spec.currency, target, rates)
        whole += _converted(total, spec.currency, target, rates)
        _roll_position(account, position, settlement, day, now)
    return round_money(realized), round_money(whole)


def _converted(amount: Decimal, source: str, target: str, rates: Mapping[tuple[str, str], Decimal]) -> Decimal:
    if not amount:
        return Decimal(0)
    try:
        return convert(amount, source=source, target=target, rates=rates)
    except RateMissing as error:
        raise InvalidValue(f"No rate from {source} to {target}.", field="rates") from error


def _roll_position(account: Account, position: Position, settlement: Decimal | None, day: date, now: datetime) -> None:
    if settlement is None or not position.net or not account.credit.create_sod:
        store_holding(position, Holding(), now)
        return
    SodRecord.objects.update_or_create(
        account=account,
        instrument=position.instrument,
        trading_day=day,
        defaults={"net": position.net, "price": settlement, "published_at": now},
    )
    store_holding(position, start_of_day(position.net, settlement), now)


def _open_session(
    account: Account, session: AccountSession, carried: tuple[Decimal, Decimal], day: date, started_at: datetime
) -> None:
    realized, whole = carried
    limit = account.credit.daily_limit
    is_new_week = day.isocalendar()[:2] != session.trading_day.isocalendar()[:2]
    session.carry = realized if account.company.carry_realized_pnl else Decimal(0)
    session.week_pnl_before = Decimal(0) if is_new_week else session.week_pnl_before + whole
    session.base = None if limit is None else session_base(daily_limit=limit, carry=session.carry)
    session.trading_day, session.started_at = day, started_at
    session.save()
