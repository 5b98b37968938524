"""The index of who to look at next."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from liquidation.rules.watch import Band, WatchIndex, bands

SYMBOLS = ["CLZ3", "ESZ3", "NQZ3", "ZNZ3"]
MARKS = st.integers(-60, 60)
ROOMS = st.none() | st.decimals(min_value=Decimal("0.000001"), max_value=5000, places=6)
PEAK_ROOMS = st.none() | st.decimals(min_value=0, max_value=5000, places=6)
PER_TICK = st.dictionaries(
    st.sampled_from(SYMBOLS), st.decimals(min_value=-300, max_value=300, places=6), max_size=len(SYMBOLS)
)


def band_of(money, *, room_down=None, room_up=None, peak_room=None):
    rooms = [None if room is None else Decimal(room) for room in (room_down, room_up, peak_room)]
    found = bands({"ESZ3": Decimal(money)}, {"ESZ3": 100}, room_down=rooms[0], room_up=rooms[1], peak_room=rooms[2])
    return found["ESZ3"]


@pytest.mark.parametrize(("room", "low"), [("24.99", 99), ("25", 99), ("25.01", 98)])
def test_a_long_position_may_fall_while_the_floor_is_not_reached(room, low):
    assert band_of("12.50", room_down=room) == Band(low=low, high=None)


@pytest.mark.parametrize(("room", "high"), [("24.99", 101), ("25", 101), ("25.01", 102)])
def test_a_short_position_may_rise_while_the_floor_is_not_reached(room, high):
    assert band_of("-12.50", room_down=room) == Band(low=None, high=high)


@pytest.mark.parametrize(("room", "high"), [("24.99", 101), ("25", 101), ("25.01", 102)])
def test_a_ceiling_must_not_be_reached(room, high):
    assert band_of("12.50", room_up=room) == Band(low=None, high=high)


@pytest.mark.parametrize(("room", "high"), [("0", 100), ("24.99", 101), ("25", 102), ("25.01", 102)])
def test_a_peak_may_be_reached_but_not_passed(room, high):
    assert band_of("12.50", peak_room=room) == Band(low=None, high=high)


@pytest.mark.parametrize(("room_up", "peak_room", "low"), [("100", "25", 98), ("25", "100", 99)])
def test_the_nearer_of_ceiling_and_peak_decides(room_up, peak_room, low):
    assert band_of("-12.50", room_up=room_up, peak_room=peak_room) == Band(low=low, high=None)


def test_a_room_is_shared_evenly_and_a_flat_symbol_takes_no_share():
    per_tick = {"ESZ3": Decimal(10), "NQZ3": Decimal(-5), "CLZ3": Decimal(0)}
    found = bands(per_tick, {"ESZ3": 0, "NQZ3": 0}, room_down=Decimal(100), room_up=None, peak_room=None)
    assert found == {"ESZ3": Band(-4, None), "NQZ3": Band(None, 9)}


def test_without_any_room_or_exposure_there_is_nothing_to_watch():
    assert bands({"ESZ3": Decimal(1)}, {"ESZ3": 0}, room_down=None, room_up=None, peak_room=None) == {}
    assert bands({"ESZ3": Decimal(0)}, {}, room_down=Decimal(1), room_up=None, peak_room=None) == {}


@pytest.mark.parametrize("rooms", [{"room_down": "0"}, {"room_up": "0"}, {"peak_room": "-0.01"}])
def test_a_level_already_reached_leaves_no_room_and_is_refused(rooms):
    with pytest.raises(ValueError, match=next(iter(rooms))):
        band_of("1", **rooms)


def test_exposure_without_a_mark_is_an_error():
    with pytest.raises(KeyError):
        bands({"ESZ3": Decimal(1)}, {}, room_down=Decimal(1), room_up=None, peak_room=None)


@given(per_tick=PER_TICK, room_down=ROOMS, room_up=ROOMS, peak_room=PEAK_ROOMS, data=st.data())
def test_inside_all_bands_no_room_is_used_up(per_tick, room_down, room_up, peak_room, data):
    ticks = {symbol: data.draw(st.integers(-(10**6), 10**6), label=symbol) for symbol in per_tick}
    found = bands(per_tick, ticks, room_down=room_down, room_up=room_up, peak_room=peak_room)
    change = sum(
        Fraction(per_tick[symbol]) * (data.draw(inside(band, ticks[symbol]), label=symbol) - ticks[symbol])
        for symbol, band in found.items()
    )
    assert room_down is None or change > -Fraction(room_down)
    assert room_up is None or change < Fraction(room_up)
    assert peak_room is None or change <= Fraction(peak_room)


def inside(band, ticks):
    low = ticks - 10**9 if band.low is None else band.low
    high = ticks + 10**9 if band.high is None else band.high
    return st.sampled_from([low, high]) | st.integers(low, high)


@given(money=st.decimals(min_value=Decimal("0.000001"), max_value=300, places=6), room=ROOMS.filter(bool))
def test_the_band_is_the_widest_that_is_safe(money, room):
    found = bands({"ESZ3": money}, {"ESZ3": 0}, room_down=room, room_up=None, peak_room=None)
    assert Fraction(money) * (1 - found["ESZ3"].low) >= Fraction(room)


@pytest.mark.parametrize(("mark", "due"), [(9, [1]), (10, []), (20, []), (21, [1])])
def test_both_ends_belong_to_the_band(mark, due):
    index = WatchIndex()
    index.place(1, {"ESZ3": Band(10, 20)})
    assert index.crossed("ESZ3", mark) == due


def test_a_band_without_ends_and_an_unknown_symbol_are_never_crossed():
    index = WatchIndex()
    index.place(1, {"ESZ3": Band(None, None)})
    index.place(2, {})
    assert (index.crossed("ESZ3", 10**9), index.crossed("NQZ3", 0), len(index)) == ([], [], 2)


def test_nodes_come_out_by_id_whichever_side_they_leave():
    index = WatchIndex()
    index.place(3, {"ESZ3": Band(None, 5)})
    index.place(1, {"ESZ3": Band(9, None)})
    index.place(2, {"ESZ3": Band(None, 4)})
    assert index.crossed("ESZ3", 6) == [1, 2, 3]


def test_a_band_with_no_inside_makes_its_node_due_once():
    index = WatchIndex()
    index.place(1, {"ESZ3": Band(7, 3)})
    assert (index.crossed("ESZ3", 5), index.crossed("ESZ3", 5)) == ([1], [])


def test_a_node_is_due_once_for_all_its_symbols():
    index = WatchIndex()
    index.place(1, {"ESZ3": Band(0, 5), "NQZ3": Band(0, 5)})
    assert (index.crossed("ESZ3", 6), index.crossed("NQZ3", 6), len(index)) == ([1], [], 0)


def test_dead_entries_never_outnumber_the_living():
    index = WatchIndex()
    index.place(0, {"ESZ3": Band(-1, 1)})
    for low in range(1000):
        index.place(1, {"ESZ3": Band(-low, low)})
    assert len(index._highs["ESZ3"].entries) <= 4
    assert len(index._lows["ESZ3"].entries) <= 4


def leaves(band, mark):
    return (band.low is not None and mark < band.low) or (band.high is not None and mark > band.high)


class IndexAgainstADict(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.index = WatchIndex()
        self.model = {}

    @rule(
        node_id=st.integers(0, 12),
        placed=st.dictionaries(
            st.sampled_from(SYMBOLS), st.builds(Band, low=st.none() | MARKS, high=st.none() | MARKS)
        ),
    )
    def place(self, node_id, placed):
        self.index.place(node_id, placed)
        self.model[node_id] = placed

    @rule(node_id=st.integers(0, 12))
    def drop(self, node_id):
        self.index.drop(node_id)
        self.model.pop(node_id, None)

    @rule(symbol=st.sampled_from(SYMBOLS), mark=MARKS)
    def mark(self, symbol, mark):
        due = sorted(
            node_id for node_id, placed in self.model.items() if symbol in placed and leaves(placed[symbol], mark)
        )
        assert self.index.crossed(symbol, mark) == due
        for node_id in due:
            del self.model[node_id]

    @invariant()
    def as_many_are_watched(self):
        assert len(self.index) == len(self.model)

    @invariant()
    def the_dead_are_counted(self):
        for heap in (*self.index._lows.values(), *self.index._highs.values()):
            assert heap.dead == sum(not entry[2].is_live for entry in heap.entries)
            assert heap.dead * 2 <= len(heap.entries)


TestIndexAgainstADict = IndexAgainstADict.TestCase
