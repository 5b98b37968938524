"""Market tapes from files: LEAN archives and CSV, merged by time."""

import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path, PurePosixPath

from liquidation.feeds.base import MarkEvent
from liquidation.rules.tape_csv import read_csv
from liquidation.rules.tapes import LeanName, TapeMark, TapeReading, in_order, lean_name, read_lean

SOURCE = "tape"
_LEAN_FORM = "YYYYMMDD_ROOT_minute_quote|minute_trade|tick_trade_YYYYMM.csv"


@dataclass(frozen=True, slots=True)
class Tape:
    """A file, and the only contract of it to keep (empty: all)."""

    path: Path
    only: str = ""


@dataclass(frozen=True, slots=True)
class Tapes:
    """Every tape together: marks by time, the number of marks of unknown contracts, and what is wrong, a line each."""

    marks: Sequence[MarkEvent]
    ignored: int
    faults: Sequence[str]


def tape_argument(text: str) -> Tape:
    """Return the tape that `FILE[=SYMBOL]` names. A file whose own name holds an equals sign is taken as it is."""
    file, equals, only = text.rpartition("=")
    if not equals or Path(text).exists():
        return Tape(Path(text))
    return Tape(Path(file), only)


def read_tapes(tapes: Sequence[Tape], tick_sizes: Mapping[str, Decimal]) -> Tapes:
    """Return the marks of all tapes by time; of the same moment, in the order the tapes are given.

    Args:
        tapes: What to read.
        tick_sizes: Tick size of every known contract; marks of others are counted and left out.
    """
    readings = [_read(tape, tick_sizes) for tape in tapes]
    marks = in_order(reading.marks for reading in readings)
    return Tapes(
        marks=[_event(mark) for mark in marks],
        ignored=sum(reading.ignored for reading in readings),
        faults=[
            f"{tape.path}: {fault}" for tape, reading in zip(tapes, readings, strict=True) for fault in reading.faults
        ],
    )


def _event(mark: TapeMark) -> MarkEvent:
    return MarkEvent(mark.symbol, mark.price, mark.at, SOURCE)


def _read(tape: Tape, tick_sizes: Mapping[str, Decimal]) -> TapeReading:
    reading = _read_file(tape, tick_sizes)
    if tape.only and tape.only not in reading.symbols and not reading.faults:
        reading.faults.append(f"holds no {tape.only}")
    return reading


def _read_file(tape: Tape, tick_sizes: Mapping[str, Decimal]) -> TapeReading:
    readers = {".zip": _read_archive, ".csv": _read_plain}
    reader = readers.get(tape.path.suffix.lower())
    if reader is None:
        return TapeReading(faults=["is neither a .zip nor a .csv"])
    try:
        return reader(tape, tick_sizes)
    except OSError as error:
        return TapeReading(faults=[f"cannot be read: {error.strerror or error}"])
    except UnicodeDecodeError:
        return TapeReading(faults=["is not UTF-8 text"])
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        # RuntimeError: an encrypted member, or a compression this Python was built without.
        return TapeReading(faults=[f"is not a readable archive: {error}"])


def _read_plain(tape: Tape, tick_sizes: Mapping[str, Decimal]) -> TapeReading:
    with tape.path.open(encoding="utf-8-sig", newline="") as lines:
        return read_csv(lines, tick_sizes, tape.only)


def _read_archive(tape: Tape, tick_sizes: Mapping[str, Decimal]) -> TapeReading:
    whole = TapeReading()
    with zipfile.ZipFile(tape.path) as archive:
        for member in sorted(name for name in archive.namelist() if not name.endswith("/")):
            name = lean_name(PurePosixPath(member).name)
            if name is None:
                whole.faults.append(f"{member}: the name is not {_LEAN_FORM}")
            elif not tape.only or name.symbol == tape.only:
                _add(whole, member, _read_member(archive, member, name, tick_sizes.get(name.symbol)))
    return whole


def _read_member(archive: zipfile.ZipFile, member: str, name: LeanName, tick_size: Decimal | None) -> TapeReading:
    return read_lean(_lines(archive, member), name, tick_size)


def _lines(archive: zipfile.ZipFile, member: str) -> Iterator[str]:
    with archive.open(member) as raw, io.TextIOWrapper(raw, encoding="utf-8") as text:
        yield from text


def _add(whole: TapeReading, member: str, part: TapeReading) -> None:
    whole.marks.extend(part.marks)
    whole.ignored += part.ignored
    whole.symbols |= part.symbols
    whole.faults.extend(f"{member}: {fault}" for fault in part.faults)
