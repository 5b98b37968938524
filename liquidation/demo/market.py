"""The demonstration's market: a drawn path for each contract, then a mild random walk for ever.

The path is drawn so that accounts of the demonstration's firm breach one after the other (`liquidation.demo.book`).
Everything is counted in ticks; the same seed draws the same market.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

TURNS_PER_SECOND = 4
WALK_TICKS = 40


@dataclass(frozen=True, slots=True)
class Path:
    """A contract's way: where it starts, and where it is so many seconds later, in ticks from the start."""

    start: Decimal
    tick: Decimal
    knots: tuple[tuple[int, int], ...]

    def ticks_at(self, turn: int) -> int:
        """Return the drawn offset at a turn; after the last knot it stays there."""
        before = (0, 0)
        for after in self.knots:
            if turn < after[0] * TURNS_PER_SECOND:
                return _between(before, after, turn)
            before = after
        return before[1]

    @property
    def last_turn(self) -> int:
        return self.knots[-1][0] * TURNS_PER_SECOND

    def price(self, ticks: int) -> Decimal:
        """Return the price so many ticks from the start."""
        return self.start + ticks * self.tick


def _between(before: tuple[int, int], after: tuple[int, int], turn: int) -> int:
    span = (after[0] - before[0]) * TURNS_PER_SECOND
    return before[1] + (after[1] - before[1]) * (turn - before[0] * TURNS_PER_SECOND) // span


PATHS: Mapping[str, Path] = {
    "ESZ6": Path(
        Decimal("6000.00"),
        Decimal("0.25"),
        ((8, -28), (20, -60), (35, -40), (60, -92), (90, -64), (130, -140), (180, -100), (240, -184), (300, -150)),
    ),
    "NQZ6": Path(Decimal("21500.00"), Decimal("0.25"), ((30, -90), (75, -310), (110, -210), (170, -490), (300, -370))),
    "GCZ6": Path(Decimal("2650.0"), Decimal("0.1"), ((50, 62), (100, 145), (150, 105), (210, 245), (300, 185))),
    "CLF7": Path(Decimal("70.00"), Decimal("0.01"), ((40, -32), (120, -92), (200, -61), (280, -142), (300, -122))),
}


class SimulatedMarket:
    """Draws one price of every contract per turn.

    Args:
        turn: How many turns were drawn before: a market that stopped goes on from there.
        standing: The last prices of that market.
    """

    def __init__(self, *, seed: int, turn: int = 0, standing: Mapping[str, Decimal] | None = None) -> None:
        self.seed = seed
        self.turn = turn
        self._ticks = {
            symbol: _ticks_from(path, (standing or {}).get(symbol, path.price(path.ticks_at(turn))))
            for symbol, path in PATHS.items()
        }

    def next_prices(self) -> dict[str, Decimal]:
        """Return every contract's next price."""
        self.turn += 1
        for symbol, path in PATHS.items():
            # A generator per contract and turn, so that a market that is resumed draws what it would have drawn.
            noise = random.Random(f"{self.seed}:{symbol}:{self.turn}").randint(-1, 1)  # noqa: S311
            self._ticks[symbol] = self._next_ticks(path, self._ticks[symbol], noise)
        return {symbol: path.price(self._ticks[symbol]) for symbol, path in PATHS.items()}

    def _next_ticks(self, path: Path, ticks: int, noise: int) -> int:
        anchor = path.ticks_at(self.turn)
        if self.turn <= path.last_turn:
            return anchor + noise
        away = ticks - anchor
        return ticks + noise if abs(away + noise) <= WALK_TICKS else ticks - (1 if away > 0 else -1)


def _ticks_from(path: Path, price: Decimal) -> int:
    return int((price - path.start) / path.tick)
