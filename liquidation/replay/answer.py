"""The whole of a replay: a book and its tapes in, one object of plain values out."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from accounts.permissions import PLATFORM
from liquidation.feeds.tape import Tape, Tapes, read_tapes
from liquidation.replay.driver import replay
from liquidation.replay.report import account_reports, alert_reports, audit_report, moment, needs_operator
from liquidation.replay.scratch import scratch_database
from liquidation.services.book import load_book

# When a book is loaded for tapes that hold no mark at all. Nothing happens then, and nothing is told with this time.
NO_MOMENT = datetime(2000, 1, 3, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Answer:
    """What happened, and whether a run ended with a call for an operator."""

    report: dict[str, Any]
    needs_operator: bool


class _EveryContract(Mapping[str, Decimal]):
    """Knows every contract, so that of a tape nothing is ignored."""

    def __getitem__(self, symbol: str) -> Decimal:
        return Decimal(1)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def first_ignored_at(tapes: Sequence[Tape]) -> datetime | None:
    """Return when the first price of any contract is, known or not; None where the tapes hold none."""
    marks = read_tapes(tapes, _EveryContract()).marks
    return marks[0].at if marks else None


def answer(
    book: object,
    tapes: Tapes,
    *,
    otherwise_at: datetime | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Answer:
    """Load the book into an empty database in memory, run it through the tapes and return what happened.

    The same book and tapes give the same answer, `wall_seconds` and `marks_per_second` aside.

    Args:
        otherwise_at: When the book is loaded where the tapes hold no mark of its contracts, aware UTC. With None
            nothing happens to it: there is no clock.
        on_progress: Called now and then with the number of marks done.

    Raises:
        BookRefused: the book has faults.
    """
    marks = tapes.marks
    begin = marks[0].at if marks else otherwise_at
    now = begin or NO_MOMENT
    with scratch_database():
        loaded = load_book(book=book, actor=PLATFORM, now=now)
        started = time.perf_counter()
        prices = replay(marks, now=now, on_progress=on_progress) if begin else {}
        wall_seconds = time.perf_counter() - started
        report = {
            "marks": len(marks),
            "ignored_marks": tapes.ignored,
            "from": moment(marks[0].at) if marks else None,
            "to": moment(marks[-1].at) if marks else None,
            "wall_seconds": round(wall_seconds, 3),
            "marks_per_second": round(len(marks) / wall_seconds, 1) if marks else 0.0,
            "accounts": account_reports(loaded.account_ids, prices),
            "alerts": alert_reports(),
            **audit_report(),
        }
        return Answer(report, needs_operator())
