"""Load a book's positions and working orders, here and at the simulated exchange."""

from decimal import Decimal

from accounts.models import Order, Position, SodRecord
from accounts.rules.audit import AuditAction
from accounts.rules.orders import OrderStatus
from accounts.rules.pnl import start_of_day
from accounts.rules.sessions import trading_day
from liquidation.gateways.simulated import SimulatedExchange
from liquidation.rules.book_entries import OrderEntry, PositionEntry
from liquidation.services.book_accounts import BATCH, Loading


def load_holdings(loading: Loading) -> None:
    """Make every start-of-day position and working order, and let the simulated exchange know them."""
    positions = [_position(entry, loading) for entry in loading.book.positions]
    SodRecord.objects.bulk_create([_record(row, loading) for row in positions], batch_size=BATCH)
    Position.objects.bulk_create(positions, batch_size=BATCH)
    orders = [_order(number, entry, loading) for number, entry in enumerate(loading.book.orders, start=1)]
    Order.objects.bulk_create(orders, batch_size=BATCH)
    for order in orders:
        after = {"symbol": order.instrument.symbol, "side": order.side, "qty": order.qty, "price": order.price}
        loading.note(AuditAction.ORDER_SUBMITTED, order, account=order.account, after=after)
    nets = {(str(row.account_id), row.instrument.symbol): row.net for row in positions}
    SimulatedExchange().seed(nets, orders)


def _position(entry: PositionEntry, loading: Loading) -> Position:
    price = entry.price or Decimal(0)
    holding = start_of_day(entry.net, price)
    return Position(
        account=loading.account_of(entry.account),
        instrument=loading.instruments[entry.symbol],
        prev_pos=holding.prev_pos,
        prev_price=holding.prev_price,
        open_value=holding.open_value,
        updated_at=loading.now,
    )


def _record(position: Position, loading: Loading) -> SodRecord:
    day = trading_day(loading.now)
    after = {
        "symbol": position.instrument.symbol,
        "net": position.prev_pos,
        "price": position.prev_price,
        "trading_day": day,
    }
    loading.note(AuditAction.SOD_PUBLISHED, position.account, after=after)
    return SodRecord(
        account=position.account,
        instrument=position.instrument,
        trading_day=day,
        net=position.prev_pos,
        price=position.prev_price,
        is_manual=True,
        published_at=loading.now,
    )


def _order(number: int, entry: OrderEntry, loading: Loading) -> Order:
    account = loading.account_of(entry.account)
    return Order(
        client_order_id=f"BOOK-{account.pk}-{number}",
        account=account,
        instrument=loading.instruments[entry.symbol],
        side=str(entry.side),
        qty=entry.qty,
        type=str(entry.type),
        price=entry.price,
        status=OrderStatus.WORKING,
        created_at=loading.now,
        updated_at=loading.now,
        sent_at=loading.now,
    )
