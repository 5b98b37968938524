"""Books in and out of an installation."""

import copy
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.errors import NotPermitted
from accounts.models import (
    Account,
    AccountConnection,
    AccountPath,
    AccountSession,
    AuditEntry,
    Company,
    Instrument,
    Order,
    Position,
    SodRecord,
    User,
)
from accounts.permissions import ENGINE, PLATFORM, Actor, Door
from accounts.rules.audit import AuditAction
from accounts.rules.locks import LockCause, LockMode
from accounts.rules.orders import OrderStatus, OrderType, TimeInForce
from accounts.rules.pnl import Side
from accounts.rules.roles import Role
from accounts.selectors import lineage_ids
from accounts.services import audit
from accounts.services.fills import record_fill
from accounts.services.locks import lock_account
from accounts.services.structure import assign_connection, close_account
from liquidation.errors import BookRefused
from liquidation.gateways.simulated import SimulatedExchange
from liquidation.models import VenueOrder, VenuePosition
from liquidation.services.book import dump_book, load_book
from liquidation.services.book_dump import left_out

pytestmark = pytest.mark.django_db

NOW = datetime(2013, 10, 10, 0, 0, tzinfo=UTC)

# In the form in which a book is written, so that it comes out as it went in.
BOOK = {
    "company": [
        {
            "name": "Clearing Co",
            "post_trade_risk_enabled": True,
            "carry_realized_pnl": False,
            "auto_liquidation_user": "liq",
        },
        {
            "name": "Trading Co",
            "post_trade_risk_enabled": False,
            "carry_realized_pnl": True,
            "auto_liquidation_user": None,
        },
    ],
    "user": [
        {
            "username": "liq",
            "company": "Clearing Co",
            "is_active": True,
            "is_company_admin": False,
            "exchange_settings": [{"exchange": "CME", "operator_id": "OP1"}],
        },
        {
            "username": "boss",
            "company": "Trading Co",
            "is_active": False,
            "is_company_admin": True,
            "exchange_settings": [],
        },
    ],
    "connection": [{"name": "CME-1", "company": "Clearing Co", "exchange": "CME"}],
    "instrument": [
        {
            "symbol": "ESZ3",
            "exchange": "CME",
            "product": "ES",
            "tick_size": "0.25",
            "tick_value": "12.50",
            "currency": "USD",
        }
    ],
    "margin": [{"product": "ES", "initial": "4180.00", "maintenance": "3800.00"}],
    "currency_rate": [{"from": "EUR", "to": "USD", "rate": "1.35"}],
    "account": [
        {
            "name": "SUB",
            "company": "Trading Co",
            "type": "NON_ROUTING",
            "parent": "HOUSE",
            "connections": [],
            "credit": {
                "check_credit": False,
                "daily_limit": None,
                "currency": "EUR",
                "rule": "MARGIN",
                "credit_loss_pct": "12.5",
                "credit_loss_action": "AUTO_LIQUIDATE",
            },
            "auto_liq": {},
        },
        {
            "name": "HOUSE",
            "company": "Clearing Co",
            "type": "ROUTING_EXTERNAL",
            "parent": None,
            "connections": ["CME-1"],
            "credit": {
                "check_credit": True,
                "daily_limit": "10000.00",
                "currency": "USD",
                "rule": "PNL",
                "credit_loss_pct": "80",
                "credit_loss_action": "AUTO_LIQUIDATE",
            },
            "auto_liq": {
                "dailyLossAutoLiq": "5000",
                "doNotUnlock": True,
                "trailingMaxDrawdownMode": "EOD",
                "flattenTimestamp": "2013-10-11T20:00:00Z",
            },
        },
    ],
    "share": [{"account": "HOUSE", "company": "Clearing Co", "with": "Trading Co"}],
    "position": [
        {"account": "HOUSE", "company": "Clearing Co", "symbol": "ESZ3", "net": -3, "price": "1651.75"},
        {"account": "SUB", "company": "Trading Co", "symbol": "ESZ3", "net": 0, "price": "1650.10"},
    ],
    "order": [
        {
            "account": "HOUSE",
            "company": "Clearing Co",
            "symbol": "ESZ3",
            "side": "BUY",
            "qty": 2,
            "type": "LIMIT",
            "price": "1640.00",
        },
        {"account": "SUB", "company": "Trading Co", "symbol": "ESZ3", "side": "SELL", "qty": 1, "type": "MARKET"},
    ],
}


def load(book=BOOK, actor=PLATFORM):
    return load_book(book=copy.deepcopy(book), actor=actor, now=NOW)


def refused(book):
    with pytest.raises(BookRefused) as error:
        load(book)
    return list(error.value.faults)


@pytest.fixture
def house():
    load()
    return Account.objects.get(name="HOUSE")


