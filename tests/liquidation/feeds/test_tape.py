"""Tapes from files: archives and CSV, merged, with every fault told."""

import zipfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from liquidation.feeds.base import MarkEvent
from liquidation.feeds.tape import Tape, read_tapes, tape_argument

TICKS = {"ESZ3": Decimal("0.25"), "GCZ3": Decimal("0.1")}
GOLDEN = Path(__file__).parents[2] / "golden"
REAL = Path(__file__).parents[4] / "shared" / "tape"


def archive(folder, name, members):
    path = folder / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for member, text in members.items():
            file.writestr(member, text)
    return path


def plain(folder, name, *rows):
    path = folder / name
    path.write_text("\n".join(["time,symbol,price", *rows, ""]))
    return path


@pytest.fixture
def es(tmp_path):
    members = {
        "20131010_es_minute_trade_201403.csv": "0,1640,1640,1640,1640,1\n",
        "20131010_es_minute_trade_201312.csv": "0,1650,1651,1649,1650.5,1\n",
    }
    return archive(tmp_path, "es_minute_20131010_trade.zip", members)


def test_an_archive_holds_a_contract_in_each_csv(es):
    found = read_tapes([Tape(es)], TICKS)
    assert [str(mark.price) for mark in found.marks] == ["1650", "1649", "1651", "1650.5"]
    assert (found.ignored, found.faults) == (4, [])
    assert found.marks[0] == MarkEvent("ESZ3", Decimal(1650), datetime(2013, 10, 10, tzinfo=UTC), "tape")


def test_one_contract_is_kept_as_if_no_other_were_there(es):
    found = read_tapes([Tape(es, "ESZ3")], TICKS)
    assert (len(found.marks), found.ignored) == (4, 0)


@pytest.mark.parametrize("only", ["ESM4", "esz3"])
def test_a_contract_that_is_not_on_the_tape_is_a_fault(es, only):
    assert read_tapes([Tape(es, only)], TICKS).faults == [f"{es}: holds no {only}"]


def test_tapes_are_merged_by_time_and_ties_by_their_order(tmp_path):
    first = plain(tmp_path, "a.csv", "2013-10-10T00:00:01Z,ESZ3,1", "2013-10-10T00:00:00Z,ESZ3,2")
    second = plain(tmp_path, "b.csv", "2013-10-10T00:00:00Z,GCZ3,3")
    assert [str(mark.price) for mark in read_tapes([Tape(first), Tape(second)], TICKS).marks] == ["2", "3", "1"]
    assert [str(mark.price) for mark in read_tapes([Tape(second), Tape(first)], TICKS).marks] == ["3", "2", "1"]


def test_a_mark_at_the_front_of_a_file_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbftime,symbol,price\r\n2013-10-10T00:00:00Z,ESZ3,1\r\n")
    assert len(read_tapes([Tape(path)], TICKS).marks) == 1


def test_every_fault_of_every_tape_is_told(es, tmp_path):
    bad = plain(tmp_path, "bad.csv", "x,ESZ3,1", "2013-10-10T00:00:00Z,ESZ3,1", "y,ESZ3,1")
    broken = archive(
        tmp_path, "broken.zip", {"20131010_es_minute_trade_201312.csv": "0,1,1,1,1\n", "notes.txt": "", "folder/": ""}
    )
    found = read_tapes([Tape(bad), Tape(es), Tape(broken)], TICKS)
    assert found.faults == [
        f"{bad}: line 2: 'x' is not a time in ISO 8601",
        f"{bad}: line 4: 'y' is not a time in ISO 8601",
        f"{broken}: 20131010_es_minute_trade_201312.csv: line 1: 5 fields where 6 belong",
        f"{broken}: notes.txt: the name is not YYYYMMDD_ROOT_minute_quote|minute_trade|tick_trade_YYYYMM.csv",
    ]


def test_a_file_that_is_not_there_is_a_fault(tmp_path):
    for name in ("none.csv", "none.zip"):
        path = tmp_path / name
        assert read_tapes([Tape(path)], TICKS).faults == [f"{path}: cannot be read: No such file or directory"]


def test_a_file_of_another_kind_is_a_fault(tmp_path):
    path = tmp_path / "tape.parquet"
    assert read_tapes([Tape(path)], TICKS).faults == [f"{path}: is neither a .zip nor a .csv"]


def test_a_file_that_is_no_archive_is_a_fault(tmp_path):
    path = tmp_path / "tape.zip"
    path.write_bytes(b"not a zip")
    assert read_tapes([Tape(path)], TICKS).faults == [f"{path}: is not a readable archive: File is not a zip file"]


@pytest.mark.parametrize("name", ["tape.csv", "20131010_es_minute_trade_201312.csv"])
def test_a_file_that_is_no_text_is_a_fault(tmp_path, name):
    path = tmp_path / name
    if name == "tape.csv":
        path.write_bytes(b"time,symbol,price\n\xff\n")
    else:
        path = archive(tmp_path, "tape.zip", {name: b"\xff\n"})
    assert read_tapes([Tape(path)], TICKS).faults == [f"{path}: is not UTF-8 text"]


def test_a_symbol_follows_an_equals_sign():
    assert tape_argument("folder/es.zip=ESZ3") == Tape(Path("folder/es.zip"), "ESZ3")
    assert tape_argument("folder/es.zip") == Tape(Path("folder/es.zip"))


def test_a_file_with_an_equals_sign_in_its_name_is_itself(tmp_path):
    path = plain(tmp_path, "a=b.csv")
    assert tape_argument(str(path)) == Tape(path)
    assert tape_argument(f"{path}=ESZ3") == Tape(path, "ESZ3")


TAPES = [GOLDEN / "es_minute_20240305_quote.zip", *sorted(REAL.glob("*.zip"))]


@pytest.mark.parametrize("path", TAPES, ids=lambda path: path.name)
def test_a_whole_tape_has_no_fault_and_stays_on_the_tick(path):
    found = read_tapes([Tape(path)], TICKS | {"ESH4": Decimal("0.25")})
    assert found.faults == []
    assert found.marks
    assert all(mark.price % (TICKS | {"ESH4": Decimal("0.25")})[mark.symbol] == 0 for mark in found.marks)
    assert [mark.at for mark in found.marks] == sorted(mark.at for mark in found.marks)
