"""Acting on a limit: lock, promise and evidence in one transaction."""

from decimal import Decimal

import pytest

from accounts.models import Account, AccountLock, AuditEntry
from accounts.rules.orders import OrderStatus
from accounts.services.limits import save_auto_liq
from liquidation.models import Alert, Evaluation, LiquidationRun
from liquidation.rules.limits import Action, Bound, LimitKind, Trigger
from liquidation.services import evaluation, runs
from liquidation.services.alerts import clear_alert, raise_alert
from liquidation.services.evaluation import BreachResult, act_on_breach, flatten_on_time, record_peaks, threshold_of
from tests import builders as b

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    return b.account(b.company())


def trigger(action: Action, kind: LimitKind = LimitKind.CREDIT_LOSS) -> Trigger:
    return Trigger(kind, action, Bound.FLOOR, Decimal(-8000), Decimal(80))


def breach(account: Account, action: Action, **changes) -> BreachResult:
    fields = {
        "account_id": account.pk, "trigger": trigger(action), "pnl": Decimal("-8012.5"), "currency": "USD",
        "inputs": {"nets": {"ESZ6": 3}}, "do_not_unlock": False, "now": b.NOW,
    }  # fmt: skip
    return act_on_breach(**(fields | changes))


def test_the_decision_the_lock_the_run_and_the_alert_name_each_other(account: Account) -> None:
    result = breach(account, Action.AUTO_LIQUIDATE)
    decided = Evaluation.objects.get(pk=result.evaluation_id)
    assert (decided.pnl, decided.threshold, decided.inputs) == (Decimal("-8012.5"), 8000, {"nets": {"ESZ6": 3}})
    assert LiquidationRun.objects.get(pk=result.run_id).evaluation == decided
    text = f"{account} reached CREDIT_LOSS: P/L -8012.50 of 8000.00 USD"
    assert AccountLock.objects.get().reason == Alert.objects.get().text == text
    actions = list(AuditEntry.objects.filter(door="ENGINE").order_by("id").values_list("action", flat=True))
    assert actions == ["breach.decided", "account.locked", "run.requested"]


def test_a_failure_half_way_leaves_neither_lock_nor_run_nor_entry(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = AuditEntry.objects.count()

    def fails(**_: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(evaluation, "request_run", fails)
    with pytest.raises(RuntimeError):
        breach(account, Action.AUTO_LIQUIDATE)
    assert (AccountLock.objects.count(), Evaluation.objects.count(), AuditEntry.objects.count()) == (0, 0, before)


def test_a_run_that_stands_is_the_one_that_is_answered(account: Account) -> None:
    standing = runs.request_run(account_id=account.pk, cause="TEST", actor=b.platform(), now=b.NOW)
    assert breach(account, Action.AUTO_LIQUIDATE).run_id == standing.run_id


def test_disable_and_cancel_asks_for_the_whole_trees_orders(account: Account) -> None:
    child = b.account(account.company, parent=account)
    orders = [b.working_order(account), b.working_order(child)]
    breach(account, Action.DISABLE_AND_CANCEL)
    for order in orders:
        order.refresh_from_db()
        assert order.status == OrderStatus.PENDING_CANCEL


@pytest.mark.parametrize(
    ("kind", "due"),
    [
        (LimitKind.DAILY_LOSS, "2026-11-20T23:00:00+00:00"),
        (LimitKind.WEEKLY_LOSS, "2026-11-22T23:00:00+00:00"),
        (LimitKind.TRAILING_DRAWDOWN, None),
        (LimitKind.CREDIT_LOSS, None),
    ],
)
def test_each_limit_unlocks_when_it_says(account: Account, kind: LimitKind, due: str | None) -> None:
    breach(account, Action.AUTO_LIQUIDATE, trigger=trigger(Action.AUTO_LIQUIDATE, kind))
    released = AccountLock.objects.get().release_due_at
    assert (released.isoformat() if released else None) == due


def test_a_threshold_is_an_amount_whatever_the_limit_was_set_as() -> None:
    assert threshold_of(trigger(Action.DISABLE)) == 8000
    assert threshold_of(Trigger(LimitKind.DAILY_LOSS, Action.ALERT, Bound.FLOOR, Decimal(-500), Decimal(500))) == 500


def test_a_flatten_timestamp_that_was_taken_back_does_nothing(account: Account) -> None:
    assert flatten_on_time(account_id=account.pk, now=b.NOW) is None
    save_auto_liq(
        account_id=account.pk, changes={"flatten_timestamp": b.NOW + b.seconds(1)}, actor=b.platform(), now=b.NOW
    )
    assert flatten_on_time(account_id=account.pk, now=b.NOW) is None
    assert flatten_on_time(account_id=account.pk, now=b.NOW + b.seconds(1)) is not None


def test_a_lower_peak_never_replaces_a_higher(account: Account) -> None:
    assert record_peaks(peaks={account.pk: Decimal(100)}) == 1
    assert record_peaks(peaks={account.pk: Decimal(100)}) == 0
    assert record_peaks(peaks={account.pk: Decimal(99)}) == 0
    account.session.refresh_from_db()
    assert account.session.max_net_liq == 100


def test_an_alert_stands_once_and_can_be_raised_again_when_cleared(account: Account) -> None:
    assert raise_alert(account=account, code="X", text="x", now=b.NOW)
    assert not raise_alert(account=account, code="X", text="x", now=b.NOW)
    assert clear_alert(account=account, code="X", now=b.NOW)
    assert not clear_alert(account=account, code="X", now=b.NOW)
    assert raise_alert(account=account, code="X", text="x", now=b.NOW)