def test_a_book_comes_out_as_it_went_in():
    load()
    assert dump_book() == BOOK


def test_the_accounts_keep_the_books_order():
    loaded = load()
    assert [Account.objects.get(pk=pk).name for pk in loaded.account_ids] == ["SUB", "HOUSE"]


def test_the_tree_is_known_both_ways(house):
    sub = Account.objects.get(name="SUB")
    assert lineage_ids(sub.pk) == [sub.pk, house.pk]
    assert AccountPath.objects.count() == 3


def test_users_have_no_usable_password_and_their_role(house):
    roles = {user.username: (Role(user.role), user.has_usable_password()) for user in User.objects.all()}
    assert roles == {"liq": (Role.TRADER, False), "boss": (Role.COMPANY_ADMIN, False)}


def test_the_session_starts_from_the_daily_limit(house):
    session = AccountSession.objects.get(account=house)
    assert (session.base, session.original_balance, session.carry) == (10000, 10000, 0)
    # Midnight UTC is 19:00 in Chicago: the session that began at 17:00 there is the next day's.
    assert session.trading_day == date(2013, 10, 10)
    assert session.started_at == datetime(2013, 10, 9, 22, tzinfo=UTC)
    assert AccountSession.objects.get(account__name="SUB").base is None


def test_a_position_is_a_start_of_day_position_here_and_at_the_exchange(house):
    position = Position.objects.get(account=house)
    assert (position.prev_pos, position.prev_price, position.open_value) == (
        -3,
        Decimal("1651.75"),
        Decimal("-4955.25"),
    )
    record = SodRecord.objects.get(account=house)
    assert (record.net, record.price, record.is_manual) == (-3, Decimal("1651.75"), True)
    assert VenuePosition.objects.get(account_ref=str(house.pk)).net == -3


def test_an_order_works_here_and_at_the_exchange(house):
    order = Order.objects.get(account=house)
    assert (order.status, order.sent_at) == (OrderStatus.WORKING, NOW)
    venue = VenueOrder.objects.get(client_order_id=order.client_order_id)
    assert (venue.status, venue.qty, venue.price) == (OrderStatus.WORKING, 2, Decimal(1640))


def test_a_loaded_order_can_be_canceled_at_the_exchange(house):
    report = SimulatedExchange().cancel(Order.objects.get(account=house).client_order_id)
    assert report is not None
    assert report.status is OrderStatus.CANCELED


def test_every_object_has_its_audit_entry(house):
    counted = {}
    for action in AuditEntry.objects.values_list("action", flat=True):
        counted[action] = counted.get(action, 0) + 1
    assert counted == {
        AuditAction.COMPANY_CREATED: 2,
        AuditAction.COMPANY_CHANGED: 1,
        AuditAction.USER_CREATED: 2,
        AuditAction.CONNECTION_CHANGED: 2,
        AuditAction.INSTRUMENT_CHANGED: 1,
        AuditAction.MARGIN_CHANGED: 1,
        AuditAction.RATE_CHANGED: 1,
        AuditAction.ACCOUNT_CREATED: 2,
        AuditAction.CREDIT_CHANGED: 2,
        AuditAction.AUTO_LIQ_CHANGED: 1,
        AuditAction.ACCOUNT_SHARED: 1,
        AuditAction.SOD_PUBLISHED: 2,
        AuditAction.ORDER_SUBMITTED: 2,
        AuditAction.BOOK_LOADED: 2,
    }
    assert set(AuditEntry.objects.values_list("actor", "door", "at")) == {("command", "COMMAND", NOW)}
    audit.seal()
    assert audit.verify().is_intact


def test_an_empty_book_loads_nothing():
    assert load({}).account_ids == ()
    assert AuditEntry.objects.count() == 0


def test_a_book_with_faults_loads_nothing():
    book = copy.deepcopy(BOOK)
    book["account"][1]["credit"]["daily_limit"] = "abc"
    book["order"][0]["qty"] = 0
    assert refused(book) == [
        'account[1].credit.daily_limit: "abc" is not a number',
        "order[0].qty: 0 is not between 1 and 2147483647",
    ]
    assert Company.objects.count() == Instrument.objects.count() == 0


def test_one_fault_is_not_many():
    with pytest.raises(BookRefused, match=r"^The book has 1 fault\.$"):
        load({"colour": 1})


def test_names_that_exist_are_refused_by_path(house):
    assert refused(BOOK) == [
        'company[0].name: "Clearing Co" exists already',
        'company[1].name: "Trading Co" exists already',
        'user[0].username: "liq" exists already',
        'user[1].username: "boss" exists already',
    ]


def test_the_same_contracts_margins_and_rates_are_left_as_they_are(house):
    load({key: BOOK[key] for key in ("instrument", "margin", "currency_rate")})
    assert Instrument.objects.count() == 1


