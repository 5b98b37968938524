"""Start-of-day records: published, corrected, and carried over the reset."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest

from accounts.errors import InvalidValue, NotFound, NotPermitted
from accounts.models import AccountCredit, AccountSession, Position, SodRecord
from accounts.permissions import TASK
from accounts.rules.audit import AuditAction
from accounts.rules.locks import TradingMode
from accounts.rules.pnl import Side
from accounts.rules.roles import Role
from accounts.rules.sessions import DEFAULT_RESET
from accounts.selectors import trading_mode_of
from accounts.selectors.figures import tree_figures
from accounts.services import sod
from tests import builders
from tests.accounts.evidence import entries, only_entry, snapshot
from tests.builders import NOW

pytestmark = pytest.mark.django_db
FRIDAY, MONDAY, TUESDAY = date(2026, 11, 20), date(2026, 11, 23), date(2026, 11, 24)
SUNDAY_EVENING = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
ES = {"ESZ6": Decimal(6010)}


@pytest.fixture
def firm():
    return builders.company("ALPHA")


@pytest.fixture
def account(firm):
    return builders.account(firm, "A-1", daily_limit="10000")


def publish(account, net=3, price="6000", actor=None, **more):
    return sod.publish_sod(
        **{
            "account_id": account.pk,
            "instrument": builders.instrument(),
            "net": net,
            "price": Decimal(price) if isinstance(price, str) else price,
            "actor": actor or builders.platform(),
            "now": NOW,
        }
        | more
    )


def roll(account, settlements=ES, now=SUNDAY_EVENING, actor=TASK):
    return sod.roll_session(account_id=account.pk, settlements=settlements, actor=actor, now=now)


def session_of(account):
    return AccountSession.objects.get(account=account)


# publishing


def test_a_published_record_is_the_position_carried_in(account):
    record = publish(account, 3, "6000.25")
    assert (record.net, record.price, record.trading_day, record.is_manual) == (3, Decimal("6000.25"), FRIDAY, True)
    position = Position.objects.get()
    assert (position.net, position.prev_price, position.open_value) == (3, Decimal("6000.25"), Decimal("18000.75"))
    entry = only_entry(AuditAction.SOD_PUBLISHED)
    assert entry.after == {"symbol": "ESZ6", "net": 3, "price": "6000.25", "trading_day": "2026-11-20"}


def test_a_second_record_of_the_day_corrects_the_first_and_keeps_the_fills(account):
    first = publish(account, 3, "6000")
    builders.fill(account, side=Side.BUY, qty=2, price="6005")
    second = publish(account, -1, "5990")
    assert second.pk == first.pk
    assert SodRecord.objects.count() == 1
    position = Position.objects.get()
    assert (position.prev_pos, position.bought, position.net) == (-1, 2, 1)
    assert len(entries(AuditAction.SOD_PUBLISHED)) == 2


def test_a_correction_to_flat_leaves_nothing_open(account):
    publish(account, 3)
    builders.fill(account, side=Side.SELL, qty=1, price="6005")
    publish(account, 1)
    assert (Position.objects.get().net, Position.objects.get().open_value) == (0, 0)


def test_a_record_of_another_day_is_one_more(account):
    publish(account)
    publish(account, day=MONDAY)
    assert set(SodRecord.objects.values_list("trading_day", flat=True)) == {FRIDAY, MONDAY}


@pytest.mark.parametrize("price", ["NaN", "Infinity", 6000.25])
def test_a_record_needs_a_finite_price(account, price):
    builders.instrument()
    before = snapshot()
    with pytest.raises(InvalidValue) as caught:
        publish(account, price=price)
    assert caught.value.field == "price"
    assert snapshot() == before


@pytest.mark.parametrize("role", list(Role))
def test_who_may_publish(account, role):
    user = builders.user(account.company, role=role)
    builders.structure.assign_user(account_id=account.pk, user=user, actor=builders.platform(), now=NOW)
    if role in {Role.COMPANY_ADMIN, Role.ACCOUNT_ADMIN}:
        assert publish(account, actor=builders.actor(user))
        return
    with pytest.raises(NotPermitted):
        publish(account, actor=builders.actor(user))


def test_the_engine_publishes_nothing_and_a_shared_with_company_neither(account):
    guest = builders.company("BETA")
    builders.share(account, guest)
    for actor in (TASK, builders.actor(builders.admin(guest))):
        with pytest.raises(NotPermitted):
            publish(account, actor=actor)


# the reset


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
    assert Position.objects.get().holding == sod.Holding()
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
    assert Position.objects.get().holding == sod.Holding()
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


# when


def test_the_highest_override_above_an_account_binds(firm, account):
    child = builders.account(firm, parent=account)
    assert sod.reset_of(child) == DEFAULT_RESET
    for row, hour in ((child, 9), (account, 8)):
        AccountCredit.objects.filter(account=row).update(
            override_reset=True, reset_time=time(hour), reset_timezone="Europe/London"
        )
        assert sod.reset_of(child) == sod.ResetOverride(time(hour), "Europe/London")


@pytest.mark.parametrize(("minute", "is_rolled"), [(59, False), (60, True), (61, True)])
def test_an_account_rolls_at_the_time_its_ancestor_set_and_not_before(firm, account, minute, is_rolled):
    child = builders.account(firm, parent=account)
    AccountCredit.objects.filter(account=account).update(
        override_reset=True, reset_time=time(19), reset_timezone="America/Chicago"
    )
    AccountSession.objects.update(trading_day=MONDAY)
    seven = datetime(2026, 11, 24, 0, 0, tzinfo=UTC)  # Monday 18:00 in Chicago
    session = roll(child, now=seven + timedelta(minutes=minute))
    assert (session is not None) is is_rolled
    if session is not None:
        assert (session.trading_day, session.started_at) == (TUESDAY, seven + timedelta(minutes=60))


def test_who_may_roll(account):
    with pytest.raises(NotPermitted):
        roll(account, actor=builders.actor(builders.user(account.company)))
    with pytest.raises(NotFound):
        roll(account, actor=builders.actor(builders.admin(builders.company("OMEGA"))))
