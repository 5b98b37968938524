"""The whole system on a tape."""

import copy
import io
import json
import re
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection

from accounts.models import Account, AuditEntry, Company, guards
from liquidation.feeds.tape import Tape, read_tapes
from liquidation.management.commands import replay as replay_command
from liquidation.replay.answer import answer
from liquidation.replay.scratch import scratch_database

pytestmark = pytest.mark.django_db

GOLDEN = Path(__file__).parents[1] / "golden"
REAL = Path(__file__).parents[3] / "shared" / "tape"
TIMINGS = ("wall_seconds", "marks_per_second")
NO_PRICE = "No price on these tapes belongs to a contract of the book.\n"
STORIES = {
    "quotes": (["es_minute_20240305_quote.zip"], 1),
    "prices": (["gold.csv", "dax.csv"], 0),
}


def run(book, *tapes, as_json=True):
    """Exit status, standard output and standard error of one replay."""
    out, err = io.StringIO(), io.StringIO()
    arguments = ["--book", str(book), *(part for tape in tapes for part in ("--tape", str(tape)))]
    try:
        call_command("replay", *arguments, *(["--json"] if as_json else []), stdout=out, stderr=err)
    except SystemExit as exit_:
        return exit_.code, out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def answer_of(text):
    found = json.loads(text)
    assert found["wall_seconds"] >= 0
    return {key: value for key, value in found.items() if key not in TIMINGS}


def told(tmp_path, book, *rows, header="time,symbol,price", warned=""):
    """The answer of a book on a CSV tape."""
    book_path, tape_path = tmp_path / "book.json", tmp_path / "tape.csv"
    book_path.write_text(json.dumps(book))
    tape_path.write_text("\n".join([header, *rows, ""]))
    status, out, err = run(book_path, tape_path)
    assert err == warned
    return status, answer_of(out)


def golden_book(name="quotes"):
    return json.loads((GOLDEN / f"{name}_book.json").read_text())


def only(book, *names, **changes):
    """The book with these accounts alone, each with `changes`."""
    book = copy.deepcopy(book)
    book["account"] = [entry | changes for entry in book["account"] if entry["name"] in names]
    for section in ("position", "order"):
        book[section] = [entry for entry in book[section] if entry["account"] in names]
    return book


@pytest.mark.parametrize("name", STORIES)
def test_a_golden_replay_gives_the_answer_worked_out_by_hand(name):
    tapes, status = STORIES[name]
    found_status, out, err = run(GOLDEN / f"{name}_book.json", *[GOLDEN / tape for tape in tapes])
    found = answer_of(out)
    assert found.pop("audit_entries") > len(found["accounts"])
    expected = json.loads((GOLDEN / f"{name}_expected.json").read_text())
    assert json.dumps(found, indent=1) == json.dumps(expected, indent=1)  # the order of the keys as well
    assert (found_status, err) == (status, "")


def test_the_answer_has_the_keys_of_the_specification():
    _, out, _ = run(GOLDEN / "prices_book.json", GOLDEN / "gold.csv", GOLDEN / "dax.csv")
    assert list(json.loads(out)) == [
        "marks",
        "ignored_marks",
        "from",
        "to",
        "wall_seconds",
        "marks_per_second",
        "accounts",
        "alerts",
        "audit_entries",
        "audit_verified",
    ]


def test_the_same_book_and_tape_give_the_same_answer():
    answers = {
        json.dumps(answer_of(run(GOLDEN / "quotes_book.json", GOLDEN / STORIES["quotes"][0][0])[1])) for _ in "12"
    }
    assert len(answers) == 1


def test_the_order_of_the_tapes_breaks_ties():
    # With the dax first, its -522.50 and gold's -300 are not enough; gold then brings -1022.50 at the same moment.
    _, out, _ = run(GOLDEN / "prices_book.json", GOLDEN / "dax.csv", GOLDEN / "gold.csv")
    assert json.loads(out)["accounts"][0]["breach"]["pnl"] == "-1022.50"


