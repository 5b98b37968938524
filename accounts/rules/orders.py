"""The words of orders: what may be asked of a venue and where an order stands."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class OrderType(StrEnum):
    """How an order may execute; the values of the database and of the book file."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP = "STOP"
    STOP_LIMIT = "STOP_LIMIT"


class TimeInForce(StrEnum):
    """How long an order stays in the market."""

    DAY = "DAY"
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class OrderStatus(StrEnum):
    """Where an order stands. Denied is refused by us, rejected is refused by the venue."""

    PENDING_NEW = "PENDING_NEW"
    WORKING = "WORKING"
    PENDING_CANCEL = "PENDING_CANCEL"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    DENIED = "DENIED"
    EXPIRED = "EXPIRED"


OPEN_STATUSES = frozenset({OrderStatus.PENDING_NEW, OrderStatus.WORKING, OrderStatus.PENDING_CANCEL})


@dataclass(frozen=True, slots=True)
class Execution:
    """One trade the venue reports; `execution_id` is the venue's and unique there. `at` is aware UTC."""

    execution_id: str
    qty: int
    price: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class OrderReport:
    """What the venue says of one order: its status and every execution so far."""

    client_order_id: str
    status: OrderStatus
    executions: tuple[Execution, ...] = ()
    text: str = ""
