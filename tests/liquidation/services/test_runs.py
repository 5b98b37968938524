"""What a person may do with a run, and what asks for one."""

from typing import Any

import pytest

from accounts.errors import AccountClosed, Conflict, InvalidValue, NotFound, NotPermitted
from accounts.models import Account, AuditEntry
from accounts.rules.roles import Role
from accounts.services import structure
from liquidation.models import LiquidationRun
from liquidation.rules.states import RunEvent, RunState
from liquidation.services.runs import confirm_flat, record_event, request_run, resume_run, stop_run
from tests import builders as b

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    return b.account(b.company())


def requested(account: Account) -> LiquidationRun:
    result = request_run(account_id=account.pk, cause="TEST", actor=b.platform(), now=b.NOW)
    return LiquidationRun.objects.get(pk=result.run_id)


def waiting(account: Account) -> LiquidationRun:
    run = requested(account)
    record_event(run, RunEvent.DEADLINE, b.NOW, reason="DEADLINE")
    return run


def test_the_request_is_a_committed_row_with_its_first_step_and_an_audit_entry(account: Account) -> None:
    run = requested(account)
    assert (run.state, run.requested_by, run.liquidation_user) == (
        RunState.REQUESTED, "platform", account.company.auto_liquidation_user,
    )  # fmt: skip
    assert list(run.steps.values_list("event", "text")) == [("REQUESTED", "TEST by platform")]
    assert AuditEntry.objects.get(action="run.requested").account == account


def test_a_closed_account_is_not_liquidated(account: Account) -> None:
    structure.close_account(account_id=account.pk, actor=b.platform(), now=b.NOW, reason="gone")
    with pytest.raises(AccountClosed):
        requested(account)


def test_the_company_that_switched_the_action_on_closes_in_its_users_name(account: Account) -> None:
    other = b.company()
    account.credit.credit_loss_company = other
    account.credit.save()
    assert requested(account).liquidation_user == other.auto_liquidation_user


def test_stopping_ends_the_run_and_says_who_and_why(account: Account) -> None:
    run = requested(account)
    stop_run(run_id=run.pk, actor=b.platform(), reason="The venue closes it", now=b.NOW)
    run.refresh_from_db()
    assert (run.state, run.ended_at) == (RunState.STOPPED, b.NOW)
    assert run.steps.last().text == "platform: The venue closes it"
    assert AuditEntry.objects.get(action="run.stopped").reason == "The venue closes it"


def test_resuming_gives_a_new_deadline(account: Account) -> None:
    run = waiting(account)
    later = b.NOW + b.seconds(900)
    resume_run(run_id=run.pk, actor=b.platform(), reason="Back", now=later)
    run.refresh_from_db()
    assert (run.state, run.deadline_at, run.ended_at, run.reason) == (
        RunState.CANCELING, later + b.seconds(300), None, "",
    )  # fmt: skip


def test_confirming_by_hand_ends_it_flat(account: Account) -> None:
    run = waiting(account)
    confirm_flat(run_id=run.pk, actor=b.platform(), reason="Seen on the venue's screen", now=b.NOW)
    run.refresh_from_db()
    assert (run.state, run.reason) == (RunState.FLAT, "BY_HAND")


@pytest.mark.parametrize("verb", [resume_run, confirm_flat])
def test_a_run_that_does_not_wait_for_a_person_is_a_conflict(account: Account, verb) -> None:
    run = requested(account)
    with pytest.raises(Conflict):
        verb(run_id=run.pk, actor=b.platform(), reason="x", now=b.NOW)


def test_an_ended_run_cannot_be_stopped(account: Account) -> None:
    run = requested(account)
    stop_run(run_id=run.pk, actor=b.platform(), reason="x", now=b.NOW)
    with pytest.raises(Conflict):
        stop_run(run_id=run.pk, actor=b.platform(), reason="x", now=b.NOW)


def test_an_old_run_is_not_resumed_beside_an_active_one(account: Account) -> None:
    old = waiting(account)
    requested(account)
    with pytest.raises(Conflict, match="Another run"):
        resume_run(run_id=old.pk, actor=b.platform(), reason="x", now=b.NOW)


@pytest.mark.parametrize("verb", [stop_run, resume_run, confirm_flat])
def test_a_reason_is_needed(account: Account, verb) -> None:
    run = waiting(account)
    with pytest.raises(InvalidValue) as refused:
        verb(run_id=run.pk, actor=b.platform(), reason="  ", now=b.NOW)
    assert refused.value.field == "reason"


@pytest.mark.parametrize("verb", [stop_run, resume_run, confirm_flat])
def test_strangers_and_viewers_do_not_operate(account: Account, verb) -> None:
    run = waiting(account)
    with pytest.raises(NotFound):
        verb(run_id=run.pk, actor=b.actor(b.admin(b.company())), reason="x", now=b.NOW)
    with pytest.raises(NotPermitted):
        verb(run_id=run.pk, actor=b.actor(b.user(account.company, role=Role.VIEW_ONLY)), reason="x", now=b.NOW)
    with pytest.raises(NotFound):
        verb(run_id=run.pk + 1000, actor=b.platform(), reason="x", now=b.NOW)


@pytest.mark.parametrize("operation", [stop_run, confirm_flat])
def test_a_risk_operator_resumes_a_run_and_does_not_end_it(account: Account, operation: Any) -> None:
    run = waiting(account)
    who = {"actor": b.actor(b.user(account.company, role=Role.RISK_OPERATOR)), "reason": "go on", "now": b.NOW}
    with pytest.raises(NotPermitted):
        operation(run_id=run.pk, **who)
    resume_run(run_id=run.pk, **who)
    run.refresh_from_db()
    assert run.is_active
    with pytest.raises(NotPermitted):
        stop_run(run_id=run.pk, **who)
