"""The names by which services wake the workers; they never import the tasks."""

from accounts.queue import wake

ADVANCE_TASK = "liquidation.advance_run"


def wake_run(run_id: int, *, delay_seconds: float = 0) -> None:
    """Wake whoever carries runs on, after the commit."""
    wake(ADVANCE_TASK, run_id, delay_seconds=delay_seconds)
