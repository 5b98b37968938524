"""The whole of a replay: a book and its tapes in, one object of plain values out."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from accounts.permissions import PLATFORM
from liquidation.feeds.tape import Tapes
from liquidation.replay.driver import replay
from liquidation.replay.report import account_reports, alert_reports, audit_report, moment, needs_operator
from liquidation.replay.scratch import scratch_database
from liquidation.services.book import load_book

# When a book is loaded for a tape that holds no mark.
NO_MOMENT = datetime(2000, 1, 3, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Answer:
    """What happened, and whether a run ended with a call for an operator."""

    report: dict[str, Any]
    needs_operator: bool


def answer(book: object, tapes: Tapes, *, on_progress: Callable[[int], None] | None = None) -> Answer:
    """Load the book into an empty database in memory, run it through the tapes and return what happened.

    The same book and tapes give the same answer, `wall_seconds` and `marks_per_second` aside.

    Args:
        on_progress: Called now and then with the number of marks done.

    Raises:
        BookRefused: the book has faults.
    """
    marks = tapes.marks
    now = marks[0].at if marks else NO_MOMENT
    with scratch_database():
        loaded = load_book(book=book, actor=PLATFORM, now=now)
        started = time.perf_counter()
        prices = replay(marks, now=now, on_progress=on_progress)
        wall_seconds = time.perf_counter() - started
        report = {
            "marks": len(marks),
            "ignored_marks": tapes.ignored,
            "from": moment(marks[0].at) if marks else None,
            "to": moment(marks[-1].at) if marks else None,
            "wall_seconds": round(wall_seconds, 3),
            "marks_per_second": round(len(marks) / wall_seconds, 1),
            "accounts": account_reports(loaded.account_ids, prices),
            "alerts": alert_reports(),
            **audit_report(),
        }
        return Answer(report, needs_operator())
