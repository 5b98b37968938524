"""What a feed brings, and what every feed can do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from accounts.rules.pnl import Side


@dataclass(frozen=True, slots=True)
class MarkEvent:
    """A price of one contract: made at `at` (aware UTC), brought by `source`."""

    symbol: str
    price: Decimal
    at: datetime
    source: str


@dataclass(frozen=True, slots=True)
class FillEvent:
    """One execution, as its venue tells it. `account_ref` is our account's id as text; `at` is aware UTC."""

    venue: str
    execution_id: str
    client_order_id: str
    account_ref: str
    symbol: str
    side: Side
    qty: int
    price: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A source says that it is there, and that its last prices still hold."""

    source: str
    at: datetime


Event = MarkEvent | FillEvent | Heartbeat


class Feed(Protocol):
    """A stream of events, oldest first."""

    def read(self, timeout_seconds: float) -> Sequence[Event]:
        """Return what has come in; wait for at most this long when there is nothing, then return nothing."""

    def set_aside(self, event: Event, fault: str) -> None:
        """Keep an event that could not be dealt with, and why, where a person can look at it."""
