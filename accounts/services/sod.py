"""Start-of-day records, and when an account's session resets."""

from datetime import date, datetime
from decimal import Decimal

from django.db import transaction

from accounts.errors import InvalidValue
from accounts.models import Account, AccountCredit, AccountPath, AccountSession, Fill, Instrument, Position, SodRecord
from accounts.permissions import Actor, require
from accounts.rules.audit import AuditAction
from accounts.rules.pnl import Side, start_of_day, with_fill
from accounts.rules.roles import Verb
from accounts.rules.sessions import DEFAULT_RESET, ResetOverride
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
    session are kept. A record of another day than the running session's is kept and moves no position; the reset
    that opens its day puts what the account then holds in its place.

    Args:
        net: Contracts; long positive, short negative. `price` in the contract's price units.
        day: The trading day; the running session's where left out.

    Raises:
        NotPermitted, NotFound: the actor may not edit this account's start-of-day records.
        InvalidValue: the price is not finite.
    """
    account = locked_account(account_id)
    require(actor, Verb.EDIT_SOD, account)
    if not isinstance(price, Decimal) or not price.is_finite():
        raise InvalidValue("The price of a start-of-day record is a finite decimal.", field="price")
    running = AccountSession.objects.get(account=account).trading_day
    day = day or running
    record, _ = SodRecord.objects.update_or_create(
        account=account,
        instrument=instrument,
        trading_day=day,
        defaults={"net": net, "price": price, "is_manual": True, "published_at": now},
    )
    if day == running:
        _carry_into_position(account, instrument, net, price, now)
    after = {"symbol": instrument.symbol, "net": net, "price": price, "trading_day": day}
    audit.record(actor=actor, action=AuditAction.SOD_PUBLISHED, now=now, subject=account, after=after, reason=reason)
    return record


def _carry_into_position(account: Account, instrument: Instrument, net: int, price: Decimal, now: datetime) -> None:
    position = held_position(account, instrument, now)
    holding = start_of_day(net, price)
    for fill in _fills_of_session(position):
        holding = with_fill(holding, side=Side(fill.side), qty=fill.qty, price=fill.price)
    store_holding(position, holding, now)


def _fills_of_session(position: Position) -> list[Fill]:
    """Return the fills that make what the position has bought and sold since the reset, the first one first."""
    bought, sold = position.bought, position.sold
    found: list[Fill] = []
    fills = Fill.objects.filter(account=position.account_id, instrument=position.instrument_id).order_by("-id")
    for fill in fills.iterator():
        if bought <= 0 and sold <= 0:
            break
        found.append(fill)
        if fill.side == Side.BUY:
            bought -= fill.qty
        else:
            sold -= fill.qty
    return found[::-1]


def reset_of(account: Account) -> ResetOverride:
    """Return when this account's session resets: its top account's override, else the exchange's roll.

    A tree resets as one. An override below the top is kept and binds nothing.
    """
    top = AccountPath.objects.filter(descendant=account).order_by("-depth").values("ancestor")[:1]
    credit = AccountCredit.objects.filter(account=top, override_reset=True).first()
    return DEFAULT_RESET if credit is None else ResetOverride(credit.reset_time, credit.reset_timezone)
