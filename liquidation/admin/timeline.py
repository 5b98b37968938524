"""What the page of a run shows: every line from the price to flat, its closing orders, and the decision."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from accounts.admin.tables import NOTHING, Cell, amount_text, moment, number, price_cell, words
from accounts.models import Fill
from liquidation.models import Evaluation, LiquidationRun, RunOrder, RunStep
from liquidation.rules.states import TRANSITIONS, RunEvent, RunState

OPERATIONS = {
    RunEvent.RESUME: "Resume",
    RunEvent.STOP: "Stop",
    RunEvent.CONFIRM_BY_HAND: "Confirm flat by hand",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the timeline: when, how long after the first, what happened."""

    at: str
    after: str
    event: str
    state: str
    text: str


def timeline(run: LiquidationRun) -> list[Line]:
    """Return the run's steps, with the price that led to it first where a limit did."""
    steps = list(RunStep.objects.filter(run=run))
    began = priced_at(run.evaluation) or (steps[0].at if steps else run.requested_at)
    return [*_decision_lines(run.evaluation, began), *(_step_line(step, began) for step in steps)]


def _decision_lines(evaluation: Evaluation | None, began: datetime) -> Iterator[Line]:
    if evaluation is None:
        return
    if began != evaluation.decided_at:
        yield Line(_clock(began), _after(began, began), "Price", NOTHING, "The newest price that the decision used")
    pnl = f"{amount_text(evaluation.pnl)} of {amount_text(evaluation.threshold)} {evaluation.currency}"
    text = f"{words(evaluation.kind)} reached: P/L {pnl}"
    at = evaluation.decided_at
    yield Line(_clock(at), _after(at, began), "Decision", words(evaluation.action), text)


def _step_line(step: RunStep, began: datetime) -> Line:
    return Line(_clock(step.at), _after(step.at, began), words(step.event), words(step.state), step.text)


def _clock(at: datetime) -> str:
    return f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}"


def _after(at: datetime, began: datetime) -> str:
    milliseconds = (at - began) // timedelta(milliseconds=1)
    return f"+{milliseconds:,} ms"


def priced_at(evaluation: Evaluation | None) -> datetime | None:
    """Return when the newest price of the decision was made; None where none is kept."""
    if evaluation is None:
        return None
    return max(_moments(evaluation.inputs.get("marks", {})), default=None)


def _moments(marks: Mapping[str, Mapping[str, Any]]) -> Iterator[datetime]:
    for mark in marks.values():
        if mark["at"] is not None:
            yield datetime.fromisoformat(mark["at"])


def order_rows(run: LiquidationRun) -> list[list[Cell]]:
    """Return the run's closing orders, each with what it filled."""
    rows = list(RunOrder.objects.filter(run=run).select_related("order__instrument", "order__account"))
    fills: dict[int, list[Fill]] = {}
    for fill in Fill.objects.filter(order__in=[row.order_id for row in rows]):
        fills.setdefault(fill.order_id or 0, []).append(fill)
    return [_order_row(row, fills.get(row.order_id, [])) for row in rows]


def _order_row(row: RunOrder, fills: Sequence[Fill]) -> list[Cell]:
    order = row.order
    tone = {"FILLED": "success", "REJECTED": "danger"}.get(order.status, "info")
    return [
        Cell(f"{row.leg}.{row.attempt}"),
        Cell(order.account.name),
        Cell(order.instrument.symbol),
        Cell(words(order.side)),
        number(order.qty),
        Cell(words(order.type)),
        price_cell(order.price),
        Cell(words(order.status), tone=tone),
        Cell("; ".join(_fill_text(fill) for fill in fills) or NOTHING),
        Cell(order.client_order_id),
    ]


def _fill_text(fill: Fill) -> str:
    return f"{fill.qty} at {fill.price.normalize():f} ({_clock(fill.filled_at)})"


def decision_facts(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Return the decision as label and text, its inputs flattened."""
    facts = [
        ("Limit", words(evaluation.kind)),
        ("Action", words(evaluation.action)),
        ("Decided", moment(evaluation.decided_at, milliseconds=True).text),
        ("P/L", f"{amount_text(evaluation.pnl)} {evaluation.currency}"),
        ("Level", f"{amount_text(evaluation.pnl_level)} {evaluation.currency}"),
        ("Limit's amount", f"{amount_text(evaluation.threshold)} {evaluation.currency}"),
    ]
    return facts + list(_flat(evaluation.inputs))


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            label = words(key) if key.islower() else key
            yield from _flat(item, f"{path}: {label}" if path else label)
    elif isinstance(value, list):
        for index, item in enumerate(value, start=1):
            yield from _flat(item, f"{path} {index}")
    else:
        yield path, NOTHING if value is None else str(value)


def operations_of(run: LiquidationRun) -> list[tuple[str, str]]:
    """Return what a person may do with the run in its state: event and label."""
    state = RunState(run.state)
    return [(event.value, label) for event, label in OPERATIONS.items() if (state, event) in TRANSITIONS]
