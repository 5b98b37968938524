"""Market tapes as text: LEAN bars and ticks become marks, or faults with their line number."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from accounts.rules.money import to_nanos
from liquidation.rules.marks import mid_price

MONTH_CODES = "FGHJKMNQUVXZ"
BAR_SECONDS = (0, 15, 30, 45)
"""When in its minute each of a bar's four prices is marked."""

_MINUTE_MS = 60_000
_DAY_MS = 86_400_000
_PRICE = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
_DIGITS = re.compile(r"\d{1,9}", re.ASCII)
_LEAN_NAME = re.compile(r"(\d{8})_([A-Za-z0-9]+)_(minute_quote|minute_trade|tick_trade)_(\d{4})(\d\d)\.csv", re.ASCII)


class TapeMark(NamedTuple):
    """One price of one contract; `at` is aware UTC."""

    symbol: str
    price: Decimal
    at: datetime


class LeanKind(StrEnum):
    """What the rows of a LEAN file are."""

    MINUTE_QUOTE = "minute_quote"
    MINUTE_TRADE = "minute_trade"
    TICK_TRADE = "tick_trade"


@dataclass(frozen=True, slots=True)
class LeanName:
    """What the name of a LEAN file says: the UTC date, the kind of rows and the contract."""

    day: date
    kind: LeanKind
    symbol: str


@dataclass(slots=True)
class TapeReading:
    """What was read.

    Attributes:
        marks: Prices of known contracts, in the file's order.
        ignored: How many prices of unknown contracts there were.
        symbols: Every contract that was met.
        faults: One sentence for each bad row, with its line number.
    """

    marks: list[TapeMark] = field(default_factory=list)
    ignored: int = 0
    symbols: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)


class BadRow(ValueError):
    """A row that cannot be read; the text says why."""


def contract_symbol(root: str, year: int, month: int) -> str:
    """Return a contract's symbol: root in capitals, month code, last digit of the year.

    Raises:
        ValueError: month is not 1 to 12.

    Example:
        >>> contract_symbol("es", 2013, 12)
        'ESZ3'
    """
    if not 1 <= month <= len(MONTH_CODES):
        raise ValueError(f"month must be 1 to 12, not {month}")
    return f"{root.upper()}{MONTH_CODES[month - 1]}{year % 10}"


def lean_name(name: str) -> LeanName | None:
    """Return what a LEAN file's name says; None when it is no such name, or of a kind that is not read.

    Example:
        >>> lean_name("20131010_es_minute_quote_201312.csv").symbol
        'ESZ3'
    """
    found = _LEAN_NAME.fullmatch(name)
    if found is None:
        return None
    day, root, kind, year, month = found.groups()
    try:
        return LeanName(date.fromisoformat(day), LeanKind(kind), contract_symbol(root, int(year), int(month)))
    except ValueError:
        return None


def read_lean(lines: Iterable[str], name: LeanName, tick_size: Decimal | None) -> TapeReading:
    """Return the marks of one contract's LEAN file.

    A bar is four marks: open, low, high, close when its close is above its open, else open, high, low, close. A quote
    bar is first turned into a bar of mids, rounded down to the tick; with an empty side or a crossed book it is
    skipped. A tick marked as suspicious is kept: whether a price may be believed is decided where it is used.

    Args:
        lines: The file's lines. Times in them are milliseconds of the day, UTC.
        name: What its name says.
        tick_size: The contract's; None when the contract is not known: its marks are counted, not kept.
    """
    reading = TapeReading(symbols={name.symbol})
    midnight = datetime.combine(name.day, time(), UTC)
    read_row = _ROW_READERS[name.kind]
    prices = PriceReader()
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text:
            continue
        try:
            found = read_row(text.split(","), prices, tick_size)
        except BadRow as error:
            reading.faults.append(f"line {number}: {error}")
            continue
        if tick_size is None:
            reading.ignored += len(found)
        else:
            reading.marks.extend(
                TapeMark(name.symbol, price, midnight + timedelta(milliseconds=moment)) for moment, price in found
            )
    return reading


