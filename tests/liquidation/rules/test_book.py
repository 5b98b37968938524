"""The book file: what it may hold, and every fault with its path."""

import copy
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.rules.credit import CreditLossAction, CreditRule
from accounts.rules.hierarchy import AccountType
from accounts.rules.orders import OrderType
from accounts.rules.pnl import Side
from liquidation.rules.book import check_book, parse_json
from liquidation.rules.book_entries import Reference
from liquidation.rules.book_reading import AUTO_LIQ_AMOUNTS, AUTO_LIQ_FLAGS

BOOK = {
    "company": [
        {
            "name": "Clearing Co",
            "post_trade_risk_enabled": True,
            "carry_realized_pnl": False,
            "auto_liquidation_user": "liq",
        },
        {"name": "Trading Co"},
    ],
    "user": [
        {
            "username": "liq",
            "company": "Clearing Co",
            "is_active": True,
            "is_company_admin": False,
            "exchange_settings": [{"exchange": "CME", "operator_id": "OP1"}],
        }
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
    "margin": [{"product": "ES", "initial": "4180", "maintenance": "3800"}],
    "currency_rate": [{"from": "EUR", "to": "USD", "rate": "1.35"}],
    "account": [
        {
            "name": "HOUSE",
            "company": "Clearing Co",
            "type": "ROUTING_EXTERNAL",
            "parent": None,
            "connections": ["CME-1"],
            "credit": {
                "check_credit": True,
                "daily_limit": "10000",
                "currency": "USD",
                "rule": "PNL",
                "credit_loss_pct": "80",
                "credit_loss_action": "AUTO_LIQUIDATE",
            },
            "auto_liq": {"dailyLossAutoLiq": "5000", "doNotUnlock": True},
        },
        {"name": "SUB", "company": "Trading Co", "parent": "HOUSE"},
    ],
    "share": [{"account": "HOUSE", "company": "Clearing Co", "with": "Trading Co"}],
    "position": [{"account": "HOUSE", "symbol": "ESZ3", "net": 3, "price": "1651.75"}],
    "order": [{"account": "HOUSE", "symbol": "ESZ3", "side": "BUY", "qty": 2, "type": "LIMIT", "price": "1640.00"}],
}


def changed(path, value):
    """The book with one field set; `path` is a list of keys and indices."""
    book = copy.deepcopy(BOOK)
    place = book
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return book


def added(section, entry):
    book = copy.deepcopy(BOOK)
    book.setdefault(section, []).append(entry)
    return book


def faults(book):
    return check_book(book)[1]


def test_the_book_of_the_specification_has_no_fault():
    book, found = check_book(BOOK)
    assert found == []
    house = book.accounts[0]
    assert (house.type, house.parent, house.connections) == (AccountType.ROUTING_EXTERNAL, None, ["CME-1"])
    assert (house.credit.daily_limit, house.credit.rule) == (Decimal(10000), CreditRule.PNL)
    assert house.credit.credit_loss_action is CreditLossAction.AUTO_LIQUIDATE
    assert house.auto_liq == {"daily_loss_auto_liq": Decimal(5000), "do_not_unlock": True}
    assert book.users[0].operator_ids == {"CME": "OP1"}
    assert book.positions[0].account == Reference("HOUSE", "Clearing Co")
    assert (book.orders[0].side, book.orders[0].type, book.orders[0].price) == (
        Side.BUY,
        OrderType.LIMIT,
        Decimal(1640),
    )


def test_every_list_may_be_left_out():
    assert faults({}) == []


def test_an_account_gets_the_defaults_of_a_new_one():
    sub = check_book(BOOK)[0].accounts[1]
    assert sub.type is AccountType.ROUTING_EXTERNAL
    assert (sub.credit.check_credit, sub.credit.daily_limit, sub.credit.currency) == (False, None, "USD")
    assert (sub.credit.rule, sub.credit.credit_loss_action) == (CreditRule.PNL, CreditLossAction.NONE)
    assert sub.auto_liq == {}


def test_a_parent_of_another_company_is_found_by_its_name():
    assert check_book(BOOK)[0].accounts[1].parent == Reference("HOUSE", "Clearing Co")


ONE_FAULT = [
    (
        ["colour"],
        1,
        (
            "colour: unknown key; known are company, user, connection, instrument, margin, currency_rate, account, "
            "share, position, order"
        ),
    ),
    (["company"], {}, "company: {} is not a list"),
    (["company", 0], 7, "company[0]: 7 is not an object"),
    (
        ["company", 1, "name"],
        "",
        'company[1].name: "" is empty, has a space at an end or a character that cannot be printed',
    ),
    (
        ["company", 0, "auto_liquidation_user"],
        "nobody",
        'company[0].auto_liquidation_user: Clearing Co has no user "nobody"',
    ),
    (["company", 1, "auto_liquidation_user"], "liq", 'company[1].auto_liquidation_user: Trading Co has no user "liq"'),
    (
        ["company", 0, "post_trade_risk_enabled"],
        "yes",
        'company[0].post_trade_risk_enabled: "yes" is neither true nor false',
    ),
    (["user", 0, "username"], "a b", 'user[0].username: "a b" holds more than letters, digits and _ . @ + -'),
    (["user", 0, "is_active"], 1, "user[0].is_active: 1 is neither true nor false"),
    (
        ["user", 0, "exchange_settings", 0, "operator_id"],
        5,
        "user[0].exchange_settings[0].operator_id: 5 is not a string",
    ),
    (["user", 0, "exchange_settings", 0, "exchange"], None, "user[0].exchange_settings[0].exchange: is missing"),
    (["connection", 0, "exchange"], "X" * 17, f'connection[0].exchange: "{"X" * 17}" is longer than 16 characters'),
    (["instrument", 0, "tick_size"], "0", 'instrument[0].tick_size: "0" is not above 0'),
    (["instrument", 0, "tick_value"], "0.00", 'instrument[0].tick_value: "0" is not above 0'),
    (["instrument", 0, "currency"], "usd", 'instrument[0].currency: "usd" is not a currency of three capital letters'),
    (["margin", 0, "initial"], "-1", 'margin[0].initial: "-1" is below 0'),
    (["margin", 0, "maintenance"], None, "margin[0].maintenance: is missing"),
    (["currency_rate", 0, "to"], "EUR", 'currency_rate[0].to: "EUR" is the currency it comes from'),
    (["currency_rate", 0, "rate"], "0", 'currency_rate[0].rate: "0" is not above 0'),
    (["currency_rate", 0, "from"], None, "currency_rate[0].from: is missing"),
    (["account", 0, "company"], "Nobody", None),
    (
        ["account", 1, "type"],
        "HOUSE",
        'account[1].type: "HOUSE" is not one of ROUTING_EXTERNAL, ROUTING_INTERNAL, NON_ROUTING',
    ),
    (
        ["account", 0, "colour"],
        1,
        "account[0].colour: unknown key; known are name, company, type, parent, connections, credit, auto_liq",
    ),
    (["account", 0, "connections", 0], "CME-2", 'account[0].connections[0]: Clearing Co has no connection "CME-2"'),
    (["account", 1, "connections"], ["CME-1"], 'account[1].connections[0]: Trading Co has no connection "CME-1"'),
    (["account", 0, "connections"], ["CME-1", "CME-1"], 'account[0].connections[1]: "CME-1" is there already'),
    (["account", 0, "credit", "daily_limit"], "abc", 'account[0].credit.daily_limit: "abc" is not a number'),
    (["account", 0, "credit", "daily_limit"], "-1", 'account[0].credit.daily_limit: "-1" is below 0'),
    (
        ["account", 0, "credit", "daily_limit"],
        10000.5,
        "account[0].credit.daily_limit: 10000.5 is not a string: money and prices are written in quotation marks",
    ),
    (
        ["account", 0, "credit", "daily_limit"],
        10000,
        "account[0].credit.daily_limit: 10000 is not a string: money and prices are written in quotation marks",
    ),
    (["account", 0, "credit", "daily_limit"], "1.0000001", None),
    (["account", 0, "credit", "daily_limit"], "99999999999999999999", None),
    (["account", 0, "credit", "daily_limit"], True, "account[0].credit.daily_limit: true is not a number"),
    (["account", 0, "credit", "daily_limit"], "1_000", 'account[0].credit.daily_limit: "1_000" is not a number'),
    (["account", 0, "credit", "daily_limit"], "NaN", 'account[0].credit.daily_limit: "NaN" is not a number'),
    (
        ["account", 0, "credit", "rule"],
        "BOTH",
        'account[0].credit.rule: "BOTH" is not one of PNL, MARGIN, PNL_AND_MARGIN',
    ),
    (
        ["account", 0, "credit", "colour"],
        1,
        (
            "account[0].credit.colour: unknown key; known are check_credit, daily_limit, currency, rule, "
            "credit_loss_pct, credit_loss_action"
        ),
    ),
    (["account", 0, "credit"], [], "account[0].credit: [] is not an object"),
    (["account", 0, "credit", "credit_loss_pct"], "100.01", None),
    (["account", 0, "credit", "credit_loss_pct"], "0", None),
    (
        ["account", 0, "credit", "credit_loss_pct"],
        None,
        "account[0].credit.credit_loss_pct: is missing, and AUTO_LIQUIDATE needs it",
    ),
    (["account", 0, "auto_liq", "dailyLossAutoLiq"], 5000.5, None),
    (
        ["account", 0, "auto_liq", "dailyLossAutoLiq"],
        True,
        "account[0].auto_liq.dailyLossAutoLiq: true is not a number",
    ),
    (
        ["account", 0, "auto_liq", "daily_loss_auto_liq"],
        "1",
        (
            "account[0].auto_liq.daily_loss_auto_liq: unknown key; known are "
            f"{', '.join([*AUTO_LIQ_AMOUNTS, *AUTO_LIQ_FLAGS])}, trailingMaxDrawdownMode, flattenTimestamp"
        ),
    ),
    (["account", 0, "auto_liq", "marginPercentageAlert"], "0", None),
    (["account", 0, "auto_liq", "trailingMaxDrawdownMode"], "Eod", None),
    (
        ["account", 0, "auto_liq", "flattenTimestamp"],
        "2013-10-10T12:00:00",
        'account[0].auto_liq.flattenTimestamp: "2013-10-10T12:00:00" has no offset from UTC',
    ),
    (
        ["account", 0, "auto_liq", "flattenTimestamp"],
        "noon",
        'account[0].auto_liq.flattenTimestamp: "noon" is not a time in ISO 8601',
    ),
    (
        ["account", 0, "auto_liq", "flattenTimestamp"],
        5,
        "account[0].auto_liq.flattenTimestamp: 5 is not a time in ISO 8601",
    ),
    (["account", 1, "parent"], "NOBODY", 'account[1].parent: there is no account "NOBODY"'),
    (["account", 1, "parent"], 5, "account[1].parent: 5 is not a string"),
    (
        ["account", 1, "parent"],
        {"account": "HOUSE", "company": "Trading Co"},
        'account[1].parent: Trading Co has no account "HOUSE"',
    ),
    (["account", 1, "parent"], {"account": "HOUSE", "company": "X"}, 'account[1].parent: there is no company "X"'),
    (["account", 1, "parent"], "SUB", "account[1].parent: SUB is below itself"),
    (["share"], [], "account[1].parent: HOUSE is Clearing Co's and not shared with Trading Co"),
    (["share", 0, "with"], "X", None),
    (["position", 0, "account"], "X", 'position[0].account: there is no account "X"'),
    (["position", 0, "company"], "Trading Co", 'position[0].account: Trading Co has no account "HOUSE"'),
    (["position", 0, "symbol"], "ESH4", 'position[0].symbol: there is no instrument "ESH4"'),
    (["position", 0, "net"], 3.0, "position[0].net: 3.0 is not a whole number"),
    (["position", 0, "net"], "3", 'position[0].net: "3" is not a whole number'),
    (["position", 0, "net"], True, "position[0].net: true is not a whole number"),
    (["position", 0, "net"], None, "position[0].net: is missing"),
    (["position", 0, "net"], 2**31, "position[0].net: 2147483648 is not between -2147483647 and 2147483647"),
    (["position", 0, "price"], None, "position[0].price: is missing"),
    (
        ["position", 0, "price"],
        "9000000000",
        "position[0].price: the net position times its price is too large",
    ),
    (["order", 0, "qty"], 0, "order[0].qty: 0 is not between 1 and 2147483647"),
    (["order", 0, "side"], "buy", 'order[0].side: "buy" is not one of BUY, SELL'),
    (["order", 0, "type"], "STOP", 'order[0].type: "STOP" is not one of LIMIT, MARKET'),
    (["order", 0, "type"], "MARKET", "order[0].price: a market order has none"),
    (["order", 0, "price"], None, "order[0].price: is missing"),
    (["order", 0, "price"], "1640.10", "order[0].price: 1640.10 is not on ESZ3's tick of 0.25"),
    (["order", 0, "price"], "1.0000000001", None),
    (["order", 0, "symbol"], "ESH4", 'order[0].symbol: there is no instrument "ESH4"'),
]


@pytest.mark.parametrize(("path", "value", "text"), ONE_FAULT)
def test_a_fault_is_told_with_its_path(path, value, text):
    found = faults(changed(path, value))
    expected = ".".join(str(key) for key in path).replace(".0", "[0]").replace(".1", "[1]")
    if text is not None:
        assert found[0] == text
    elif path not in (["account", 0, "company"], ["share", 0, "with"]):
        assert len(found) == 1
    assert any(line.startswith(expected) for line in found) or text in found


DUPLICATES = [
    ("company", {"name": "Clearing Co"}, 'company[2].name: "Clearing Co" is there already, in company[0]'),
    ("user", {"username": "liq", "company": "Trading Co"}, 'user[1].username: "liq" is there already, in user[0]'),
    (
        "connection",
        {"name": "CME-1", "company": "Clearing Co", "exchange": "CBOT"},
        'connection[1].name: "CME-1" is there already, in connection[0]',
    ),
    ("instrument", BOOK["instrument"][0], 'instrument[1].symbol: "ESZ3" is there already, in instrument[0]'),
    ("margin", BOOK["margin"][0], 'margin[1].product: "ES" is there already, in margin[0]'),
    ("currency_rate", BOOK["currency_rate"][0], 'currency_rate[1].from: "USD" is there already, in currency_rate[0]'),
    (
        "account",
        {"name": "HOUSE", "company": "Clearing Co"},
        'account[2].name: "HOUSE" is there already, in account[0]',
    ),
    ("share", BOOK["share"][0], 'share[1].with: "Trading Co" is there already, in share[0]'),
    ("position", BOOK["position"][0], 'position[1].symbol: "ESZ3" is there already, in position[0]'),
]


@pytest.mark.parametrize(("section", "entry", "text"), DUPLICATES)
def test_a_duplicate_is_refused(section, entry, text):
    assert faults(added(section, entry)) == [text]


def test_two_working_orders_may_be_alike():
    assert faults(added("order", BOOK["order"][0])) == []


def test_two_companies_may_use_the_same_name_for_a_connection():
    assert faults(added("connection", {"name": "CME-1", "company": "Trading Co", "exchange": "CME"})) == []


def test_an_exchange_has_one_operator_id_for_a_user():
    settings = [{"exchange": "CME", "operator_id": "A"}, {"exchange": "CME", "operator_id": "B"}]
    assert faults(changed(["user", 0, "exchange_settings"], settings)) == [
        'user[0].exchange_settings[1].exchange: "CME" is there already'
    ]


def test_an_account_is_not_shared_with_its_owner():
    assert faults(added("share", {"account": "HOUSE", "with": "Clearing Co"})) == [
        "share[1].with: HOUSE is Clearing Co's own account"
    ]


def with_the_name_used_twice():
    return added("account", {"name": "HOUSE", "company": "Trading Co"})


def test_a_name_that_two_companies_use_needs_the_company_beside_it():
    found = faults(with_the_name_used_twice())
    text = 'Clearing Co and Trading Co use the name "HOUSE": say which by its company'
    assert found == [f"position[0].account: {text}", f"order[0].account: {text}"]


def test_a_company_beside_the_name_tells_which_account_is_meant():
    book = with_the_name_used_twice()
    for section in ("position", "order"):
        book[section][0]["company"] = "Trading Co"
    checked, found = check_book(book)
    assert found == []
    assert checked.orders[0].account == Reference("HOUSE", "Trading Co")


def test_a_parent_is_the_own_companys_account_where_two_use_its_name():
    checked, _ = check_book(with_the_name_used_twice())
    assert checked.accounts[1].parent == Reference("HOUSE", "Trading Co")


def test_a_parent_of_the_accounts_own_name_is_the_other_companys():
    book = with_the_name_used_twice()
    book["account"][2]["parent"] = "HOUSE"
    assert check_book(book)[0].accounts[2].parent == Reference("HOUSE", "Clearing Co")


def test_a_parent_may_name_its_company():
    book = with_the_name_used_twice()
    book["account"][1]["parent"] = {"account": "HOUSE", "company": "Clearing Co"}
    assert check_book(book)[0].accounts[1].parent == Reference("HOUSE", "Clearing Co")


def test_a_parent_that_two_other_companies_have_is_ambiguous():
    book = with_the_name_used_twice()
    book["company"].append({"name": "Third Co"})
    book["account"].append({"name": "X", "company": "Third Co", "parent": "HOUSE"})
    assert 'account[3].parent: Clearing Co and Trading Co use the name "HOUSE": say which by its company' in faults(
        book
    )


def test_every_account_of_a_circle_is_told_and_none_that_hangs_below_it():
    accounts = [
        {"name": "A", "company": "Trading Co", "parent": "C"},
        {"name": "B", "company": "Trading Co", "parent": "A"},
        {"name": "C", "company": "Trading Co", "parent": "B"},
        {"name": "D", "company": "Trading Co", "parent": "C"},
    ]
    assert faults({"company": [{"name": "Trading Co"}], "account": accounts}) == [
        "account[0].parent: A is below itself",
        "account[1].parent: B is below itself",
        "account[2].parent: C is below itself",
    ]


def test_ten_faults_are_ten_lines():
    book = copy.deepcopy(BOOK)
    book["colour"] = "red"
    book["company"][0]["carry_realized_pnl"] = "no"
    book["user"][0]["exchange_settings"][0]["operator_id"] = ""
    book["instrument"][0]["tick_value"] = 12.5
    book["margin"][0]["initial"] = "much"
    book["account"][0]["credit"]["rule"] = "NONE"
    book["account"][1]["type"] = "HOUSE"
    book["position"][0]["net"] = "3"
    book["position"].append({"account": "NOBODY", "symbol": "ESZ3", "net": 1, "price": "1"})
    book["order"][0]["price"] = "1640.1"
    assert len(faults(book)) == 10


@pytest.mark.parametrize("value", [[], "book", 5, None])
def test_a_book_is_an_object(value):
    assert faults(value) == [f"the book: {json.dumps(value)} is not an object"]


def test_a_long_value_is_cut_in_the_fault():
    assert faults(changed(["account", 0, "credit", "daily_limit"], "x" * 500))[0].endswith("… is not a number")


def test_null_is_the_same_as_a_field_left_out():
    assert faults(changed(["account", 0, "credit"], None)) == []
    assert faults(changed(["order"], None)) == []


@pytest.mark.parametrize(("value", "kept"), [("-500", "500"), ("500", "500"), (500, "500"), (-500, "500")])
def test_a_limit_is_kept_without_its_sign_and_may_be_a_whole_number(value, kept):
    book, found = check_book(changed(["account", 0, "auto_liq"], {"weeklyLossAutoLiq": value}))
    assert found == []
    assert book.accounts[0].auto_liq == {"weekly_loss_auto_liq": Decimal(kept)}


def test_an_account_value_keeps_its_sign():
    book, _ = check_book(changed(["account", 0, "auto_liq"], {"trailingMaxDrawdownLimit": "-100"}))
    assert book.accounts[0].auto_liq == {"trailing_max_drawdown_limit": Decimal(-100)}


def test_mode_flags_and_the_moment_to_flatten_are_read():
    limits = {
        "trailingMaxDrawdownMode": "RealTime",
        "changesLocked": False,
        "flattenTimestamp": "2013-10-10T15:00:00+02:00",
    }
    book, found = check_book(changed(["account", 0, "auto_liq"], limits))
    assert found == []
    assert book.accounts[0].auto_liq == {
        "trailing_max_drawdown_mode": "RealTime",
        "flatten_timestamp": datetime(2013, 10, 10, 13, tzinfo=UTC),
    }


def test_settings_that_the_screens_refuse_are_no_fault():
    book = changed(["account", 1, "credit"], {"credit_loss_action": "AUTO_LIQUIDATE", "credit_loss_pct": "50"})
    book["account"][1]["type"] = "NON_ROUTING"
    assert faults(book) == []


def test_a_key_written_twice_is_refused():
    value, wrong = parse_json(b'{"company": [{"name": "A", "name": "B"}]}')
    assert wrong == ""
    assert faults(value) == ["company[0].name: is written twice"]


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}"])
def test_what_is_no_json_is_told_in_one_line(raw):
    value, wrong = parse_json(raw)
    assert value is None
    assert wrong.startswith("is not JSON: ")
    assert "\n" not in wrong


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "company", "account"]), inner),
    max_leaves=5,
)


@given(section=st.sampled_from(sorted(BOOK)), value=JSON)
def test_no_value_anywhere_stops_the_check(section, value):
    book = copy.deepcopy(BOOK)
    entry = book[section][0]
    for key in list(entry):
        check_book({**book, section: [{**entry, key: value}]})
    assert isinstance(faults({**book, section: [value]}), list)
