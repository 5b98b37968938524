"""Apply executions to positions, each exactly once."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from accounts.errors import InvalidValue
from accounts.models import Account, Fill, Instrument, Order, Position
from accounts.permissions import Actor, require
from accounts.rules.pnl import Holding, Side, with_fill
from accounts.rules.roles import Verb


@dataclass(frozen=True, slots=True)
class FillResult:
    """The fill's row, and whether this call applied it."""

    fill_id: int
    is_new: bool


@transaction.atomic
def record_fill(
    *,
    venue: str,
    execution_id: str,
    account: Account,
    instrument: Instrument,
    side: Side,
    qty: int,
    price: Decimal,
    filled_at: datetime,
    actor: Actor,
    now: datetime,
    order: Order | None = None,
) -> FillResult:
    """Apply one execution to the account's position.

    Safe to repeat: a second report of the same venue and execution id changes nothing (F13).

    Args:
        qty: Contracts, above 0. `price` in the contract's price units; may be negative.

    Raises:
        NotPermitted: the actor may not push fills.
        InvalidValue: quantity not above 0, or a price that is no finite decimal; names the field.
    """
    if qty <= 0:
        raise InvalidValue("A fill's quantity is above 0.", field="qty")
    if not isinstance(price, Decimal) or not price.is_finite():
        raise InvalidValue("A fill's price is a finite decimal.", field="price")
    require(actor, Verb.PUSH_DATA, account)
    position = held_position(account, instrument, now)
    standing = Fill.objects.filter(venue=venue, execution_id=execution_id).first()
    if standing is not None:
        return FillResult(standing.pk, is_new=False)
    fill = Fill.objects.create(
        venue=venue,
        execution_id=execution_id,
        account=account,
        instrument=instrument,
        order=order,
        side=side,
        qty=qty,
        price=price,
        filled_at=filled_at,
        applied_at=now,
    )
    store_holding(position, with_fill(position.holding, side=side, qty=qty, price=price), now)
    return FillResult(fill.pk, is_new=True)


def held_position(account: Account, instrument: Instrument, now: datetime) -> Position:
    """Return the position's row, held until the transaction ends; made where there was none."""
    Position.objects.get_or_create(account=account, instrument=instrument, defaults={"updated_at": now})
    return Position.objects.select_for_update(no_key=True).get(account=account, instrument=instrument)


def store_holding(position: Position, holding: Holding, now: datetime) -> None:
    """Write what the rules made of the position."""
    for field in ("prev_pos", "prev_price", "bought", "bought_value", "sold", "sold_value", "open_value"):
        setattr(position, field, getattr(holding, field))
    position.updated_at = now
    position.save()
