"""The prices the engine decides with: sanity first, and how long ago each source was heard."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from accounts.models import Instrument, Mark
from accounts.rules.money import from_ticks, to_ticks
from accounts.services.marks import AcceptedMark
from liquidation.rules.marks import MarkRules, MarkVerdict, judge_mark


@dataclass(slots=True)
class Price:
    """One contract's last accepted price, in ticks, and the suspects that wait to be confirmed."""

    tick_size: Decimal
    ticks: int | None = None
    at: datetime | None = None
    source: str = ""
    suspects: tuple[Decimal, ...] = ()
    suspect_at: datetime | None = None


class Prices:
    """Every contract's price. `ticks` is what P/L is computed from."""

    def __init__(self, rules: MarkRules) -> None:
        self.rules = rules
        self.ticks: dict[str, int] = {}
        self.heard: dict[str, datetime] = {}
        self._prices: dict[str, Price] = {}
        self._dirty: set[str] = set()

    def load(self) -> None:
        """Read contracts and last marks from the database."""
        self._prices = {row.symbol: Price(row.tick_size) for row in Instrument.objects.all()}
        for mark in Mark.objects.select_related("instrument"):
            price = self._prices[mark.instrument.symbol]
            price.ticks, price.at, price.source = to_ticks(mark.price, price.tick_size), mark.priced_at, mark.source
            self.heard[mark.source] = max(mark.seen_at, self.heard.get(mark.source, mark.seen_at))
        self.ticks = {symbol: price.ticks for symbol, price in self._prices.items() if price.ticks is not None}

    def load_new(self) -> None:
        """Read contracts that were added or changed; prices in memory stay."""
        for row in Instrument.objects.all():
            standing = self._prices.get(row.symbol)
            if standing is None or standing.tick_size != row.tick_size:
                self._prices[row.symbol] = Price(row.tick_size)
                self.ticks.pop(row.symbol, None)

    def knows(self, symbol: str) -> bool:
        return symbol in self._prices

    def take(self, symbol: str, value: Decimal, at: datetime, source: str) -> tuple[MarkVerdict, int]:
        """Judge a mark and keep it when it passes; return the verdict and the ticks it stands at then."""
        price = self._prices[symbol]
        self.hear(source, at)
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
        price.suspect_at = at if verdict is MarkVerdict.SUSPECT else None
        if verdict is not MarkVerdict.ACCEPT:
            return verdict, 0
        price.ticks, price.at, price.source = to_ticks(value, price.tick_size), at, source
        self.ticks[symbol] = price.ticks
        self._dirty.add(symbol)
        return verdict, price.ticks

    def hear(self, source: str, at: datetime) -> None:
        """Note that a source is alive."""
        self.heard[source] = max(at, self.heard.get(source, at))

    def silent_sources(self, now: datetime, max_age_seconds: float | None) -> list[str]:
        """Return the sources that have not been heard for too long; none where no age is set."""
        if max_age_seconds is None:
            return []
        limit = timedelta(seconds=max_age_seconds)
        return sorted(source for source, heard in self.heard.items() if now - heard > limit)

    def stale_symbols(self, silent: list[str]) -> set[str]:
        return {symbol for symbol, price in self._prices.items() if price.source in silent and price.ticks is not None}

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

    def _accepted(self, symbol: str) -> AcceptedMark:
        price = self._prices[symbol]
        if price.ticks is None or price.at is None:
            raise ValueError(f"{symbol} has no price to store")
        seen_at = max(self.heard.get(price.source, price.at), price.at)
        return AcceptedMark(symbol, from_ticks(price.ticks, price.tick_size), price.at, seen_at, price.source)
