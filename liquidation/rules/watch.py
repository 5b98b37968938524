"""The index that tells, mark by mark, whose turn it is to be evaluated."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from heapq import heapify, heappop, heappush
from itertools import count

_Ratio = tuple[int, int]
_Entry = tuple[int, int, "_Watch"]


@dataclass(frozen=True, slots=True)
class Band:
    """The marks, in ticks, at which nothing can have happened; both ends belong to it, None is no end."""

    low: int | None
    high: int | None


def bands(
    per_tick: Mapping[str, Decimal],
    ticks: Mapping[str, int],
    *,
    room_down: Decimal | None,
    room_up: Decimal | None,
    peak_room: Decimal | None,
) -> dict[str, Band]:
    """Return how far each mark may go before the account must be looked at again.

    Whatever the marks, while each is inside its band the P/L stays strictly inside both rooms, and has not
    risen by more than peak_room. Each room is shared evenly by the symbols with exposure. Never too wide by
    rounding: the arithmetic is on integers.

    Args:
        per_tick: Money of one tick up, account currency, by symbol: net x tick value x rate. Short is negative.
        ticks: Marks now, in ticks, of every symbol with exposure.
        room_down: P/L less the highest floor, > 0; None when there is no floor.
        room_up: Lowest ceiling less P/L, > 0; None when there is no ceiling.
        peak_room: Peak less net liq, >= 0; None when no peak is followed in real time.

    Returns:
        A band for each symbol with exposure; none at all when there is no room to watch.

    Raises:
        KeyError: a symbol with exposure has no mark.
        ValueError: room_down or room_up is not above zero, or peak_room is negative.

    Example:
        >>> bands({"ESZ3": Decimal("37.50")}, {"ESZ3": 6686}, room_down=Decimal("150"), room_up=None, peak_room=None)
        {'ESZ3': Band(low=6683, high=None)}
    """
    _require_rooms(room_down, room_up, peak_room)
    exposed = {symbol: money for symbol, money in per_tick.items() if money}
    if not exposed or (room_down is None and room_up is None and peak_room is None):
        return {}
    falls = _share(room_down, len(exposed))
    rises = _share(room_up, len(exposed))
    peaks = _share(peak_room, len(exposed))
    return {symbol: _band(money, ticks[symbol], falls, rises, peaks) for symbol, money in exposed.items()}


class WatchIndex:
    """Which nodes of the account trees a mark makes due.

    A mark costs one comparison on either side of its symbol while nothing crosses, however many nodes are
    watched. A node is due once: it leaves the index, and the caller evaluates it and places it again.

    Example:
        >>> index = WatchIndex()
        >>> index.place(7, {"ESZ3": Band(low=6683, high=None)})
        >>> index.crossed("ESZ3", 6683), index.crossed("ESZ3", 6682), len(index)
        ([], [7], 0)
    """

    __slots__ = ("_highs", "_lows", "_serials", "_watches")

    def __init__(self) -> None:
        self._highs: dict[str, _Heap] = {}
        self._lows: dict[str, _Heap] = {}
        self._serials = count()
        self._watches: dict[int, _Watch] = {}

    def __len__(self) -> int:
        """Nodes placed and not yet dropped or crossed, those without a band included."""
        return len(self._watches)

    def place(self, node_id: int, bands: Mapping[str, Band]) -> None:
        """Watch a node by these bands, instead of its earlier ones."""
        self.drop(node_id)
        watch = _Watch(node_id)
        serial = next(self._serials)
        for symbol, band in bands.items():
            if band.low is not None:
                # The heap's smallest key is the first to be crossed; on the way down that is the highest low.
                watch.enter(self._lows.setdefault(symbol, _Heap()), -band.low, serial)
            if band.high is not None:
                watch.enter(self._highs.setdefault(symbol, _Heap()), band.high, serial)
        self._watches[node_id] = watch

    def drop(self, node_id: int) -> None:
        """Stop watching a node; nothing happens when it is not watched."""
        watch = self._watches.pop(node_id, None)
        if watch is not None:
            watch.retire()

    def crossed(self, symbol: str, ticks: int) -> list[int]:
        """Take out the nodes whose band this mark leaves, and return their ids in ascending order."""
        due: list[int] = []
        low, high = self._lows.get(symbol), self._highs.get(symbol)
        if low is not None:
            self._take(low, -ticks, due)
        if high is not None:
            self._take(high, ticks, due)
        due.sort()
        return due

    def _take(self, heap: "_Heap", level: int, due: list[int]) -> None:
        while heap.entries and heap.entries[0][0] < level:
            watch = heap.entries[0][2]
            if watch.is_live:
                due.append(watch.node_id)
                self.drop(watch.node_id)
            else:
                heap.discard_first()


class _Watch:
    __slots__ = ("heaps", "is_live", "node_id")

    def __init__(self, node_id: int) -> None:
        self.node_id = node_id
        self.is_live = True
        self.heaps: list[_Heap] = []

    def enter(self, heap: "_Heap", key: int, serial: int) -> None:
        # The serial settles ties, so that two watches are never compared.
        heappush(heap.entries, (key, serial, self))
        self.heaps.append(heap)

    def retire(self) -> None:
        self.is_live = False
        for heap in self.heaps:
            heap.bury_one()


class _Heap:
    __slots__ = ("dead", "entries")

    def __init__(self) -> None:
        self.entries: list[_Entry] = []
        self.dead = 0

    def bury_one(self) -> None:
        self.dead += 1
        if self.dead * 2 > len(self.entries):
            self.entries = [entry for entry in self.entries if entry[2].is_live]
            heapify(self.entries)
            self.dead = 0

    def discard_first(self) -> None:
        heappop(self.entries)
        self.dead -= 1


def _require_rooms(room_down: Decimal | None, room_up: Decimal | None, peak_room: Decimal | None) -> None:
    for name, room in (("room_down", room_down), ("room_up", room_up)):
        if room is not None and room <= 0:
            raise ValueError(f"{name} must be above zero, not {room}")
    if peak_room is not None and peak_room < 0:
        raise ValueError(f"peak_room must not be negative, not {peak_room}")


def _share(room: Decimal | None, shares: int) -> _Ratio | None:
    if room is None:
        return None
    numerator, denominator = room.as_integer_ratio()
    return numerator, denominator * shares


def _band(money: Decimal, ticks: int, falls: _Ratio | None, rises: _Ratio | None, peaks: _Ratio | None) -> Band:
    tick = money.copy_abs().as_integer_ratio()
    worse = _ticks_below(falls, tick)
    better = _smaller(_ticks_below(rises, tick), _ticks_within(peaks, tick))
    down, up = (worse, better) if money > 0 else (better, worse)
    return Band(None if down is None else ticks - down, None if up is None else ticks + up)


def _ticks_below(room: _Ratio | None, tick: _Ratio) -> int | None:
    return None if room is None else (room[0] * tick[1] - 1) // (room[1] * tick[0])


def _ticks_within(room: _Ratio | None, tick: _Ratio) -> int | None:
    return None if room is None else room[0] * tick[1] // (room[1] * tick[0])


def _smaller(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
