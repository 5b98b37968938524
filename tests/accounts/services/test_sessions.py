"""The reset: a tree closes its session as a whole and opens the next."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from accounts.errors import InvalidValue, NotFound, NotPermitted
from accounts.models import AccountAutoLiq, AccountCredit, AccountLock, AccountSession, Position, SodRecord
from accounts.permissions import TASK
from accounts.rules.audit import AuditAction
from accounts.rules.locks import LockCause, LockMode, TradingMode
from accounts.rules.pnl import Holding, Side
from accounts.selectors import trading_mode_of
from accounts.selectors.figures import tree_figures
from accounts.services import limits, locks, sessions, sod, structure
from tests import builders
from tests.accounts.evidence import entries, only_entry, snapshot
from tests.builders import NOW, seconds

pytestmark = pytest.mark.django_db
MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)
FRIDAYS_END = datetime(2026, 11, 20, 23, 0, tzinfo=UTC)
SUNDAY_EVENING = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
MONDAYS_END = datetime(2026, 11, 23, 23, 0, tzinfo=UTC)
ES = {"ESZ6": Decimal(6010)}


@pytest.fixture
def firm():
    return builders.company("ALPHA")


@pytest.fixture
def account(firm):
    return builders.account(firm, "A-1", daily_limit="10000")


def publish(account, net=3, price="6000", **more):
    return sod.publish_sod(
        **{
            "account_id": account.pk,
            "instrument": builders.instrument(),
            "net": net,
            "price": Decimal(price),
            "actor": builders.platform(),
            "now": NOW,
        }
        | more
    )


def roll(account, settlements=ES, now=SUNDAY_EVENING, actor=TASK):
    return sessions.roll_session(account_id=account.pk, settlements=settlements, actor=actor, now=now)


def session_of(account):
    return AccountSession.objects.get(account=account)


def set_reset(account, hour, zone="America/Chicago"):
    changes = {"override_reset": True, "reset_time": time(hour), "reset_timezone": zone}
    limits.save_account_credit(account_id=account.pk, changes=changes, actor=builders.platform(), now=NOW)


def test_a_reset_carries_the_position_at_settlement_and_starts_at_zero(account):
    publish(account, 3, "6000")
    builders.mark("ESZ6", "6010", at=SUNDAY_EVENING)
    session = roll(account)
    record = SodRecord.objects.get(trading_day=MONDAY)
    assert (record.net, record.price, record.is_manual) == (3, 6010, False)
    assert (session.trading_day, session.base, session.carry) == (MONDAY, 10000, 0)
    assert session.started_at == datetime(2026, 11, 22, 23, 0, tzinfo=UTC)
    assert tree_figures(account, currency="USD", now=SUNDAY_EVENING).pnl == 0
    entry = only_entry(AuditAction.SESSION_ROLLED)
    assert (entry.after["trading_day"], Decimal(entry.after["base"]), entry.actor) == ("2026-11-23", 10000, "task")


def test_without_start_of_day_records_the_reset_still_happens_and_carries_nothing(account):
    AccountCredit.objects.filter(account=account).update(create_sod=False)
    publish(account, 3)
    assert roll(account).trading_day == MONDAY
    assert Position.objects.get().holding == Holding()
    assert not SodRecord.objects.filter(trading_day=MONDAY).exists()


def test_a_reset_run_twice_makes_one_record(account):
    publish(account, 3)
    assert roll(account) is not None
    before = snapshot()
    assert roll(account) is None
    assert roll(account, now=SUNDAY_EVENING + timedelta(hours=20)) is None
    assert snapshot() == before


def test_a_flat_position_leaves_no_record_and_needs_no_settlement(account):
    publish(account, 1, "6000")
    builders.fill(account, side=Side.SELL, price="5990")
    session = roll(account, settlements={})
    assert Position.objects.get().holding == Holding()
    assert not SodRecord.objects.filter(trading_day=MONDAY).exists()
    assert session.trading_day == MONDAY


def test_without_a_settlement_of_a_held_contract_nothing_is_rolled(account):
    publish(account, 1)
    before = snapshot()
    with pytest.raises(InvalidValue, match="ESZ6 has no settlement price") as caught:
        roll(account, settlements={"NQZ6": Decimal(1)})
    assert caught.value.field == "settlements"
    assert snapshot() == before


@pytest.mark.parametrize(("carries", "carry", "base"), [(True, Decimal(-500), Decimal(9500)), (False, 0, 10000)])
def test_the_carry_is_realized_only_and_only_where_the_company_wants_it(account, carries, carry, base):
    account.company.carry_realized_pnl = carries
    account.company.save()
    publish(account, 2, "6000")
    builders.fill(account, side=Side.SELL, price="5990")  # realizes -500, leaves one open
    session = roll(account, settlements={"ESZ6": Decimal(5000)})  # -50000 open
    assert (session.carry, session.base) == (carry, base)


def test_without_a_limit_there_is_no_base(firm):
    assert roll(builders.account(firm)).base is None


def test_the_weeks_result_adds_up_over_the_week_and_starts_anew_with_the_next(account):
    publish(account, 1, "6000")
    roll(account, {"ESZ6": Decimal(6010)}, SUNDAY_EVENING)
    assert session_of(account).week_pnl_before == 0  # Friday's +500 was last week's
    roll(account, {"ESZ6": Decimal(6003)}, SUNDAY_EVENING + timedelta(days=1))
    assert session_of(account).week_pnl_before == -350
    builders.fill(account, side=Side.SELL, price="6004")
    roll(account, {}, SUNDAY_EVENING + timedelta(days=2))
    assert session_of(account).week_pnl_before == -300
    roll(account, {}, SUNDAY_EVENING + timedelta(days=7))
    assert session_of(account).week_pnl_before == 0


def test_a_contract_of_another_currency_is_converted(account):
    builders.rate("EUR", "USD", "1.35")
    account.company.carry_realized_pnl = True
    account.company.save()
    publish(account, 2, "18000", instrument=builders.instrument("FDAXZ6"))
    builders.fill(account, "FDAXZ6", side=Side.SELL, price="18010")  # +250 EUR realized
    session = roll(account, {"FDAXZ6": Decimal(18000)})
    assert session.carry == Decimal("337.50")


def test_without_a_rate_nothing_is_rolled_unless_there_is_nothing_to_convert(account):
    publish(account, 1, "18000", instrument=builders.instrument("FDAXZ6"))
    before = snapshot()
    with pytest.raises(InvalidValue, match="No rate from EUR to USD") as caught:
        roll(account, {"FDAXZ6": Decimal(18001)})
    assert caught.value.field == "rates"
    assert snapshot() == before
    assert roll(account, {"FDAXZ6": Decimal(18000)})


def test_a_lock_stands_through_the_reset(account):
    builders.lock(account)
    roll(account)
    assert trading_mode_of(account.pk) is TradingMode.LOCKED


def test_who_may_roll(account):
    with pytest.raises(NotPermitted):
        roll(account, actor=builders.actor(builders.user(account.company)))
    with pytest.raises(NotFound):
        roll(account, actor=builders.actor(builders.admin(builders.company("OMEGA"))))


def test_who_may_roll_is_asked_of_the_top(firm, account):
    child = builders.account(firm, parent=account)
    with pytest.raises(NotFound):
        roll(child, actor=builders.actor(builders.admin(builders.company("OMEGA"))))
    with pytest.raises(NotFound):
        sessions.roll_session(account_id=0, settlements={}, actor=TASK, now=NOW)


# a tree is rolled as a unit


@pytest.fixture
def tree(firm, account):
    firm.carry_realized_pnl = True
    firm.save()
    child = builders.account(firm, "C", parent=account, daily_limit="5000")
    grandchild = builders.account(firm, "G", parent=child)
    AccountSession.objects.update(trading_day=date(2026, 11, 16), next_reset_at=FRIDAYS_END - timedelta(days=3))
    return account, child, grandchild


WEDNESDAY = FRIDAYS_END - timedelta(days=3) + seconds(5)


@pytest.mark.parametrize("asked", [0, 1, 2])
def test_each_level_carries_the_result_of_everything_below_it(tree, asked):
    top, _, grandchild = tree
    publish(top, 1, "6000")
    publish(grandchild, 2, "6000")
    builders.fill(grandchild, side=Side.SELL, price="5990")  # -500 realized; one is open at -5000
    rolled = roll(tree[asked], {"ESZ6": Decimal(5900)}, WEDNESDAY)
    assert rolled.account_id == tree[asked].pk
    found = [session_of(row) for row in tree]
    assert [row.carry for row in found] == [-500, -500, -500]
    assert [row.base for row in found] == [9500, 4500, None]
    assert [row.week_pnl_before for row in found] == [-10500, -5500, -5500]
    assert [row.balance for row in found] == [-500, -500, None]
    assert len({(row.trading_day, row.started_at, row.next_reset_at) for row in found}) == 1
    assert len(entries(AuditAction.SESSION_ROLLED)) == 3


def test_a_child_is_counted_in_each_levels_own_currency(tree):
    builders.rate("EUR", "USD", "1.35")
    builders.rate("USD", "EUR", "0.74")
    AccountCredit.objects.filter(account=tree[1]).update(currency="EUR")
    publish(tree[2], 1, "18000", instrument=builders.instrument("FDAXZ6"))
    roll(tree[0], {"FDAXZ6": Decimal(18010)}, WEDNESDAY)  # 250 EUR
    assert [session_of(row).week_pnl_before for row in tree] == [Decimal("337.50"), 250, Decimal("337.50")]


def test_one_levels_missing_price_rolls_none_of_the_tree(tree):
    publish(tree[2], 1)
    before = snapshot()
    with pytest.raises(InvalidValue):
        roll(tree[0], {}, WEDNESDAY)
    assert snapshot() == before


def test_a_new_sub_account_joins_the_session_that_runs_above_it(firm, account):
    AccountSession.objects.update(trading_day=TUESDAY, started_at=MONDAYS_END, next_reset_at=MONDAYS_END + seconds(9))
    child = session_of(builders.account(firm, parent=account, original_balance="7000"))
    assert (child.trading_day, child.started_at, child.next_reset_at) == (
        TUESDAY, MONDAYS_END, MONDAYS_END + seconds(9),
    )  # fmt: skip
    assert (child.original_balance, child.balance) == (7000, 7000)


def test_a_tree_that_changes_while_its_rows_are_waited_for_is_looked_at_again(firm, account, monkeypatch):
    looked = sessions._tree_depths
    late = []

    def a_child_comes_in_between(account_id):
        depths = looked(account_id)
        if not late:
            late.append(builders.account(firm, parent=account))
        return depths

    monkeypatch.setattr(sessions, "_tree_depths", a_child_comes_in_between)
    roll(account)
    assert [session_of(row).trading_day for row in (account, late[0])] == [MONDAY, MONDAY]


# when


@pytest.mark.parametrize(("after", "is_rolled"), [(-1, False), (0, True), (1, True)])
def test_a_session_ends_at_its_planned_end(account, after, is_rolled):
    assert session_of(account).next_reset_at == FRIDAYS_END
    session = roll(account, now=FRIDAYS_END + seconds(after))
    assert (session is not None) is is_rolled
    if session is not None:
        assert (session.trading_day, session.next_reset_at) == (MONDAY, MONDAYS_END)


@pytest.mark.parametrize(
    ("hour", "zone"), [(13, "America/Chicago"), (10, "America/Chicago"), (16, "Europe/London"), (22, "Asia/Tokyo")]
)
def test_a_new_reset_time_ends_no_running_session_before_its_planned_end(account, hour, zone):
    set_reset(account, hour, zone)
    assert roll(account, now=FRIDAYS_END - seconds(1)) is None
    roll(account, now=FRIDAYS_END)
    session = session_of(account)
    assert session.next_reset_at.astimezone(ZoneInfo(zone)).time() == time(hour)
    assert FRIDAYS_END < session.next_reset_at <= FRIDAYS_END + timedelta(days=4)


def test_a_later_reset_time_prolongs_the_session_that_is_still_the_same_day(account):
    set_reset(account, 18)
    assert roll(account, now=FRIDAYS_END) is None
    assert session_of(account).next_reset_at == FRIDAYS_END + timedelta(hours=1)
    assert roll(account, now=FRIDAYS_END + seconds(3599)) is None
    session = roll(account, now=FRIDAYS_END + seconds(3600))
    assert (session.trading_day, session.started_at) == (MONDAY, FRIDAYS_END + timedelta(hours=1))


def test_an_earlier_reset_time_starts_the_next_session_where_this_one_ends(account):
    set_reset(account, 16)
    session = roll(account, now=FRIDAYS_END)
    assert (session.started_at, session.next_reset_at) == (FRIDAYS_END, MONDAYS_END - timedelta(hours=1))


# the balance


def test_the_balance_begins_with_the_first_daily_limit_and_no_later_one_moves_it(firm):
    account = builders.account(firm)
    assert session_of(account).starting_balance is None
    for limit in ("20000", "10000", None):
        changes = {"daily_limit": None if limit is None else Decimal(limit)}
        limits.save_account_credit(account_id=account.pk, changes=changes, actor=builders.platform(), now=NOW)
        session = session_of(account)
        assert (session.balance, session.original_balance, session.starting_balance) == (20000, 20000, 20000)


def test_the_balance_begins_with_the_original_balance_where_there_is_one(firm):
    session = session_of(builders.account(firm, original_balance="50000", daily_limit="1000"))
    assert (session.balance, session.original_balance, session.base) == (50000, 50000, 1000)


@pytest.mark.parametrize(("price", "balance"), [("5990", 9500), ("6000", 10000), ("6010", 10500)])
def test_the_balance_takes_the_whole_result_over_the_reset_and_the_base_does_not(account, price, balance):
    publish(account, 1, "6000")
    session = roll(account, {"ESZ6": Decimal(price)})
    assert (session.balance, session.base, session.max_net_liq) == (balance, 10000, None)


def test_a_balance_that_was_never_set_begins_with_the_limit_at_the_reset(account):
    AccountSession.objects.update(balance=None, original_balance=None)
    publish(account, 1, "6000")
    session = roll(account, {"ESZ6": Decimal(6010)})
    assert (session.balance, session.original_balance) == (10500, 10000)


def test_where_nothing_is_known_the_balance_stays_unknown(firm):
    account = builders.account(firm)
    publish(account, 1)
    session = roll(account)
    assert (session.balance, session.original_balance, session.starting_balance) == (None, None, None)


@pytest.mark.parametrize("mode", ["EOD", "RealTime", ""])
@pytest.mark.parametrize(
    ("recorded", "price", "peak"),
    [
        (None, "6010", 10500), (None, "5990", 10000),
        ("10499", "6010", 10500), ("10500", "6010", 10500), ("10501", "6010", 10501),
        ("10200", "5990", 10200),
    ],
)  # fmt: skip
def test_the_peak_of_a_trailing_drawdown_outlives_the_reset(account, mode, recorded, price, peak):
    AccountAutoLiq.objects.update(trailing_max_drawdown=2500, trailing_max_drawdown_mode=mode)
    AccountSession.objects.update(max_net_liq=recorded)
    publish(account, 1, "6000")
    assert roll(account, {"ESZ6": Decimal(price)}).max_net_liq == peak


# locks that end with the session


def lock(account, due, cause=LockCause.AUTO_LIQ, mode=LockMode.LOCKED):
    locks.lock_account(
        account_id=account.pk, actor=builders.platform(), cause=cause, mode=mode, reason="x", now=NOW,
        release_due_at=due,
    )  # fmt: skip


@pytest.mark.parametrize(("after", "stands"), [(-1, False), (0, False), (1, True)])
def test_the_reset_lifts_the_locks_that_are_due_by_then(firm, account, after, stands):
    child = builders.account(firm, parent=account)
    lock(child, FRIDAYS_END + seconds(after))
    lock(account, None)
    roll(account, now=FRIDAYS_END)
    assert AccountLock.objects.filter(account=child, released_at=None).exists() is stands
    assert AccountLock.objects.filter(account=account, released_at=None).exists()


def test_the_reset_lifts_no_lock_of_an_account_that_holds_a_position(account):
    publish(account, 1)
    lock(account, FRIDAYS_END)
    roll(account, now=FRIDAYS_END)
    assert trading_mode_of(account.pk) is TradingMode.LOCKED


def test_a_closed_sub_account_is_rolled_with_its_tree(firm, account):
    child = builders.account(firm, parent=account)
    publish(child, 1, "6000")
    builders.fill(child, side=Side.SELL, price="5990")
    structure.close_account(account_id=child.pk, actor=builders.platform(), now=NOW, reason="left")
    roll(account)
    assert session_of(account).balance == 9500
    assert Position.objects.get(account=child).holding == Holding()