def test_other_contracts_margins_and_rates_of_the_same_name_are_refused(house):
    book = {key: copy.deepcopy(BOOK[key]) for key in ("instrument", "margin", "currency_rate")}
    book["instrument"][0]["tick_size"] = "0.5"
    book["margin"][0]["initial"] = "1"
    book["currency_rate"][0]["rate"] = "2"
    assert refused(book) == [
        'instrument[0].symbol: "ESZ3" exists already, with other values',
        'margin[0].product: "ES" exists already, with other values',
        'currency_rate[0].from: "EUR" to "USD" exists already, with another rate',
    ]


def test_a_second_book_may_hold_positions_in_a_contract_that_is_installed(house):
    book = {
        "company": [{"name": "Third Co"}],
        "instrument": BOOK["instrument"],
        "account": [{"name": "HOUSE", "company": "Third Co"}],
        "position": [{"account": "HOUSE", "symbol": "ESZ3", "net": 1, "price": "1650"}],
    }
    loaded = load(book)
    assert Position.objects.get(account__in=loaded.account_ids).instrument.symbol == "ESZ3"


@pytest.mark.parametrize("kind", ["engine", "company administrator"])
def test_only_the_platform_loads_books(house, kind):
    boss = User.objects.get(username="boss")
    boss.is_active = True
    with pytest.raises(NotPermitted):
        load({}, actor=ENGINE if kind == "engine" else Actor(Door.ADMIN, boss))


def test_a_superuser_loads_books():
    user = User.objects.create_superuser("platform", password=None)
    load(actor=Actor(Door.ADMIN, user))
    assert AuditEntry.objects.filter(user=user).count() == AuditEntry.objects.count()


def test_a_traded_position_is_written_with_its_average_price(house):
    contract = Instrument.objects.get()
    for number, (side, qty, price) in enumerate([(Side.SELL, 1, "1653.75")]):
        record_fill(
            venue="simulated",
            execution_id=str(number),
            account=house,
            instrument=contract,
            side=side,
            qty=qty,
            price=Decimal(price),
            filled_at=NOW,
            actor=ENGINE,
            now=NOW,
        )
    # (3 x 1651.75 + 1653.75) / 4 = 1652.25
    assert dump_book()["position"][0] == BOOK["position"][0] | {"net": -4, "price": "1652.25"}


def test_a_position_that_was_closed_is_not_written(house):
    record_fill(
        venue="simulated",
        execution_id="1",
        account=house,
        instrument=Instrument.objects.get(),
        side=Side.BUY,
        qty=3,
        price=Decimal(1650),
        filled_at=NOW,
        actor=ENGINE,
        now=NOW,
    )
    assert [entry["account"] for entry in dump_book()["position"]] == ["SUB"]


def test_a_closed_account_is_not_written():
    book = copy.deepcopy(BOOK) | {"position": [], "order": []}
    load(book)
    close_account(account_id=Account.objects.get(name="SUB").pk, actor=PLATFORM, now=NOW, reason="Gone")
    assert [entry["name"] for entry in dump_book()["account"]] == ["HOUSE"]


def test_a_superuser_is_no_part_of_a_book(house):
    User.objects.create_superuser("platform", password=None)
    assert dump_book()["user"] == BOOK["user"]


def test_a_parent_whose_name_two_companies_use_is_written_with_its_company():
    book = copy.deepcopy(BOOK)
    book["account"].append(copy.deepcopy(BOOK["account"][1]) | {"company": "Trading Co", "connections": []})
    book["account"][0]["parent"] = {"account": "HOUSE", "company": "Clearing Co"}
    load(book)
    assert dump_book() == book


def test_what_a_book_cannot_hold_is_told(house):
    assert left_out() == []
    lock_account(account_id=house.pk, actor=ENGINE, cause=LockCause.ADMIN, mode=LockMode.LOCKED, reason="Look", now=NOW)
    given_to = AccountConnection.objects.get()
    assign_connection(account_id=house.pk, connection=given_to.connection, actor=PLATFORM, now=NOW, is_removed=True)
    Order.objects.filter(account=house).update(
        type=OrderType.STOP, stop_price=Decimal(1), time_in_force=TimeInForce.DAY
    )
    User.objects.create_superuser("root", password="secret")
    liquidator = User.objects.get(username=BOOK["user"][0]["username"])
    liquidator.set_password("secret")
    liquidator.save()
    assert left_out() == [
        "1 open lock is left out: these accounts will be free to trade where this book is loaded: HOUSE.",
        "1 working stop order is left out: they will protect nothing where this book is loaded: HOUSE.",
        "1 connection taken off a sub-account is left out: these accounts will trade there again: HOUSE.",
        f"1 password is left out: each of these users needs a new one to log in: {liquidator.username}.",
        "1 user of no company is left out: they will not be there: root.",
    ]
    assert [order["type"] for order in dump_book()["order"]] == ["MARKET"]


