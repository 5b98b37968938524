"""What is told of what happens, a line per event."""

from datetime import timedelta
from decimal import Decimal

import pytest

from accounts.models import Account
from accounts.permissions import Door
from accounts.rules.audit import AuditAction
from accounts.rules.credit import CreditLossAction
from accounts.rules.locks import AdminAction, LockCause, LockMode
from accounts.rules.orders import OrderType
from accounts.rules.pnl import Side
from accounts.services import audit
from accounts.services.limits import save_account_credit
from accounts.services.locks import lock_account
from accounts.services.orders import NewOrder, submit_order
from liquidation.engine import RiskEngine
from liquidation.models import LiquidationRun
from liquidation.narration import Narrator, run_text, standing_text
from liquidation.rules.states import RunState
from liquidation.services.admin_actions import set_admin_action
from liquidation.services.runs import resume_run, stop_run
from tests import builders
from tests.builders import NOW, account, company, mark, position, seconds, working_order
from tests.drive import working_desk

pytestmark = pytest.mark.django_db(transaction=True)
CLOCK = f"{NOW.astimezone():%H:%M:%S}"


@pytest.fixture
def desk():
    with working_desk() as desk:
        yield desk


def holder(action=CreditLossAction.AUTO_LIQUIDATE, *, net=3, firm=None, **settings):
    """An account with 8,000 to lose: 53.5 points on three contracts from 6000."""
    row = account(firm or company(), "ALPHA-7", daily_limit="10000", loss_pct="80", action=action, **settings)
    position(row, net=net, price="6000")
    mark(price="6000")
    return row


def price(value):
    mark(price=value)
    engine = RiskEngine(mark_max_age_seconds=None)
    engine.load(NOW)
    engine.on_mark("ESZ6", Decimal(value), NOW, "test")


def test_a_liquidation_is_one_line_from_breach_to_flat(desk):
    row = holder()
    working_order(row, side=Side.BUY, price="5800", qty=2)
    working_order(row, side=Side.SELL, price="6200", qty=3)
    narrator = Narrator()
    price("5946.50")
    assert narrator.lines() == []  # it is told when it has ended
    desk.work()
    run = LiquidationRun.objects.get()
    (line,) = narrator.lines()
    took = (run.ended_at - run.requested_at).total_seconds()
    told = f"ALPHA-7 breached: lost 8,025.00 of 8,000.00; locked; 2 orders cancelled; sold 3 ESZ6; flat in {took:.1f} s"
    assert line == f"{run.ended_at.astimezone():%H:%M:%S} {told}"
    assert narrator.lines() == []


def test_a_short_that_is_closed_was_bought(desk):
    holder(net=-3)
    narrator = Narrator()
    price("6053.50")
    desk.work()
    assert "locked; bought 3 ESZ6; flat in" in narrator.lines()[0]


def test_a_liquidation_that_cannot_finish_asks_for_an_operator(desk):
    holder(firm=company())
    narrator = Narrator()
    Account.objects.get().company.auto_liquidation_user.exchange_settings.all().delete()
    price("5946.50")
    desk.work()
    assert narrator.lines()[0].endswith("locked; NEEDS AN OPERATOR: no operator id")


def test_a_lock_without_a_liquidation_is_told_at_once():
    holder(CreditLossAction.DISABLE)
    narrator = Narrator()
    price("5946.50")
    assert narrator.lines() == [f"{CLOCK} ALPHA-7 breached: lost 8,025.00 of 8,000.00; locked"]


def test_cancels_without_a_liquidation_are_counted():
    row = holder(CreditLossAction.DISABLE_AND_CANCEL)
    working_order(row, price="5800")
    narrator = Narrator()
    price("5946.50")
    assert narrator.lines() == [f"{CLOCK} ALPHA-7 breached: lost 8,025.00 of 8,000.00; locked; 1 order cancelled"]


def test_a_profit_limit_is_told_as_made():
    row = account(company(), "ALPHA-7", auto_liq={"daily_profit_auto_liq": Decimal(1000)})
    position(row, net=1, price="6000")
    narrator = Narrator()
    with working_desk() as desk:
        price("6020")
        desk.work()
    assert "breached: made 1,000.00 of 1,000.00; locked; sold 1 ESZ6" in narrator.lines()[0]


