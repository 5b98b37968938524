"""Measure what must stay fast, each figure beside a floor or a peer of the same run."""

import random
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from decimal import Decimal
from time import perf_counter
from typing import Any

from django.core.management.base import BaseCommand
from rich.console import Console
from rich.table import Table

from liquidation.rules.watch import WatchIndex, bands

SYMBOLS = [f"S{number}" for number in range(30)]
HELD = 3
START = 20_000
MEASURED = (
    "How long one price takes until every account that it could breach is known: by the index of prices at which an "
    "account must be looked at, and by a revaluation of every account."
)
Book = list[dict[str, Decimal]]


class Command(BaseCommand):
    """`manage.py benchmark`: the price index against a revaluation of every account."""

    help = "Measure the price index beside a revaluation of every account."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--accounts", type=_positive, default=100_000, help="how many accounts of 3 positions")
        parser.add_argument("--marks", type=_positive, default=20_000, help="how many marks the index is given")

    def handle(self, *_: Any, accounts: int, marks: int, **__: Any) -> None:
        """Draw the books and the marks from one seed, measure, and print the ratios."""
        small, large = _Trial(max(accounts // 100, 1), marks), _Trial(accounts, marks)
        table = Table(
            "accounts", "looked at, per mark", "seconds a mark, index", "seconds a mark, revaluation", "ratio"
        )
        for trial in (small, large):
            indexed, looked_at = trial.indexed()
            revalued = trial.revalued()
            table.add_row(
                f"{len(trial.book):,}",
                f"{looked_at:.3f}",
                f"{indexed:.2e}",
                f"{revalued:.2e}",
                f"1 : {revalued / indexed:,.0f}",
            )
        self.stdout.write(MEASURED)
        Console(file=self.stdout).print(table)  # type: ignore[arg-type]  # it writes like a file


class _Trial:
    """So many accounts, and a market that walks a tick at a time."""

    def __init__(self, accounts: int, marks: int) -> None:
        draw = random.Random(20131010)  # noqa: S311 - a drawing that anyone can repeat, no secret
        self.book: Book = [
            {symbol: Decimal(draw.choice((-3, -2, -1, 1, 2, 3)) * 12) for symbol in draw.sample(SYMBOLS, HELD)}
            for _ in range(accounts)
        ]
        self.room = [Decimal(draw.randrange(2_000, 50_000)) for _ in range(accounts)]
        self.walk = [(draw.choice(SYMBOLS), draw.choice((-1, 1))) for _ in range(marks)]

    def indexed(self) -> tuple[float, float]:
        """Return seconds a mark and accounts looked at a mark, placing anew what a mark left."""
        index, ticks = WatchIndex(), dict.fromkeys(SYMBOLS, START)
        opening = dict(ticks)
        for number, held in enumerate(self.book):
            index.place(number, self._bands(number, held, ticks, opening))
        looked_at = 0

        def run() -> None:
            nonlocal looked_at
            for symbol, step in self.walk:
                ticks[symbol] += step
                for number in index.crossed(symbol, ticks[symbol]):
                    looked_at += 1
                    index.place(number, self._bands(number, self.book[number], ticks, opening))

        return _timed(run) / len(self.walk), looked_at / len(self.walk)

    def revalued(self) -> float:
        """Return seconds a mark when every account is valued at every mark; a few marks are enough to tell."""
        ticks = dict.fromkeys(SYMBOLS, START)
        few = self.walk[:5]
        breached: list[int] = []

        def run() -> None:
            for symbol, step in few:
                ticks[symbol] += step
                breached.extend(number for number, held in enumerate(self.book) if self._is_lost(number, held, ticks))

        return _timed(run) / len(few)

    def _is_lost(self, number: int, held: dict[str, Decimal], ticks: dict[str, int]) -> bool:
        return sum(money * (ticks[name] - START) for name, money in held.items()) <= -self.room[number]

    def _bands(self, number: int, held: dict[str, Decimal], ticks: dict[str, int], opening: dict[str, int]) -> Any:
        pnl = sum((money * (ticks[name] - opening[name]) for name, money in held.items()), Decimal(0))
        room = self.room[number] + pnl
        return bands(held, ticks, room_down=room, room_up=None, peak_room=None) if room > 0 else {}


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ArgumentTypeError(f"{text} is not above 0")
    return number


def _timed(work: Callable[[], None]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start
