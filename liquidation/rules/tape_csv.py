"""Market tapes as plain CSV."""

import csv
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal

from liquidation.rules.marks import mid_price
from liquidation.rules.tapes import BadRow, PriceReader, TapeMark, TapeReading, require_length


def read_csv(lines: Iterable[str], tick_sizes: Mapping[str, Decimal], only: str = "") -> TapeReading:
    """Return the marks of a CSV with the header `time,symbol,price` or `time,symbol,bid,ask`.

    Times are ISO 8601 with an offset. A row with a blank price or a crossed book is skipped; a mid is rounded down
    to the tick.

    Args:
        lines: The file's lines.
        tick_sizes: Tick size of every known contract; marks of others are counted, not kept.
        only: Keep this contract alone, as if no other were in the file; empty keeps all.
    """
    reading = TapeReading()
    rows = csv.reader(lines)
    header: list[str] = []
    try:
        header = next(rows, [])
        read_price = _HEADERS.get(tuple(header))
        if read_price is None:
            reading.faults.append("line 1: the header is neither time,symbol,price nor time,symbol,bid,ask")
            return reading
        prices = PriceReader()
        for row in rows:
            _read_csv_row(reading, rows.line_num, row, len(header), read_price, prices, tick_sizes, only)
    except csv.Error as error:
        reading.faults.append(f"line {rows.line_num}: {error}")
    return reading


CsvPrice = Callable[[list[str], PriceReader, Decimal | None], Decimal | None]


def _read_csv_row(
    reading: TapeReading,
    number: int,
    row: list[str],
    length: int,
    read_price: CsvPrice,
    prices: PriceReader,
    tick_sizes: Mapping[str, Decimal],
    only: str,
) -> None:
    if not row:
        return
    try:
        require_length(row, length)
        at, symbol = _instant(row[0]), _symbol(row[1])
        tick_size = tick_sizes.get(symbol)
        price = read_price(row, prices, tick_size)
    except BadRow as error:
        reading.faults.append(f"line {number}: {error}")
        return
    if only and symbol != only:
        return
    reading.symbols.add(symbol)
    if price is None:
        return
    if tick_size is None:
        reading.ignored += 1
    else:
        reading.marks.append(TapeMark(symbol, price, at))


def _csv_price(row: list[str], prices: PriceReader, _tick_size: Decimal | None) -> Decimal | None:
    return prices.read(row[2].strip())


def _csv_mid(row: list[str], prices: PriceReader, tick_size: Decimal | None) -> Decimal | None:
    bid, ask = prices.read(row[2].strip()), prices.read(row[3].strip())
    if bid is None or ask is None:
        return None
    return mid_price(bid, ask, tick_size or Decimal(1))


_HEADERS: Mapping[tuple[str, ...], CsvPrice] = {
    ("time", "symbol", "price"): _csv_price,
    ("time", "symbol", "bid", "ask"): _csv_mid,
}


def _symbol(text: str) -> str:
    if not text.strip():
        raise BadRow("the symbol is missing")
    return text


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise BadRow(f"{text!r} is not a time in ISO 8601") from None
    if at.utcoffset() is None:
        raise BadRow(f"{text} has no offset from UTC")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise BadRow(f"{text} is beyond the calendar") from None