def test_two_open_locks_are_counted_and_each_account_is_named_once(house):
    sub = Account.objects.exclude(pk=house.pk).get()
    for account, cause in ((sub, LockCause.ADMIN), (house, LockCause.ADMIN), (house, LockCause.COMPANY)):
        lock_account(account_id=account.pk, actor=ENGINE, cause=cause, mode=LockMode.LOCKED, reason="Look", now=NOW)
    (told,) = left_out()
    assert told.startswith("3 open locks are left out: ")
    assert told.endswith(": HOUSE, SUB.")


@st.composite
def books(draw):
    """Books in the form in which they are written."""
    amount = st.integers(0, 10**8).map(lambda cents: f"{cents // 100}.{cents % 100:02}")
    companies = [f"Firm {n}" for n in range(draw(st.integers(1, 3)))]
    base = copy.deepcopy(BOOK)
    accounts, shares = [], []
    for number in range(draw(st.integers(0, 6))):
        account = copy.deepcopy(BOOK["account"][draw(st.integers(0, 1))])
        account |= {
            "name": f"A{number}",
            "company": draw(st.sampled_from(companies)),
            "connections": [],
            "parent": None,
        }
        account["type"] = draw(st.sampled_from(["ROUTING_EXTERNAL", "ROUTING_INTERNAL", "NON_ROUTING"]))
        account["credit"]["daily_limit"] = draw(st.none() | amount)
        account["auto_liq"] = draw(st.sampled_from([{}, {"trailingMaxDrawdown": "12.5"}, {"changesLocked": True}]))
        if accounts and draw(st.booleans()):
            parent = draw(st.sampled_from(accounts))
            account["parent"] = parent["name"]
            share = {"account": parent["name"], "company": parent["company"], "with": account["company"]}
            if account["company"] != parent["company"] and share not in shares:
                shares.append(share)
        accounts.append(account)
    references = [{"account": account["name"], "company": account["company"]} for account in accounts]
    holders = draw(st.lists(st.sampled_from(references), unique_by=str)) if references else []
    return {
        "company": [BOOK["company"][1] | {"name": name} for name in companies],
        "user": [],
        "connection": [],
        "instrument": base["instrument"],
        "margin": base["margin"],
        "currency_rate": base["currency_rate"],
        "account": accounts,
        "share": shares,
        "position": [
            {**holder, "symbol": "ESZ3", "net": draw(st.integers(-50, 50)), "price": f"{draw(st.integers(1, 9999))}.25"}
            for holder in holders
        ],
        "order": [{**BOOK["order"][0], **holder} for holder in holders],
    }


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(book=books())
def test_every_book_comes_out_as_it_went_in(book):
    with transaction.atomic():
        load(book)
        written = dump_book()
        transaction.set_rollback(True)
    assert written == book


def test_the_commands_carry_a_book_from_file_to_file(tmp_path, capsys):
    source, target = tmp_path / "book.json", tmp_path / "copy.json"
    source.write_text(json.dumps(BOOK))
    out, err = io.StringIO(), io.StringIO()
    call_command("load_book", str(source), stdout=out)
    call_command("dump_book", output=target, stderr=err)
    assert json.loads(target.read_text()) == BOOK
    assert (out.getvalue(), err.getvalue()) == ("Loaded 2 accounts.\n", "")


def test_a_book_is_written_to_standard_output_with_what_it_cannot_hold_beside_it(house):
    lock_account(account_id=house.pk, actor=ENGINE, cause=LockCause.ADMIN, mode=LockMode.LOCKED, reason="Look", now=NOW)
    out, err = io.StringIO(), io.StringIO()
    call_command("dump_book", stdout=out, stderr=err)
    assert json.loads(out.getvalue()) == BOOK
    assert err.getvalue().startswith("1 open lock is left out: these accounts will be free to trade where this book")


def test_a_file_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(CommandError, match="cannot be written: Is a directory"):
        call_command("dump_book", output=tmp_path)


KNOWN = "company, user, connection, instrument, margin, currency_rate, account, share, position, order"


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (None, ["{path}: cannot be read: No such file or directory"]),
        ("{", None),
        ('{"colour": 1, "shade": 2}', [f"{key}: unknown key; known are {KNOWN}" for key in ("colour", "shade")]),
    ],
)
def test_a_refused_book_is_told_line_by_line(tmp_path, content, lines):
    path = tmp_path / "book.json"
    if content is not None:
        path.write_text(content)
    err = io.StringIO()
    with pytest.raises(SystemExit) as exit_:
        call_command("load_book", str(path), stderr=err)
    assert exit_.value.code == 2
    found = err.getvalue().splitlines()
    assert found == [line.format(path=path) for line in lines] if lines else found[0].startswith(f"{path}: is not JSON")
