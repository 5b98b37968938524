"""The prices the engine decides with: sanity first, and how long ago each source was heard."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from accounts.models import Instrument, Mark
from accounts.rules.money import from_ticks, to_ticks
from accounts.services.marks import AcceptedMark
from liquidation.rules.marks import MarkRules, MarkVerdict, judge_mark

# A jump that its own source leaves standing for so long is a gap of the market and no slip.
SUSPECT_SECONDS = 15
HEARTBEAT_SECONDS = 1


@dataclass(slots=True)
class Price:
    """One contract's last accepted price, in ticks, and the suspects that wait to be confirmed.

    `seen_at` is when the price was last known to hold, heartbeats aside. `suspected_at` is the first suspect's time.
    """

    tick_size: Decimal
    ticks: int | None = None
    at: datetime | None = None
    seen_at: datetime | None = None
    source: str = ""
    suspects: tuple[Decimal, ...] = ()
    suspect_at: datetime | None = None
    suspect_source: str = ""
    suspected_at: datetime | None = None


class Prices:
    """Every contract's price. `ticks` is what P/L is computed from.

    `heard` is when each source last said anything. `heartbeats` is when it last said that all its prices still hold: a
    price of one contract says nothing of another. A source whose feed of a single contract froze, and which sends
    heartbeats all the same, is believed: that is the limit of a source's word.
    """

    def __init__(self, rules: MarkRules, max_age_seconds: float | None) -> None:
        self.rules = rules
        self.max_age = None if max_age_seconds is None else timedelta(seconds=max_age_seconds)
        self.ticks: dict[str, int] = {}
        self.heard: dict[str, datetime] = {}
        self.heartbeats: dict[str, datetime] = {}
        self._prices: dict[str, Price] = {}
        self._dirty: set[str] = set()
        self._suspected: set[str] = set()
        self._written_heartbeats: dict[str, datetime] = {}

    def load(self) -> list[str]:
        """Read contracts and last marks; return the contracts whose mark is off the tick and so is left out."""
        self._prices = {row.symbol: Price(row.tick_size) for row in Instrument.objects.all()}
        dropped = [
            mark.instrument.symbol
            for mark in Mark.objects.select_related("instrument")
            if not self._restore(mark, self._prices[mark.instrument.symbol])
        ]
        self.ticks = {symbol: price.ticks for symbol, price in self._prices.items() if price.ticks is not None}
        return dropped

    def _restore(self, mark: Mark, price: Price) -> bool:
        self.heard[mark.source] = max(mark.seen_at, self.heard.get(mark.source, mark.seen_at))
        try:
            price.ticks = to_ticks(mark.price, price.tick_size)
        except (ValueError, ArithmeticError):
            return False
        price.at, price.seen_at, price.source = mark.priced_at, mark.seen_at, mark.source
        return True

    def load_new(self) -> None:
        """Read contracts that were added or changed; prices in memory stay."""
        for row in Instrument.objects.all():
            standing = self._prices.get(row.symbol)
            if standing is None or standing.tick_size != row.tick_size:
                self._prices[row.symbol] = Price(row.tick_size)
                self.ticks.pop(row.symbol, None)
                self._dirty.discard(row.symbol)
                self._suspected.discard(row.symbol)

    def knows(self, symbol: str) -> bool:
        return symbol in self._prices

    def take(self, symbol: str, value: Decimal, at: datetime, source: str) -> tuple[MarkVerdict, int]:
        """Judge a mark and keep it when it passes; return the verdict and the ticks it stands at then."""
        price = self._prices[symbol]
        self._note_heard(source, at)
        if price.suspect_at == at and price.suspects:
            return MarkVerdict.SUSPECT, 0  # the same bad tick delivered twice confirms nothing
        last = None if price.ticks is None else from_ticks(price.ticks, price.tick_size)
        verdict, price.suspects = judge_mark(
            price=value,
            at=at,
            tick_size=price.tick_size,
            last_price=last,
            last_at=price.at,
            suspects=price.suspects,
            rules=self.rules,
        )
        if verdict is MarkVerdict.ACCEPT:
            return verdict, self._accept(symbol, value, at, source)
        if verdict is MarkVerdict.SUSPECT:
            self._suspected.add(symbol)
            price.suspect_at, price.suspect_source = at, source
            price.suspected_at = at if len(price.suspects) == 1 else price.suspected_at
        return verdict, 0

    def _accept(self, symbol: str, value: Decimal, at: datetime, source: str) -> int:
        price = self._prices[symbol]
        price.ticks, price.at, price.seen_at, price.source = to_ticks(value, price.tick_size), at, at, source
        price.suspects, price.suspect_at = (), None
        self._suspected.discard(symbol)
        self.ticks[symbol] = price.ticks
        self._dirty.add(symbol)
        return price.ticks

    def believe_suspects(self, now: datetime) -> list[str]:
        """Accept the suspects that nothing contradicted for long enough, and return their contracts (F18).

        Their source must have been heard when that time was over, and be alive now: it has had its chance to send a
        normal price. On a tape there is no such chance, and nothing is believed by time.
        """
        return [symbol for symbol in sorted(self._suspected) if self._believe(symbol, now)]

    def _believe(self, symbol: str, now: datetime) -> bool:
        price = self._prices[symbol]
        first, last, source = price.suspected_at, price.suspect_at, price.suspect_source
        if self.max_age is None or first is None or last is None:
            return False
        if self.heard[source] - first < timedelta(seconds=SUSPECT_SECONDS) or now - self.heard[source] > self.max_age:
            return False
        self._accept(symbol, price.suspects[-1], last, source)
        return True

    def hear(self, source: str, at: datetime) -> None:
        """Note a heartbeat: the source is alive, and its last prices still hold."""
        self._note_heard(source, at)
        self.heartbeats[source] = max(at, self.heartbeats.get(source, at))

    def _note_heard(self, source: str, at: datetime) -> None:
        self.heard[source] = max(at, self.heard.get(source, at))

    def silent_sources(self, now: datetime) -> list[str]:
        """Return the sources that have not been heard for too long; none where no age is set."""
        if self.max_age is None:
            return []
        return sorted(source for source, heard in self.heard.items() if now - heard > self.max_age)

    def is_stale(self, symbol: str, now: datetime) -> bool:
        """Return whether a price is too old to decide with; one that never came is missing and not stale."""
        price = self._prices.get(symbol)
        if self.max_age is None or price is None or price.at is None or price.seen_at is None:
            return False
        held_at = max(price.at, price.seen_at, self.heartbeats.get(price.source, price.at))
        return now - held_at > self.max_age

    def stale_symbols(self, now: datetime) -> list[str]:
        """Return the contracts whose price is too old to decide with."""
        return [symbol for symbol in sorted(self._prices) if self.is_stale(symbol, now)]

    def symbols_of(self, source: str) -> list[str]:
        """Return the contracts whose last price came from this source."""
        return [symbol for symbol, price in self._prices.items() if price.source == source and price.ticks is not None]

    def source_of(self, symbol: str) -> str:
        return self._prices[symbol].source

    def age_of(self, symbol: str, now: datetime) -> dict[str, object]:
        """Return what the evidence says of a price."""
        price = self._prices[symbol]
        value = None if price.ticks is None else format(from_ticks(price.ticks, price.tick_size), "f")
        at = price.at
        age = None if at is None else (now - at).total_seconds()
        return {"price": value, "at": at.isoformat() if at else None, "age_seconds": age, "source": price.source}

    def take_dirty(self, write: Callable[[list[AcceptedMark]], int]) -> int:
        """Hand the marks that changed since the last time to `write`; return how many it stored."""
        marks = [self._accepted(symbol) for symbol in sorted(self._dirty)]
        self._dirty.clear()
        return write(marks) if marks else 0

    def take_heartbeats(self, write: Callable[[str, datetime], object]) -> None:
        """Hand to `write` every source that was heard a second or more after it was written the last time."""
        for source, at in self.heartbeats.items():
            written = self._written_heartbeats.get(source)
            if written is None or at - written >= timedelta(seconds=HEARTBEAT_SECONDS):
                self._written_heartbeats[source] = at
                write(source, at)

    def _accepted(self, symbol: str) -> AcceptedMark:
        price = self._prices[symbol]
        if price.ticks is None or price.at is None:
            raise ValueError(f"{symbol} has no price to store")
        seen_at = max(self.heartbeats.get(price.source, price.at), price.at)
        return AcceptedMark(symbol, from_ticks(price.ticks, price.tick_size), price.at, seen_at, price.source)
