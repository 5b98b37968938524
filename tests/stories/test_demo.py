"""The demonstration, in one process on the market's clock and as it is started from a shell."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Account, AccountLock, User
from liquidation.demo.firm import ADMINISTRATOR, make_firm, renew_password
from liquidation.demo.market import TURNS_PER_SECOND, SimulatedMarket
from liquidation.engine import RiskEngine
from liquidation.gateways.simulated import SimulatedExchange
from liquidation.models import Evaluation, LiquidationRun
from liquidation.rules.states import RunState
from tests.builders import NOW
from tests.drive import working_desk
from tests.processes import PROJECT, until

TOLD_SECONDS = 150


@pytest.mark.django_db(transaction=True)
def test_the_market_makes_the_first_account_breach_within_thirty_seconds_and_others_follow():
    password = make_firm(now=NOW)
    assert User.objects.get(username=ADMINISTRATOR).check_password(password)
    market, exchange = SimulatedMarket(seed=7), SimulatedExchange()
    engine = RiskEngine(mark_max_age_seconds=None)
    engine.load(NOW)
    with working_desk() as desk:
        for turn in range(1, TOLD_SECONDS * TURNS_PER_SECOND + 1):
            now = NOW + timedelta(seconds=turn) / TURNS_PER_SECOND
            desk.now = max(desk.now, now)
            for symbol, price in market.next_prices().items():
                exchange.move_price(symbol, price, now)
                engine.on_mark(symbol, price, now, "market")
            desk.work(seconds=0)
            engine.refresh(now)
        desk.work()
    breaches = list(Evaluation.objects.order_by("decided_at"))
    assert breaches[0].account.name == "ALPHA-7"
    assert (breaches[0].decided_at - NOW).total_seconds() < 30
    assert len(breaches) >= 9
    assert max((b.decided_at - a.decided_at).total_seconds() for a, b in pairwise(breaches)) < 70
    states = dict(LiquidationRun.objects.values_list("account__name", "state"))
    assert states.pop("DESK-4") == RunState.NEEDS_OPERATOR
    assert set(states.values()) == {RunState.FLAT}
    assert AccountLock.objects.filter(released_at=None).count() == len({row.account_id for row in breaches})


class Demo:
    """The demonstration's process and the lines that it has printed."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.port = _free_port()
        self.folder = folder
        self.lines: list[str] = []
        self._arrived = threading.Condition()
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "demo", "--port", str(self.port), *arguments],
            cwd=PROJECT,
            env={name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
            | {"RISKADMIN_DATA": str(folder), "DJANGO_SETTINGS_MODULE": "riskadmin.settings"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            with self._arrived:
                self.lines.append(line.rstrip())
                self._arrived.notify_all()

    def wait_for(self, pattern: str, seconds: float = 90) -> str:
        """Return the first printed line that matches."""
        found: list[str] = []

        def look():
            found[:] = [line for line in self.lines if re.search(pattern, line)]
            return found or self.process.poll() is not None

        with self._arrived:
            self._arrived.wait_for(look, timeout=seconds)
        assert found, "\n".join(self.lines)
        return found[0]

    def stop(self) -> int:
        """Press Ctrl-C and return the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=60)

    def left_running(self) -> list[str]:
        """Return the command lines of the processes that work for this demonstration's folder."""
        return [told for pid in Path("/proc").glob("[0-9]*") if (told := _told_if_of(self.folder, pid))]


def _told_if_of(folder: Path, pid: Path) -> str:
    """Return the command line of a process that works for this folder, else nothing."""
    try:
        environment = (pid / "environ").read_bytes().split(b"\0")
        # Valkey writes its title over its environment, but works inside the folder.
        if f"RISKADMIN_DATA={folder}".encode() in environment or (pid / "cwd").readlink().is_relative_to(folder):
            return (pid / "cmdline").read_text().replace("\0", " ") or "ended"
    except OSError:
        return ""  # it has just ended
    return ""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def start(tmp_path):
    """Start a demonstration in this test's own folder; whatever happens, it is stopped at the end."""
    started = []

    def start(*arguments):
        demo = Demo(tmp_path / "data", *arguments)
        started.append(demo)
        return demo

    yield start
    for demo in started:
        if demo.process.poll() is None:
            demo.stop()


@pytest.mark.worker
def test_it_starts_tells_stops_and_goes_on(start):
    first = start()
    assert "(shown this once)" in first.wait_for(r"User +admin")
    told = first.wait_for("flat in")
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d ALPHA-7 breached: lost 8,025\.00 of 8,000\.00; locked; 2 orders cancelled; sold 3 ESZ6; "
        r"flat in \d\.\d s",
        told,
    )
    names = " ".join(first.left_running())
    assert all(
        part in names for part in ("granian", "worker", "beat", "run_risk_engine", "run_simulated_market", "valkey")
    )
    assert first.stop() == 0
    assert first.left_running() == []

    second = start()
    assert "as shown at the first start" in second.wait_for(r"User +admin")
    assert re.search(r"Resumed: 1 account is locked|Resumed: \d+ accounts are locked", second.wait_for("Resumed"))
    assert second.stop() == 0
    assert second.left_running() == []


@pytest.mark.worker
def test_a_password_that_was_never_shown_is_made_anew(start, tmp_path):
    first = start()
    assert until((tmp_path / "data" / "log" / "web.log").exists)  # the firm is made, nothing is printed yet
    assert first.stop() == 0
    assert not [line for line in first.lines if re.search("User +admin|is killed", line)]
    second = start()
    assert "(shown this once)" in second.wait_for(r"User +admin")
    assert second.stop() == 0


@pytest.mark.worker
def test_killed_it_leaves_nothing_running_and_begins_anew_when_told_to(start):
    first = start()
    first.wait_for(r"User +admin")
    assert "runs in" in start("--port", str(first.port)).wait_for("CommandError")  # said before the port that it has
    first.process.kill()
    first.process.wait()
    assert until(lambda: not first.left_running())
    assert "(shown this once)" in start("--fresh").wait_for(r"User +admin")


@pytest.mark.worker
def test_a_port_that_is_taken_is_one_sentence(start, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        demo = start("--port", str(taken.getsockname()[1]))
        line = demo.wait_for("CommandError")
    assert re.search(r"Port \d+ cannot be used \(Address already in use\): choose another with --port\.", line)
    assert demo.lines == [line]


@pytest.mark.parametrize(
    ("name", "value"), [("DATABASE_URL", "sqlite:////nowhere/real.sqlite3"), ("REDIS_URL", "redis://nowhere:1/0")]
)
def test_it_never_runs_on_an_installations_own_database_or_queue(monkeypatch, name, value):
    for foreign in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(foreign, raising=False)
    monkeypatch.setenv(name, value)
    with pytest.raises(CommandError, match=f"{name} is set"):
        call_command("demo")


@pytest.mark.django_db
def test_a_renewed_password_takes_the_place_of_the_one_before():
    before = make_firm(now=NOW)
    after = renew_password(now=NOW)
    user = User.objects.get(username=ADMINISTRATOR)
    assert (user.check_password(before), user.check_password(after)) == (False, True)


@pytest.mark.django_db
def test_the_firm_is_there_whole_or_not_at_all(monkeypatch):
    monkeypatch.setattr("liquidation.demo.firm.load_book", lambda **_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        make_firm(now=NOW)
    assert not User.objects.exists()
    assert not Account.objects.exists()