def test_the_installation_is_neither_read_nor_changed():
    company = Company.objects.create(name="Clearing Co")  # a name that the book uses as well
    installed = connection.settings_dict["NAME"]
    status, _, _ = run(GOLDEN / "quotes_book.json", GOLDEN / STORIES["quotes"][0][0])
    assert status == 1
    assert connection.settings_dict["NAME"] == installed
    assert list(Company.objects.all()) == [company]
    assert Account.objects.count() == AuditEntry.objects.count() == 0


def test_the_scratch_database_is_built_like_the_installation():
    installed = set(connection.introspection.table_names()) - {"django_migrations"}
    with scratch_database():
        assert set(connection.introspection.table_names()) == installed
        assert guards.are_installed(connection)


def test_faults_of_book_and_tapes_are_told_together_and_nothing_is_run(tmp_path):
    book, tape = tmp_path / "book.json", tmp_path / "tape.csv"
    book.write_text('{"colour": 1, "company": [{"name": 5}]}')
    tape.write_text("time,symbol,price\nx,ESZ3,1\n")
    status, out, err = run(book, tape, tmp_path / "none.zip")
    assert (status, out) == (2, "")
    assert err.splitlines() == [
        "company[0].name: 5 is not a string",
        (
            "colour: unknown key; known are company, user, connection, instrument, margin, currency_rate, account, "
            "share, position, order"
        ),
        f"{tape}: line 2: 'x' is not a time in ISO 8601",
        f"{tmp_path / 'none.zip'}: cannot be read: No such file or directory",
    ]


@pytest.mark.parametrize("content", [None, "{"])
def test_a_book_that_cannot_be_read_is_one_line(tmp_path, content):
    book = tmp_path / "book.json"
    if content is not None:
        book.write_text(content)
    status, out, err = run(book, GOLDEN / "gold.csv")
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert err.startswith(f"{book}: ")


def test_people_get_a_table_with_everything_in_it():
    status, out, _ = run(GOLDEN / "quotes_book.json", GOLDEN / STORIES["quotes"][0][0], as_json=False)
    assert status == 1
    for text in (
        "00:01:30 -1200.00 of 1000.00: AUTO_LIQUIDATE",
        "FLAT buy 2/2 ESH4 at 5012.00",
        "NEEDS_OPERATOR NO_OPERATOR_ID",
        "2024-03-05T00:01:30.000Z  VIRTUAL  CREDIT_LOSS_ACTION_INACTIVE",
        "12 marks from 2024-03-05T00:00:00.000Z to 2024-03-05T00:03:45.000Z, 4 ignored",
        "verified",
    ):
        assert text in out


def test_a_table_says_unknown_where_there_is_no_figure():
    _, out, _ = run(GOLDEN / "prices_book.json", GOLDEN / "gold.csv", GOLDEN / "dax.csv", as_json=False)
    assert "unknown" in out


