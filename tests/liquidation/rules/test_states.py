"""The life of a liquidation run."""

from itertools import product

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from liquidation.rules.states import (
    ACTIVE,
    TERMINAL,
    TRANSITIONS,
    InvalidTransition,
    RunEvent,
    RunState,
    next_state,
)

# Written out by hand and apart from the table, one line per state, so that a change must be made twice.
EXPECTED = {
    "REQUESTED": "START>CANCELING DEADLINE>NEEDS_OPERATOR STOP>STOPPED SUPERSEDE>STOPPED",
    "CANCELING": "ORDERS_GONE>FLATTENING DEADLINE>NEEDS_OPERATOR STOP>STOPPED SUPERSEDE>STOPPED",
    "FLATTENING": "NOTHING_OPEN>VERIFYING LATE_ORDER>CANCELING BLOCKED>NEEDS_OPERATOR RETRIES_SPENT>NEEDS_OPERATOR"
    " DEADLINE>NEEDS_OPERATOR STOP>STOPPED SUPERSEDE>STOPPED",
    "VERIFYING": "CONFIRMED>FLAT LATE_ORDER>CANCELING LATE_FILL>FLATTENING BLOCKED>NEEDS_OPERATOR"
    " RETRIES_SPENT>NEEDS_OPERATOR DEADLINE>NEEDS_OPERATOR STOP>STOPPED SUPERSEDE>STOPPED",
    "FLAT": "",
    "NEEDS_OPERATOR": "RESUME>CANCELING CONFIRM_BY_HAND>FLAT STOP>STOPPED SUPERSEDE>STOPPED",
    "STOPPED": "",
}
PAIRS = {(state, *step.split(">")) for state, steps in EXPECTED.items() for step in steps.split()}
FOLLOWING = {(state, event): following for state, event, following in PAIRS}


@pytest.mark.parametrize(("state", "event"), list(product(RunState, RunEvent)))
def test_each_pair_of_state_and_event_leads_where_it_should_or_nowhere(state, event):
    following = FOLLOWING.get((state.value, event.value))
    if following is None:
        with pytest.raises(InvalidTransition, match=f"a run that is {state} cannot take {event}") as caught:
            next_state(state, event)
        assert (caught.value.state, caught.value.event) == (state, event)
    else:
        assert next_state(state, event) is RunState(following)


def reachable(start):
    found, waiting = set(), [start]
    while waiting:
        state = waiting.pop()
        following = {after for (before, _), after in TRANSITIONS.items() if before is state} - found
        found |= following
        waiting.extend(following)
    return found


@pytest.mark.parametrize("state", sorted(ACTIVE))
@pytest.mark.parametrize("end", [RunState.FLAT, RunState.STOPPED, RunState.NEEDS_OPERATOR])
def test_every_active_state_can_reach_each_end(state, end):
    assert end in reachable(state)


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_nothing_leaves_a_terminal_state(state):
    assert reachable(state) == set()


def test_only_needs_operator_is_neither_active_nor_terminal():
    assert set(RunState) - ACTIVE - TERMINAL == {RunState.NEEDS_OPERATOR}
    assert not ACTIVE & TERMINAL


def test_only_a_second_look_or_a_person_calls_a_run_flat():
    ways = {pair for pair, after in TRANSITIONS.items() if after is RunState.FLAT}
    assert ways == {
        (RunState.VERIFYING, RunEvent.CONFIRMED),
        (RunState.NEEDS_OPERATOR, RunEvent.CONFIRM_BY_HAND),
    }


def test_the_table_cannot_be_changed():
    with pytest.raises(TypeError):
        TRANSITIONS[RunState.FLAT, RunEvent.RESUME] = RunState.CANCELING


class AnyLife(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.state = RunState.REQUESTED
        self.lives = [RunState.REQUESTED]

    @rule(event=st.sampled_from(RunEvent))
    def happen(self, event):
        try:
            self.state = next_state(self.state, event)
        except InvalidTransition:
            return
        self.lives.append(self.state)

    @invariant()
    def what_is_over_stays_over(self):
        assert not TERMINAL & set(self.lives[:-1])

    @invariant()
    def orders_are_canceled_before_anything_is_closed(self):
        if RunState.FLATTENING in self.lives:
            assert RunState.CANCELING in self.lives[: self.lives.index(RunState.FLATTENING)]

    @invariant()
    def flat_is_verified_or_said_by_a_person(self):
        if self.state is RunState.FLAT:
            assert self.lives[-2] in {RunState.VERIFYING, RunState.NEEDS_OPERATOR}


TestAnyLife = AnyLife.TestCase
