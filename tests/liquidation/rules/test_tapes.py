"""Tapes as text: which marks a row makes, and what is wrong with one that makes none."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liquidation.rules.tape_csv import read_csv
from liquidation.rules.tapes import (
    BAR_SECONDS,
    LeanKind,
    LeanName,
    PriceReader,
    TapeMark,
    contract_symbol,
    in_order,
    lean_name,
    read_lean,
)

DAY = date(2013, 10, 10)
MIDNIGHT = datetime(2013, 10, 10, tzinfo=UTC)
TICK = Decimal("0.25")


def name(kind):
    return LeanName(DAY, kind, "ESZ3")


def prices(reading):
    return [str(mark.price) for mark in reading.marks]


def quote(row, tick=TICK):
    return read_lean([row], name(LeanKind.MINUTE_QUOTE), tick)


def trade(row, tick=TICK):
    return read_lean([row], name(LeanKind.MINUTE_TRADE), tick)


@pytest.mark.parametrize(
    ("month", "code"), list(enumerate(["F", "G", "H", "J", "K", "M", "N", "Q", "U", "V", "X", "Z"], start=1))
)
def test_each_month_has_its_code(month, code):
    assert contract_symbol("gc", 2014, month) == f"GC{code}4"


@pytest.mark.parametrize("month", [0, 13])
def test_there_is_no_thirteenth_month(month):
    with pytest.raises(ValueError, match="month must be 1 to 12"):
        contract_symbol("gc", 2014, month)


@pytest.mark.parametrize("kind", list(LeanKind))
def test_a_lean_name_tells_day_kind_and_contract(kind):
    assert lean_name(f"20131010_es_{kind}_201312.csv") == LeanName(DAY, kind, "ESZ3")


@pytest.mark.parametrize(
    "text",
    [
        "README.txt",
        "20131010_es_tick_quote_201312.csv",
        "20131010_es_minute_openinterest_201312.csv",
        "20131332_es_minute_trade_201312.csv",
        "20131010_es_minute_trade_201313.csv",
        "20131010_es_minute_trade_201312.csv.bak",
    ],
)
def test_another_name_is_none(text):
    assert lean_name(text) is None


def test_a_rising_bar_is_open_low_high_close():
    assert prices(trade("0,10.00,12.00,9.00,11.00,5")) == ["10.00", "9.00", "12.00", "11.00"]


@pytest.mark.parametrize("close", ["10.00", "9.50"])
def test_a_bar_that_does_not_rise_is_open_high_low_close(close):
    assert prices(trade(f"0,10.00,12.00,9.00,{close},5")) == ["10.00", "12.00", "9.00", close]


def test_a_bars_marks_are_a_quarter_minute_apart():
    times = [mark.at - MIDNIGHT for mark in trade("60000,10,12,9,11,5").marks]
    assert times == [timedelta(seconds=60 + seconds) for seconds in (0, 15, 30, 45)]


def test_a_quote_bar_is_the_mid_rounded_down_to_the_tick():
    # mids: open (1651.75+1652)/2 = 1651.875, high 1652.125, low 1651.625, close 1651.875
    found = quote("0,1651.75,1652,1651.5,1651.75,19,1652,1652.25,1651.75,1652,93")
    assert prices(found) == ["1651.75", "1652.00", "1651.50", "1651.75"]


def test_a_quote_bar_rises_when_its_rounded_mid_does():
    # open 10.00/10.00 -> 10.00; close 10.00/10.25 -> 10.125 -> 10.00: not above, so the high comes first
    assert prices(quote("0,10,11,9,10,1,10,11,9,10.25,1")) == ["10.00", "11.00", "9.00", "10.00"]


def test_a_mid_below_zero_is_rounded_down_too():
    # (-0.25 + 0.00) / 2 = -0.125, down to -0.25
    assert prices(quote("0,-0.25,-0.25,-0.25,-0.25,1,0,0,0,0,1")) == ["-0.25"] * 4


@pytest.mark.parametrize("row", ["0,,,,,0,1,1,1,1,3", "0,1,1,1,1,3,,,,,0", "0,,,,,0,,,,,0"])
def test_a_bar_with_an_empty_side_is_skipped(row):
    found = quote(row)
    assert (found.marks, found.faults) == ([], [])


def test_a_crossed_bar_is_skipped():
    found = quote("0,10,10,10,10.5,1,10,10,10,10.25,1")
    assert (found.marks, found.faults) == ([], [])


def test_a_tick_is_one_mark_at_its_millisecond():
    found = read_lean(["481,1320.4,1,usa,,0"], name(LeanKind.TICK_TRADE), Decimal("0.1"))
    assert found.marks == [TapeMark("ESZ3", Decimal("1320.4"), MIDNIGHT + timedelta(milliseconds=481))]


def test_a_suspicious_tick_is_kept():
    assert prices(read_lean(["0,1320.4,1,usa,,1"], name(LeanKind.TICK_TRADE), TICK)) == ["1320.4"]


@pytest.mark.parametrize("row", ["0,,1,usa,,0"])
def test_a_tick_without_a_price_is_skipped(row):
    assert read_lean([row], name(LeanKind.TICK_TRADE), TICK).faults == []


def test_a_trade_bar_without_prices_is_skipped():
    found = trade("0,,,,,0")
    assert (found.marks, found.faults) == ([], [])


BAD_BARS = [
    ("0,1,1,1,1", "5 fields where 6 belong"),
    ("0,1,1,1,1,1,1", "7 fields where 6 belong"),
    ("x,1,1,1,1,1", "'x' is not a time in milliseconds of the day"),
    ("86400000,1,1,1,1,1", "'86400000' is not a time in milliseconds of the day"),
    ("-1,1,1,1,1,1", "'-1' is not a time in milliseconds of the day"),
    ("1,1,1,1,1,1", "1 is not the start of a minute"),
    ("0,1,abc,1,1,1", "'abc' is not a price"),
    ("0,1,NaN,1,1,1", "'NaN' is not a price"),
    ("0,1,1e3,1,1,1", "'1e3' is not a price"),
    ("0,1,,1,1,1", "1,,1,1 is half a bar"),
    ("0,0.0000000001,1,1,1,1", "price 1E-10 has more than 9 decimals"),
    ("0,99999999999,1,1,1,1", "price 99999999999 does not fit in 64 bits with 9 decimals"),
]


@pytest.mark.parametrize(("row", "text"), BAD_BARS)
def test_a_bad_bar_is_refused_with_its_line_number(row, text):
    found = read_lean(["0,1,1,1,1,1", row, "60000,1,1,1,1,1"], name(LeanKind.MINUTE_TRADE), TICK)
    assert found.faults == [f"line 2: {text}"]


def test_the_last_millisecond_of_the_day_is_one():
    assert len(read_lean(["86399999,1,1,usa,,0"], name(LeanKind.TICK_TRADE), TICK).marks) == 1


def test_every_bad_row_is_told():
    assert len(read_lean(["x", "0,1,1,1,1,1", "y"], name(LeanKind.MINUTE_TRADE), TICK).faults) == 2


def test_marks_of_a_contract_without_an_instrument_are_counted_and_checked():
    found = read_lean(["0,1,1,1,1,1", "60000,1,1,1,x,1", ""], name(LeanKind.MINUTE_TRADE), None)
    assert (found.marks, found.ignored, found.faults) == ([], 4, ["line 2: 'x' is not a price"])


def test_quotes_of_a_contract_without_an_instrument_are_counted():
    assert quote("0,1,1,1,1,1,2,2,2,2,1", tick=None).ignored == 4


AT = "2013-10-10T13:41:15+00:00"


def csv_of(*rows, header="time,symbol,price", only=""):
    return read_csv([f"{row}\n" for row in (header, *rows)], {"ESZ3": TICK}, only)


def test_a_csv_of_prices_is_read():
    found = csv_of("2013-10-10T15:41:15.5+02:00,ESZ3,1671.50")
    assert found.marks == [
        TapeMark("ESZ3", Decimal("1671.50"), datetime(2013, 10, 10, 13, 41, 15, 500_000, tzinfo=UTC))
    ]


def test_a_csv_of_quotes_is_marked_at_the_mid():
    assert prices(csv_of(f"{AT},ESZ3,10.00,10.25", header="time,symbol,bid,ask")) == ["10.00"]


@pytest.mark.parametrize("row", [f"{AT},ESZ3,,1", f"{AT},ESZ3,1,", f"{AT},ESZ3, ,", f"{AT},ESZ3,2,1"])
def test_a_quote_with_a_blank_side_or_a_crossed_book_is_skipped(row):
    found = csv_of(row, header="time,symbol,bid,ask")
    assert (found.marks, found.ignored, found.faults) == ([], 0, [])


def test_a_blank_price_is_skipped():
    found = csv_of(f"{AT},ESZ3,", f"{AT},ESZ3, ", "", f"{AT},XXXX,")
    assert (found.marks, found.ignored, found.faults) == ([], 0, [])


def test_symbols_without_an_instrument_are_counted():
    found = csv_of(f"{AT},XXXX,1.13", f"{AT},ESZ3,1")
    assert (prices(found), found.ignored) == (["1"], 1)


def test_only_one_symbol_is_kept_as_if_no_other_were_there():
    found = csv_of(f"{AT},XXXX,1", f"{AT},ESZ3,2", only="ESZ3")
    assert (prices(found), found.ignored, found.symbols) == (["2"], 0, {"ESZ3"})


BAD_ROWS = [
    (f"{AT},ESZ3", "2 fields where 3 belong"),
    ("2013-10-10T13:41:15,ESZ3,1", "2013-10-10T13:41:15 has no offset from UTC"),
    ("yesterday,ESZ3,1", "'yesterday' is not a time in ISO 8601"),
    (f"{AT},,1", "the symbol is missing"),
    (f"{AT},ESZ3,one", "'one' is not a price"),
    ("0001-01-01T00:00:00+10:00,ESZ3,1", "0001-01-01T00:00:00+10:00 is beyond the calendar"),
]


@pytest.mark.parametrize(("row", "text"), BAD_ROWS)
def test_a_bad_row_is_refused_with_its_line_number(row, text):
    assert csv_of(f"{AT},ESZ3,1", row).faults == [f"line 3: {text}"]


@pytest.mark.parametrize("header", ["", "time,price,symbol", "Time,Symbol,Price"])
def test_another_header_is_refused(header):
    assert csv_of(header=header).faults == ["line 1: the header is neither time,symbol,price nor time,symbol,bid,ask"]


def test_a_csv_that_cannot_be_parsed_is_refused():
    field = "x" * 200_000
    assert csv_of(f'{AT},"{field}",1').faults == ["line 2: field larger than field limit (131072)"]


def test_an_empty_csv_has_no_header():
    assert len(read_csv([], {}).faults) == 1


def test_marks_of_one_moment_keep_the_order_of_the_tapes():
    first = [TapeMark("A", Decimal(1), MIDNIGHT), TapeMark("A", Decimal(3), MIDNIGHT + timedelta(seconds=1))]
    second = [TapeMark("B", Decimal(2), MIDNIGHT)]
    assert [mark.symbol for mark in in_order([first, second])] == ["A", "B", "A"]
    assert [mark.symbol for mark in in_order([second, first])] == ["B", "A", "A"]


def test_the_marks_of_a_tape_out_of_order_are_put_in_order():
    late, early = TapeMark("A", Decimal(1), MIDNIGHT + timedelta(1)), TapeMark("A", Decimal(2), MIDNIGHT)
    assert in_order([[late, early]]) == [early, late]


TICKS = st.integers(-10_000, 10_000).map(lambda ticks: ticks * TICK)


@given(st.lists(TICKS, min_size=4, max_size=4))
def test_a_bar_marks_each_of_its_prices_once(bar):
    found = trade("0," + ",".join(map(str, bar)) + ",1")
    assert sorted(mark.price for mark in found.marks) == sorted(bar)
    assert found.marks[0].price == bar[0]
    assert found.marks[-1].price == bar[3]
    assert [(mark.at - MIDNIGHT).seconds for mark in found.marks] == list(BAR_SECONDS)


@given(st.text(max_size=12))
def test_a_price_is_read_exactly_or_refused(text):
    try:
        price = PriceReader().read(text)
    except ValueError:
        return
    assert price is None if text == "" else price == Decimal(text)
