"""The engine over a reset: what a session's end lifts, keeps and does not start."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from accounts.models import Account, AccountLock, AccountSession
from accounts.permissions import TASK
from accounts.rules.credit import CreditLossAction
from accounts.rules.hierarchy import AccountType
from accounts.rules.pnl import Side
from accounts.services import limits, locks
from accounts.services.sessions import roll_session
from liquidation.engine import RiskEngine
from liquidation.gateways.simulated import SimulatedExchange
from liquidation.models import LiquidationRun
from tests import builders as b
from tests.drive import Desk, working_desk

pytestmark = pytest.mark.django_db(transaction=True)
RESET = datetime(2026, 11, 20, 23, 0, tzinfo=UTC)


@pytest.fixture
def desk() -> Iterator[Desk]:
    with working_desk() as desk:
        yield desk


def started(desk: Desk) -> RiskEngine:
    engine = RiskEngine(mark_max_age_seconds=None)
    engine.load(desk.now)
    return engine


def move(engine: RiskEngine, desk: Desk, price: str) -> None:
    desk.now += b.seconds(1)
    SimulatedExchange().move_price("ESZ6", Decimal(price), desk.now)
    engine.on_mark("ESZ6", Decimal(price), desk.now, "test")
    desk.work()
    engine.refresh(desk.now)


def roll(engine: RiskEngine, desk: Desk, account: Account, price: str, now: datetime = RESET) -> None:
    desk.now = now
    engine.flush()
    roll_session(account_id=account.pk, settlements={"ESZ6": Decimal(price)}, actor=TASK, now=now)
    engine.refresh(now)
    desk.work()
    engine.refresh(now)


def is_locked(account: Account) -> bool:
    return AccountLock.objects.filter(account=account, released_at=None).exists()


def test_a_daily_limits_lock_ends_with_the_session_and_is_not_put_on_again(desk: Desk) -> None:
    house = b.account(b.company(), auto_liq={"daily_loss_auto_liq": Decimal(500)})
    b.position(house, net=3, price="6000")
    engine = started(desk)
    move(engine, desk, "6000")
    move(engine, desk, "5990")
    lock = AccountLock.objects.get(released_at=None)
    assert lock.release_due_at == RESET
    desk.now = RESET + b.seconds(1)
    locks.release_due_lock(lock_id=lock.pk, now=desk.now)
    engine.refresh(desk.now)
    assert is_locked(house)
    roll(engine, desk, house, "5990", RESET + b.seconds(5))
    assert not is_locked(house)
    assert (AccountLock.objects.count(), LiquidationRun.objects.count()) == (1, 1)


@pytest.mark.parametrize("worked", [True, False])
def test_a_lock_stays_while_its_liquidation_has_not_closed_the_position(desk: Desk, worked: bool) -> None:
    house = b.account(b.company(liquidation_user=not worked), auto_liq={"daily_loss_auto_liq": Decimal(500)})
    b.position(house, net=3, price="6000")
    engine = started(desk)
    move(engine, desk, "6000")
    engine.on_mark("ESZ6", Decimal(5990), desk.now + b.seconds(1), "test")
    if worked:
        desk.work()  # ends with an operator's: no user to close with
    roll_session(account_id=house.pk, settlements={"ESZ6": Decimal(5990)}, actor=TASK, now=RESET)
    assert locks.release_due_lock(lock_id=AccountLock.objects.get().pk, now=RESET + b.seconds(1)).released == 0


def trailing(mode: str, **more: Decimal) -> dict[str, object]:
    return {"trailing_max_drawdown": Decimal(2500), "trailing_max_drawdown_mode": mode, **more}


@pytest.mark.parametrize("mode", ["RealTime", "EOD"])
def test_a_trailing_drawdown_hangs_from_the_same_balance_after_the_reset(desk: Desk, mode: str) -> None:
    house = b.account(
        b.company(),
        daily_limit="100000",
        auto_liq=trailing(mode, trailing_max_drawdown_limit=Decimal(200_000)),
    )
    b.position(house, net=1, price="6000")
    engine = started(desk)
    move(engine, desk, "6000")
    move(engine, desk, "6060")  # 103,000: the floor is 100,500, the session's P/L 0 is well below it
    roll(engine, desk, house, "6060")
    session = AccountSession.objects.get()
    assert (session.balance, session.max_net_liq, session.base) == (103_000, 103_000, 100_000)
    move(engine, desk, "6010.25")
    assert not is_locked(house)
    move(engine, desk, "6010")
    assert is_locked(house)


def test_a_lower_daily_limit_is_no_loss_of_the_trailing_drawdown(desk: Desk) -> None:
    house = b.account(
        b.company(), daily_limit="20000", auto_liq=trailing("", trailing_max_drawdown_limit=Decimal(50_000))
    )
    b.position(house, net=1, price="6000")
    engine = started(desk)
    move(engine, desk, "6000")
    changes = {"daily_limit": Decimal(10_000)}
    limits.save_account_credit(account_id=house.pk, changes=changes, actor=b.platform(), now=desk.now)
    engine.refresh(desk.now)
    assert not is_locked(house)


def test_a_week_limit_of_a_parent_counts_what_its_sub_accounts_lost_before(desk: Desk) -> None:
    desk.now = RESET - timedelta(days=2, hours=1)
    firm = b.company()
    house = b.account(firm, auto_liq={"weekly_loss_auto_liq": Decimal(5000)})
    child = b.account(firm, parent=house, account_type=AccountType.ROUTING_INTERNAL)
    AccountSession.objects.update(trading_day="2026-11-18", next_reset_at=RESET - timedelta(days=2))
    b.position(child, net=1, price="6000")
    engine = started(desk)
    move(engine, desk, "5910")  # -4,500
    roll(engine, desk, house, "5910", RESET - timedelta(days=2))
    move(engine, desk, "5900.25")  # -4,987.50
    assert not is_locked(house)
    move(engine, desk, "5900")
    assert is_locked(house)


def test_a_sub_accounts_reset_does_not_take_a_loss_from_its_parent(desk: Desk) -> None:
    firm = b.company()
    house = b.account(firm, daily_limit="10000", loss_pct="80", action=CreditLossAction.AUTO_LIQUIDATE)
    child = b.account(firm, parent=house, account_type=AccountType.ROUTING_INTERNAL)
    b.position(child, net=1, price="6000")
    b.fill(child, side=Side.SELL, price="5842")
    b.position(house, net=1, price="6000")
    AccountSession.objects.filter(account=child).update(next_reset_at=desk.now)
    engine = started(desk)
    move(engine, desk, "6000")
    roll(engine, desk, child, "6000", desk.now)
    move(engine, desk, "5998.25")  # -7,987.50
    assert not is_locked(house)
    move(engine, desk, "5998")
    assert is_locked(house)