class PriceReader:
    """Reads prices, each spelling once: a tape repeats few prices many times."""

    def __init__(self) -> None:
        self._known: dict[str, Decimal | None] = {"": None}

    def read(self, text: str) -> Decimal | None:
        """Return the price; None for a blank.

        Raises:
            BadRow: it is not a price that can be kept.
        """
        try:
            return self._known[text]
        except KeyError:
            price = self._known[text] = _price(text)
            return price


def _price(text: str) -> Decimal:
    if not _PRICE.fullmatch(text):
        raise BadRow(f"{text!r} is not a price")
    price = Decimal(text)
    try:
        to_nanos(price)
    except ValueError as error:
        raise BadRow(str(error)) from error
    return price


Found = Sequence[tuple[int, Decimal]]
"""Milliseconds of the day and price."""

Prices = tuple[Decimal, Decimal, Decimal, Decimal]
"""Open, high, low, close."""


def _read_tick(row: list[str], prices: PriceReader, _tick_size: Decimal | None) -> Found:
    require_length(row, 6)
    moment, price = _moment(row[0], _DAY_MS), prices.read(row[1])
    return () if price is None else ((moment, price),)


def _read_trade_bar(row: list[str], prices: PriceReader, _tick_size: Decimal | None) -> Found:
    require_length(row, 6)
    moment, bar = _minute(row[0]), _four(row[1:5], prices)
    return () if bar is None else _marks_of_bar(moment, bar)


def _read_quote_bar(row: list[str], prices: PriceReader, tick_size: Decimal | None) -> Found:
    require_length(row, 11)
    moment, bids, asks = _minute(row[0]), _four(row[1:5], prices), _four(row[6:10], prices)
    if bids is None or asks is None:
        return ()
    # Without the contract's tick there is nothing to round to, and the marks are only counted.
    mids = [mid_price(bid, ask, tick_size or Decimal(1)) for bid, ask in zip(bids, asks, strict=True)]
    whole = [mid for mid in mids if mid is not None]
    return _marks_of_bar(moment, (whole[0], whole[1], whole[2], whole[3])) if len(whole) == len(mids) else ()


def _marks_of_bar(moment: int, bar: Prices) -> Found:
    opened, high, low, close = bar
    order = (opened, low, high, close) if close > opened else (opened, high, low, close)
    return tuple((moment + 1000 * seconds, price) for seconds, price in zip(BAR_SECONDS, order, strict=True))


def _four(texts: list[str], prices: PriceReader) -> Prices | None:
    opened, high, low, close = (prices.read(text) for text in texts)
    if opened is None or high is None or low is None or close is None:
        if any(texts):
            raise BadRow(f"{','.join(texts)} is half a bar")
        return None
    return opened, high, low, close


def require_length(row: list[str], length: int) -> None:
    if len(row) != length:
        raise BadRow(f"{len(row)} fields where {length} belong")


def _moment(text: str, limit: int) -> int:
    if not _DIGITS.fullmatch(text) or int(text) >= limit:
        raise BadRow(f"{text!r} is not a time in milliseconds of the day")
    return int(text)


def _minute(text: str) -> int:
    moment = _moment(text, _DAY_MS)
    if moment % _MINUTE_MS:
        raise BadRow(f"{text} is not the start of a minute")
    return moment


_ROW_READERS: Mapping[LeanKind, Callable[[list[str], PriceReader, Decimal | None], Found]] = {
    LeanKind.MINUTE_QUOTE: _read_quote_bar,
    LeanKind.MINUTE_TRADE: _read_trade_bar,
    LeanKind.TICK_TRADE: _read_tick,
}


def in_order(tapes: Iterable[Iterator[TapeMark] | Sequence[TapeMark]]) -> list[TapeMark]:
    """Return the marks of every tape by time; of the same moment, in the order the tapes are given."""
    return sorted((mark for tape in tapes for mark in tape), key=lambda mark: mark.at)
