"""Ask what a day would have done to a book."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from liquidation.feeds.tape import read_tapes, tape_argument
from liquidation.replay.answer import answer, first_ignored_at
from liquidation.rules.book import check_book, parse_json

PIPE_WIDTH = 100_000
NEEDS_OPERATOR = 1
REFUSED = 2
NO_PRICE = "No price on these tapes belongs to a contract of the book."


class Command(BaseCommand):
    help = (
        "Run a book through market tapes with the real engine, services and simulated exchange, on the tapes' clock. "
        "Works in a database of its own; this installation is neither read nor changed. "
        "Exit status: 0 done, 1 a liquidation needs an operator, 2 the book or a tape was refused."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--book", type=Path, required=True, metavar="BOOK.json")
        parser.add_argument("--tape", action="append", required=True, metavar="FILE[=SYMBOL]", help="Any number.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object instead of a table.")

    def handle(self, *_: Any, book: Path, tape: list[str], **options: Any) -> None:
        value, faults = _read_book(book)
        checked, wrong = check_book({} if faults else value)
        tick_sizes = {row.symbol: row.tick_size or Decimal(1) for row in checked.instruments}
        named = [tape_argument(text) for text in tape]
        tapes = read_tapes(named, tick_sizes)
        faults += [*wrong, *_without_symbol(tape), *tapes.faults]
        if faults:
            for fault in faults:
                self.stderr.write(fault)
            sys.exit(REFUSED)
        if not tapes.marks:
            self.stderr.write(NO_PRICE)
        otherwise_at = None if tapes.marks else first_ignored_at(named)
        with _progress(len(tapes.marks)) as on_progress:
            found = answer(value, tapes, otherwise_at=otherwise_at, on_progress=on_progress)
        self.stdout.write(_as_json(found.report) if options["json"] else _as_tables(found.report))
        if found.needs_operator:
            sys.exit(NEEDS_OPERATOR)


def _read_book(path: Path) -> tuple[Any, list[str]]:
    try:
        value, wrong = parse_json(path.read_bytes())
    except OSError as error:
        value, wrong = None, f"cannot be read: {error.strerror}"
    return value, [f"{path}: {wrong}"] if wrong else []


def _without_symbol(arguments: Sequence[str]) -> Iterator[str]:
    for text in arguments:
        if text.endswith("=") and not Path(text).exists():
            yield f"{text}: no symbol stands behind the equals sign"


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None] | None]:
    """Show a bar on standard error where that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("Marks", total=total)
        yield lambda done: progress.update(bar, completed=done)


def _as_json(report: dict[str, Any]) -> str:
    return json.dumps(report, ensure_ascii=False)


def _as_tables(report: dict[str, Any]) -> str:
    console = Console(width=_width(), color_system="auto" if sys.stdout.isatty() else None)
    with console.capture() as captured:
        console.print(_accounts_table(report["accounts"]))
        for alert in report["alerts"]:
            console.print(f"{alert['at']}  {alert['account'] or '-'}  {alert['code']}", highlight=False, markup=False)
        console.print(_closing_line(report), highlight=False, markup=False)
    return captured.get()


def _closing_line(report: dict[str, Any]) -> str:
    span = f" from {report['from']} to {report['to']}" if report["marks"] else ""
    ignored = f"{report['ignored_marks']} ignored"
    if report["ignored_marks"]:
        ignored += ": of contracts that the book does not have"
    verified = "verified" if report["audit_verified"] else "NOT VERIFIED"
    return (
        f"{report['marks']} marks{span}, {ignored}. "
        f"Took {report['wall_seconds']} s. {report['audit_entries']} audit entries, {verified}."
    )


def _width() -> int | None:
    # Piped into a file or a pager nothing is wrapped or cut: an account is one line, however long.
    return None if sys.stdout.isatty() else PIPE_WIDTH


def _accounts_table(accounts: Sequence[dict[str, Any]]) -> Table:
    table = Table()
    for title in ("Company", "Account", "Mode", "Session P/L", "Positions", "Working", "Breach", "Run"):
        table.add_column(title, overflow="fold")
    for entry in accounts:
        table.add_row(
            *(
                entry["company"],
                entry["name"],
                " ".join([entry["trading_mode"], *entry["locks"]]),
                entry["session_pnl"] or "unknown",
                ", ".join(f"{net} {symbol}" for symbol, net in entry["net_positions"].items()) or "-",
                str(entry["working_orders"]),
                _breach_text(entry["breach"]),
                _run_text(entry["run"]),
            )
        )
    return table


def _breach_text(breach: dict[str, Any] | None) -> str:
    if breach is None:
        return "-"
    return f"{breach['at'][11:19]} {breach['pnl']} of {breach['threshold']}: {breach['action']}"


def _run_text(run: dict[str, Any] | None) -> str:
    if run is None:
        return "-"
    orders = "; ".join(
        f"{order['side'].lower()} {order['filled']}/{order['qty']} {order['symbol']} at {order['price']}"
        for order in run["orders"]
    )
    return " ".join(filter(None, [run["state"], run["reason"], orders]))
