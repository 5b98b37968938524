"""The life of a liquidation run, as one table."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class RunState(StrEnum):
    """Where a run stands."""

    REQUESTED = "REQUESTED"
    CANCELING = "CANCELING"
    FLATTENING = "FLATTENING"
    VERIFYING = "VERIFYING"
    FLAT = "FLAT"
    NEEDS_OPERATOR = "NEEDS_OPERATOR"
    STOPPED = "STOPPED"


class RunEvent(StrEnum):
    """What can happen to a run."""

    START = "START"
    ORDERS_GONE = "ORDERS_GONE"
    NOTHING_OPEN = "NOTHING_OPEN"
    CONFIRMED = "CONFIRMED"
    LATE_ORDER = "LATE_ORDER"
    LATE_FILL = "LATE_FILL"
    BLOCKED = "BLOCKED"
    RETRIES_SPENT = "RETRIES_SPENT"
    DEADLINE = "DEADLINE"
    STOP = "STOP"
    SUPERSEDE = "SUPERSEDE"
    RESUME = "RESUME"
    CONFIRM_BY_HAND = "CONFIRM_BY_HAND"


class InvalidTransition(ValueError):
    """This event cannot happen in this state.

    Attributes:
        state: Where the run stands.
        event: What was said to have happened.
    """

    def __init__(self, state: RunState, event: RunEvent) -> None:
        """Keep the pair for the caller's message."""
        super().__init__(f"a run that is {state} cannot take {event}")
        self.state = state
        self.event = event


# NEEDS_OPERATOR is in neither set: the machine is done with the run, a person is not.
ACTIVE = frozenset({RunState.REQUESTED, RunState.CANCELING, RunState.FLATTENING, RunState.VERIFYING})
TERMINAL = frozenset({RunState.FLAT, RunState.STOPPED})

TRANSITIONS: Mapping[tuple[RunState, RunEvent], RunState] = MappingProxyType(
    {
        (RunState.REQUESTED, RunEvent.START): RunState.CANCELING,
        (RunState.CANCELING, RunEvent.ORDERS_GONE): RunState.FLATTENING,
        (RunState.FLATTENING, RunEvent.NOTHING_OPEN): RunState.VERIFYING,
        (RunState.FLATTENING, RunEvent.LATE_ORDER): RunState.CANCELING,
        (RunState.FLATTENING, RunEvent.BLOCKED): RunState.NEEDS_OPERATOR,
        (RunState.FLATTENING, RunEvent.RETRIES_SPENT): RunState.NEEDS_OPERATOR,
        (RunState.VERIFYING, RunEvent.CONFIRMED): RunState.FLAT,
        (RunState.VERIFYING, RunEvent.LATE_ORDER): RunState.CANCELING,
        (RunState.VERIFYING, RunEvent.LATE_FILL): RunState.FLATTENING,
        (RunState.VERIFYING, RunEvent.BLOCKED): RunState.NEEDS_OPERATOR,
        (RunState.VERIFYING, RunEvent.RETRIES_SPENT): RunState.NEEDS_OPERATOR,
        (RunState.NEEDS_OPERATOR, RunEvent.RESUME): RunState.CANCELING,
        (RunState.NEEDS_OPERATOR, RunEvent.CONFIRM_BY_HAND): RunState.FLAT,
        (RunState.NEEDS_OPERATOR, RunEvent.STOP): RunState.STOPPED,
        (RunState.NEEDS_OPERATOR, RunEvent.SUPERSEDE): RunState.STOPPED,
        **{(state, RunEvent.DEADLINE): RunState.NEEDS_OPERATOR for state in ACTIVE},
        **{(state, RunEvent.STOP): RunState.STOPPED for state in ACTIVE},
        **{(state, RunEvent.SUPERSEDE): RunState.STOPPED for state in ACTIVE},
    }
)


def next_state(state: RunState, event: RunEvent) -> RunState:
    """Return where the event takes the run.

    Raises:
        InvalidTransition: the pair is not in TRANSITIONS.

    Example:
        >>> next_state(RunState.VERIFYING, RunEvent.LATE_FILL)
        <RunState.FLATTENING: 'FLATTENING'>
    """
    following = TRANSITIONS.get((state, event))
    if following is None:
        raise InvalidTransition(state, event)
    return following