def test_what_a_person_does_is_told_with_the_name_and_the_reason(desk):
    row = holder()
    grace = builders.actor(builders.admin(row.company, username="grace"), Door.ADMIN)
    narrator = Narrator()
    save_account_credit(account_id=row.pk, changes={"daily_limit": Decimal(9000)}, actor=grace, now=NOW)
    lock_account(
        account_id=row.pk,
        actor=grace,
        cause=LockCause.ADMIN,
        mode=LockMode.LOCKED,
        reason="lunch",
        now=NOW + seconds(1),
    )
    order = NewOrder("ESZ6", Side.BUY, 2, OrderType.MARKET)
    submit_order(account_id=row.pk, order=order, actor=grace, now=NOW + seconds(2))
    told = [line.split(" ", 1)[1] for line in narrator.lines()]
    assert told[:2] == ["ALPHA-7 credit changed by grace: daily limit 9,000.00", "ALPHA-7 locked by grace: lunch"]
    assert told[2].startswith("ALPHA-7 order by grace denied: ")


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("daily_limit", "1234567.5", "daily limit 1,234,567.50"),
        ("daily_limit", None, "daily limit none"),
        ("check_credit", True, "check credit yes"),
        ("check_credit", False, "check credit no"),
        ("credit_loss_pct", "80.50", "credit loss pct 80.5 %"),
        ("daily_loss_percentage_alert", "100", "daily loss percentage alert 100 %"),
        ("credit_loss_action", "AUTO_LIQUIDATE", "credit loss action auto liquidate"),
        ("currency", "EUR", "currency EUR"),
        ("flatten_timestamp", "2024-03-05T00:00:00+00:00", "flatten timestamp 2024-03-05T00:00:00+00:00"),
    ],
)
def test_a_changed_setting_is_told_in_words(field, value, text):
    row = holder()
    grace = builders.actor(builders.admin(row.company, username="grace"), Door.ADMIN)
    narrator = Narrator()
    audit.record(
        actor=grace, action=AuditAction.CREDIT_CHANGED, now=NOW, subject=row, account=row, after={field: value}
    )
    assert narrator.lines() == [f"{CLOCK} ALPHA-7 credit changed by grace: {text}"]


def test_an_order_is_told_with_its_contract_as_it_is_written():
    row = holder(CreditLossAction.NONE)
    grace = builders.actor(builders.admin(row.company, username="grace"), Door.ADMIN)
    narrator = Narrator()
    after = {"side": Side.BUY.value, "qty": 2, "symbol": "ESZ6"}
    audit.record(actor=grace, action=AuditAction.ORDER_SUBMITTED, now=NOW, subject=row, account=row, after=after)
    assert narrator.lines() == [f"{CLOCK} ALPHA-7 order by grace: buy 2 ESZ6"]


@pytest.mark.parametrize(
    ("cause", "text"),
    [
        ("LiquidateImmediately", "liquidated by grace"),
        ("FLATTEN_TIMESTAMP", "liquidated at the time set for it"),
        ("POSITION_AFTER_FLAT", "held a position again after it was flat and was liquidated"),
        ("SOMETHING_NEW", "liquidated by grace"),
    ],
)
def test_a_run_without_a_breach_is_told_without_codes(cause, text):
    run = LiquidationRun(account=holder(), cause=cause, requested_by="grace", requested_at=NOW, ended_at=NOW)
    run.state, run.reason = RunState.FLAT, ""
    run.deadline_at = run.state_since = run.wake_at = NOW
    run.save()
    assert run_text(run) == f"{text}; flat in 0.0 s"


def test_a_run_that_is_resumed_has_its_second_end_told_as_well(desk):
    row = holder(firm=company())
    liquidator = row.company.auto_liquidation_user
    settings = list(liquidator.exchange_settings.all())
    liquidator.exchange_settings.all().delete()
    narrator = Narrator()
    price("5946.50")
    desk.work()
    assert narrator.lines()[0].endswith("NEEDS AN OPERATOR: no operator id")
    for setting in settings:
        setting.pk = None
        setting.save(force_insert=True)
    grace = builders.actor(builders.admin(row.company, username="grace"), Door.ADMIN)
    resume_run(run_id=LiquidationRun.objects.get().pk, actor=grace, reason="id is set", now=desk.now)
    desk.work()  # it ends before the next look
    resumed, ended = narrator.lines()
    assert "liquidation resumed by grace: id is set" in resumed
    assert "sold 3 ESZ6; flat in" in ended


def test_how_things_stand_is_one_line(desk):
    assert standing_text() == "0 accounts are locked; nothing waits for an operator"
    row = holder()
    row.company.auto_liquidation_user.exchange_settings.all().delete()
    price("5946.50")
    desk.work()
    assert standing_text() == "1 account is locked; waiting for an operator: ALPHA-7"


def test_a_liquidation_that_a_person_asked_for_names_the_person(desk):
    row = holder()
    grace = builders.actor(builders.admin(row.company, username="grace"), Door.ADMIN)
    narrator = Narrator()
    set_admin_action(
        account_id=row.pk,
        action=AdminAction.LIQUIDATE_IMMEDIATELY,
        reason_code="Other",
        reason="enough",
        actor=grace,
        now=NOW,
    )
    desk.work()
    lines = narrator.lines()
    assert "locked by grace: enough" in lines[0]
    assert "ALPHA-7 liquidated by grace; sold 3 ESZ6; flat in" in lines[1]


def test_a_liquidation_under_way_when_the_telling_begins_has_its_end_told(desk):
    row = holder()
    price("5946.50")
    narrator = Narrator()
    run = LiquidationRun.objects.get()
    grace = builders.actor(builders.admin(row.company, username="grace"), Door.ADMIN)
    stop_run(run_id=run.pk, actor=grace, reason="a mistake", now=NOW + timedelta(seconds=1))
    told = sorted(narrator.lines())
    assert any("liquidation stopped by grace: a mistake" in line for line in told)
    assert any(line.endswith("locked; stopped: by hand") for line in told)