def test_a_bar_is_shown_on_a_terminal_only(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with replay_command._progress(1000) as on_progress:
        on_progress(500)
    assert "50%" in terminal.getvalue()


def test_progress_is_told_now_and_then(tmp_path):
    tape = tmp_path / "tape.csv"
    tape.write_text("time,symbol,price\n" + "2024-03-05T00:00:00Z,ESH4,5000\n" * 1100)
    done = []
    answer(only(golden_book(), "SHORT"), read_tapes([Tape(tape)], {"ESH4": Decimal("0.25")}), on_progress=done.append)
    assert done == [500, 1000]


ES = "2024-03-05T00:00:{:02}Z,ESH4,{}"


def test_a_tape_without_a_mark_leaves_everything_as_it_was(tmp_path):
    status, found = told(tmp_path, only(golden_book(), "SHORT"), warned=NO_PRICE)
    assert status == 0
    assert found["alerts"] == []  # no tape, no time to tell it at
    assert (found["marks"], found["from"], found["to"]) == (0, None, None)
    assert found["accounts"][0]["working_orders"] == 1
    assert found["accounts"][0]["session_pnl"] is None


def test_without_a_price_of_the_book_the_clock_is_that_of_the_prices_that_are_ignored(tmp_path):
    rows = ["2024-03-05T09:00:30Z,GCJ4,2102.0", "2024-03-05T09:00:00Z,GCJ4,2101.0"]
    status, found = told(tmp_path, only(golden_book(), "SHORT"), *rows, warned=NO_PRICE)
    assert (status, found["marks"], found["ignored_marks"], found["from"], found["to"]) == (0, 0, 2, None, None)
    assert found["alerts"] == [
        {"at": "2024-03-05T09:01:00.000Z", "account": "SHORT", "code": "NOT_EVALUABLE:PRICE"},
    ]


def test_the_closing_line_says_what_was_ignored_and_names_no_time_that_is_not_there(tmp_path):
    status, out, err = run(GOLDEN / "quotes_book.json", GOLDEN / "gold.csv", as_json=False)
    assert (status, err) == (0, NO_PRICE)
    assert re.search(r"^0 marks, \d+ ignored: of contracts that the book does not have\. Took ", out, re.MULTILINE)
    assert "None" not in out


def test_a_tape_whose_contract_is_left_blank_is_refused(tmp_path):
    status, out, err = run(GOLDEN / "prices_book.json", f"{GOLDEN / 'gold.csv'}=")
    assert (status, out) == (2, "")
    assert err == f"{GOLDEN / 'gold.csv'}=: no symbol stands behind the equals sign\n"


def test_a_file_whose_name_ends_in_an_equals_sign_is_told_by_its_own_fault(tmp_path):
    (tmp_path / "gold=").write_text("")
    _, _, err = run(GOLDEN / "prices_book.json", tmp_path / "gold=")
    assert err == f"{tmp_path / 'gold='}: is neither a .zip nor a .csv\n"


def test_in_a_pipe_an_account_is_one_line():
    _, out, _ = run(GOLDEN / "quotes_book.json", GOLDEN / STORIES["quotes"][0][0], as_json=False)
    accounts = json.loads((GOLDEN / "quotes_book.json").read_text())["account"]
    rows = [line for line in out.splitlines() if line.startswith("│")]
    assert len(rows) == len(accounts)


def test_on_a_narrow_terminal_money_is_folded_and_never_cut(monkeypatch):
    monkeypatch.setattr(replay_command, "_width", lambda: 80)
    _, out, _ = run(GOLDEN / "quotes_book.json", GOLDEN / STORIES["quotes"][0][0], as_json=False)
    assert "…" not in out
    assert max(map(len, out.splitlines()[:10])) <= 80


def test_a_breach_of_the_last_mark_is_carried_to_its_end(tmp_path):
    _, found = told(tmp_path, only(golden_book(), "SHORT"), ES.format(0, "5000"), ES.format(1, "5010"))
    account = found["accounts"][0]
    assert account["breach"]["pnl"] == "-1000.00"  # at the line counts: -2 x 10 x 50
    assert (account["run"]["state"], account["net_positions"]) == ("FLAT", {"ESH4": 0})


def test_one_tick_before_the_line_nothing_happens(tmp_path):
    _, found = told(tmp_path, only(golden_book(), "SHORT"), ES.format(0, "5000"), ES.format(1, "5009.75"))
    assert found["accounts"][0]["session_pnl"] == "-975.00"
    assert found["accounts"][0]["breach"] is None


def test_working_orders_are_canceled_where_the_limit_says_so(tmp_path):
    credit = golden_book()["account"][0]["credit"] | {"credit_loss_action": "DISABLE_AND_CANCEL"}
    _, found = told(tmp_path, only(golden_book(), "SHORT", credit=credit), ES.format(0, "5010"))
    account = found["accounts"][0]
    assert (account["working_orders"], account["net_positions"], account["run"]) == (0, {"ESH4": -2}, None)


def test_a_fill_is_judged_at_the_price_that_made_it(tmp_path):
    # At 5000 the account is flat. 5030 fills its sell at 5015: -1 x 15 x 50 = -750, at once beyond 80 % of 500.
    book = only(golden_book(), "LONG")
    book["position"] = []
    book["account"][0]["credit"]["daily_limit"] = "500"
    _, found = told(tmp_path, book, ES.format(0, "5000"), ES.format(1, "5030"))
    account = found["accounts"][0]
    assert account["breach"] == {
        "at": "2024-03-05T00:00:01.000Z",
        "pnl": "-750.00",
        "threshold": "400.00",
        "action": "AUTO_LIQUIDATE",
    }
    assert account["run"]["orders"][0]["price"] == "5030.00"


def test_a_resting_market_order_fills_at_the_first_price(tmp_path):
    book = only(golden_book(), "LONG")
    book["order"] = [{"account": "LONG", "symbol": "ESH4", "side": "SELL", "qty": 2, "type": "MARKET"}]
    _, found = told(tmp_path, book, ES.format(0, "5001"), ES.format(1, "5009"))
    assert (found["accounts"][0]["session_pnl"], found["accounts"][0]["net_positions"]) == ("100.00", {"ESH4": 0})


def test_the_best_resting_price_of_each_side_is_the_one_that_fills(tmp_path):
    book = only(golden_book(), "LONG")
    book["order"] = [
        {"account": "LONG", "symbol": "ESH4", "side": side, "qty": 1, "type": "LIMIT", "price": price}
        for side, price in (("SELL", "5020"), ("SELL", "5010"), ("BUY", "4980"), ("BUY", "4990"))
    ]
    _, found = told(
        tmp_path, book, ES.format(0, "5000"), ES.format(1, "5010"), ES.format(2, "4990"), ES.format(3, "5000")
    )
    # sold one at 5010 (+500), bought one at 4990: (5000 - 4990) x 50 = +500, the other at 5000: 0
    assert (found["accounts"][0]["session_pnl"], found["accounts"][0]["working_orders"]) == ("1000.00", 2)


def test_a_price_off_the_tick_is_not_believed(tmp_path):
    _, found = told(tmp_path, only(golden_book(), "STAGED"), ES.format(0, "5000"), ES.format(1, "5050.10"))
    assert found["alerts"] == [{"at": "2024-03-05T00:00:01.000Z", "account": None, "code": "MARK_OFF_TICK:ESH4"}]
    assert found["accounts"][0]["session_pnl"] == "0.00"


def test_a_currency_without_a_rate_has_no_figure(tmp_path):
    book = only(golden_book("prices"), "EURO")
    book["currency_rate"] = []
    _, found = told(tmp_path, book, "2024-03-05T00:00:00Z,FDAXH4,1", "2024-03-05T00:00:00Z,GCJ4,1")
    assert found["accounts"][0]["session_pnl"] is None
    assert found["accounts"][0]["breach"] is None


@pytest.mark.parametrize("seconds", [24, 25])
def test_a_flatten_timestamp_acts_at_its_moment_or_with_the_first_mark(tmp_path, seconds):
    book = only(golden_book("prices"), "TIMED")
    rows = ["2024-03-05T00:00:30Z,GCJ4,2101.0", "2024-03-05T00:02:00Z,GCJ4,2102.0"]
    book["account"][0]["auto_liq"]["flattenTimestamp"] = f"2024-03-05T00:01:{seconds}Z"
    _, found = told(tmp_path, book, *rows)
    assert found["accounts"][0]["run"]["flat_at"] == f"2024-03-05T00:01:{seconds}.000Z"
    assert found["accounts"][0]["session_pnl"] == "200.00"


WHOLE_TAPES = [
    (GOLDEN / "es_minute_20240305_quote.zip", "ESH4"),
    *((path, "ESZ3") for path in sorted(REAL.glob("es_minute_*.zip"))),
]


@pytest.mark.parametrize(("path", "symbol"), WHOLE_TAPES, ids=lambda value: str(getattr(value, "name", value)))
def test_a_short_on_a_whole_tape_is_closed_where_arithmetic_says(tmp_path, path, symbol):
    marks = read_tapes([Tape(path, symbol)], {symbol: Decimal("0.25")}).marks
    start = marks[0].price
    book = only(json.loads((GOLDEN / "quotes_book.json").read_text().replace("ESH4", symbol)), "SHORT")
    book["position"][0]["price"] = str(start)
    book["order"] = []
    beyond = [mark for mark in marks if -2 * (mark.price - start) * 50 <= -1000]
    book_path = tmp_path / "book.json"
    book_path.write_text(json.dumps(book))
    _, out, _ = run(book_path, f"{path}={symbol}")
    account = json.loads(out)["accounts"][0]
    last = beyond[0].price if beyond else marks[-1].price
    assert Decimal(account["session_pnl"]) == -2 * (last - start) * 50
    assert (account["breach"] is None) == (not beyond)
