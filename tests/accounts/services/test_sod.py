"""Start-of-day records: published and corrected; when a tree resets."""

from datetime import date, time
from decimal import Decimal

import pytest

from accounts.errors import InvalidValue, NotPermitted
from accounts.models import AccountCredit, Fill, Position, SodRecord
from accounts.permissions import TASK
from accounts.rules.audit import AuditAction
from accounts.rules.pnl import Side
from accounts.rules.roles import Role
from accounts.rules.sessions import DEFAULT_RESET
from accounts.services import sod
from tests import builders
from tests.accounts.evidence import entries, only_entry, snapshot
from tests.builders import NOW

pytestmark = pytest.mark.django_db
THURSDAY, FRIDAY, MONDAY = date(2026, 11, 19), date(2026, 11, 20), date(2026, 11, 23)


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


@pytest.mark.parametrize(
    ("trades", "corrected", "open_value"),
    [
        ([(Side.SELL, 2, "120")], "110", 110),
        ([(Side.SELL, 2, "120"), (Side.BUY, 1, "130")], "110", 240),
        ([(Side.SELL, 5, "120")], "110", -240),
        ([(Side.SELL, 3, "120"), (Side.BUY, 2, "90")], "110", 180),
        ([], "110", 330),
    ],
)
def test_a_corrected_price_counts_as_if_it_had_been_there_before_the_fills(account, trades, corrected, open_value):
    publish(account, 3, "100")
    for side, qty, price in trades:
        builders.fill(account, side=side, qty=qty, price=price)
    before = Position.objects.get()
    publish(account, 3, corrected)
    after = Position.objects.get()
    assert after.open_value == open_value
    assert (after.bought_value, after.sold_value, after.net) == (before.bought_value, before.sold_value, before.net)


def test_a_correction_counts_no_fill_of_an_earlier_session(account):
    publish(account, 1, "90")
    builders.fill(account, side=Side.BUY, qty=2, price="95")
    Position.objects.update(prev_pos=3, prev_price=100, bought=0, bought_value=0, open_value=300)  # as a reset does
    builders.fill(account, side=Side.SELL, qty=2, price="120")
    publish(account, 3, "110")
    position = Position.objects.get()
    assert (position.bought, position.sold, position.open_value) == (0, 2, 110)
    assert Fill.objects.count() == 2


@pytest.mark.parametrize(("day", "moved"), [(THURSDAY, False), (FRIDAY, True), (MONDAY, False), (None, True)])
def test_only_a_record_of_the_running_session_moves_the_position(account, day, moved):
    publish(account, 3, "6000")
    publish(account, 5, "6100", day=day)
    assert Position.objects.get().net == (5 if moved else 3)
    assert SodRecord.objects.get(trading_day=day or FRIDAY).net == 5


# when


def test_the_top_accounts_override_binds_its_tree_and_no_other_does(firm, account):
    child = builders.account(firm, parent=account)
    assert sod.reset_of(child) == DEFAULT_RESET
    AccountCredit.objects.filter(account=child).update(
        override_reset=True, reset_time=time(9), reset_timezone="Europe/London"
    )
    assert sod.reset_of(child) == sod.reset_of(account) == DEFAULT_RESET
    AccountCredit.objects.filter(account=account).update(
        override_reset=True, reset_time=time(8), reset_timezone="Europe/London"
    )
    assert sod.reset_of(child) == sod.reset_of(account) == sod.ResetOverride(time(8), "Europe/London")
