"""The supervisor: children in order, watched, restarted within bounds, and none left behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from riskadmin import programs, supervisor, tether
from riskadmin.supervisor import RESTARTS_ALLOWED, RESTARTS_WITHIN_SECONDS, GivesUpError, Program, Supervisor
from tests.processes import ends

PROJECT = Path(__file__).resolve().parent.parent.parent
WAITS = [sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"]
DEAF = [
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\nwhile True: signal.pause()",
]
DIES = [sys.executable, "-c", "raise SystemExit(3)"]


class Clock:
    """A clock that is moved by hand."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def said():
    return []


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def parent(tmp_path, said, clock):
    parent = Supervisor(tmp_path / "log", said.append, monotonic=clock)
    yield parent
    parent.stop()


def handle(parent, name):
    return os.pidfd_open(parent.pids()[name])


def wait_until_up(parent, name):
    """Wait until a child has printed its first line: read its log as it grows."""
    follow = subprocess.Popen(
        ["tail", "-n", "+1", "-F", parent.log_of(name)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    follow.stdout.readline()
    follow.kill()
    follow.wait()


def die(parent, name):
    gone = handle(parent, name)
    os.kill(parent.pids()[name], signal.SIGKILL)
    assert ends(gone)


def test_children_are_stopped_in_reverse_order(parent, monkeypatch):
    order = []
    for name in ("web", "worker", "engine"):
        parent.start(Program(name, WAITS))
    monkeypatch.setattr(supervisor.Supervisor, "_end", lambda _self, child: order.append(child.program.name))
    children = list(parent._children)
    parent.stop()
    assert order == ["engine", "worker", "web"]
    monkeypatch.undo()
    parent._children = children


def test_stopping_leaves_nothing_running_and_may_be_repeated(parent):
    parent.start(Program("web", WAITS))
    gone = handle(parent, "web")
    parent.stop()
    parent.stop()
    assert ends(gone, seconds=0)


def test_a_child_that_does_not_hear_is_killed_after_a_bounded_wait(parent, said, monkeypatch):
    monkeypatch.setattr(supervisor, "STOP_SECONDS", 0.05)
    parent.start(Program("web", DEAF))
    wait_until_up(parent, "web")
    gone = handle(parent, "web")
    parent.stop()
    assert ends(gone, seconds=0)
    assert said == ["web did not stop within 0 seconds and is killed"]


def test_the_web_server_ends_its_own_workers_before_the_supervisor_loses_patience():
    command = programs.web(8000, {}).command
    assert int(command[command.index("--workers-kill-timeout") + 1]) < supervisor.STOP_SECONDS


@pytest.mark.parametrize("program", [programs.worker({}), programs.beat(Path("data"), {})], ids=lambda row: row.name)
def test_the_sweeps_do_not_fill_the_logs(program):
    assert program.command[program.command.index("--loglevel") + 1] == "WARNING"


def test_a_living_child_is_left_alone(parent, said):
    parent.start(Program("web", WAITS))
    pid = parent.pids()["web"]
    parent.watch()
    assert parent.pids()["web"] == pid
    assert said == []


def test_a_child_that_died_is_started_again_and_it_is_said(parent, said):
    parent.start(Program("web", WAITS))
    pid = parent.pids()["web"]
    die(parent, "web")
    parent.watch()
    assert parent.pids()["web"] != pid
    assert said == [f"web died (signal SIGKILL) and is started again; see {parent.log_of('web')}"]


def test_a_child_that_keeps_dying_is_given_up(parent, said):
    parent.start(Program("web", DIES))
    for _ in range(RESTARTS_ALLOWED):
        assert ends(handle(parent, "web"))
        parent.watch()
    assert ends(handle(parent, "web"))
    with pytest.raises(GivesUpError, match=r"web keeps dying \(exit status 3\): .*web\.log says why"):
        parent.watch()
    assert len(said) == RESTARTS_ALLOWED


def test_a_child_that_dies_now_and_then_is_started_for_ever(parent, said, clock):
    parent.start(Program("web", DIES))
    for _ in range(RESTARTS_ALLOWED + 3):
        assert ends(handle(parent, "web"))
        parent.watch()
        clock.now += RESTARTS_WITHIN_SECONDS / RESTARTS_ALLOWED + 1
    assert len(said) == RESTARTS_ALLOWED + 3


def test_a_childs_own_children_do_not_outlive_it(parent):
    fork = "import os, signal; print('up', os.fork(), flush=True); signal.pause()"
    parent.start(Program("pool", [sys.executable, "-c", fork]))
    wait_until_up(parent, "pool")
    grandchild = os.pidfd_open(int(parent.log_of("pool").read_text().split()[1]))
    die(parent, "pool")
    parent.watch()
    assert ends(grandchild)


def test_a_child_gets_what_is_added_to_its_environment_and_logs_to_its_own_file(parent):
    print_it = [sys.executable, "-c", "import os; print(os.environ['RISKADMIN_HTTPS'])"]
    parent.start(Program("web", print_it, {"RISKADMIN_HTTPS": "false"}))
    assert ends(handle(parent, "web"))
    assert parent.log_of("web").read_text() == "false\n"


def test_children_die_with_a_parent_that_is_killed(tmp_path):
    code = (
        "import sys; from pathlib import Path; from riskadmin.supervisor import Program, Supervisor;"
        "parent = Supervisor(Path(sys.argv[1]), print);"
        f"parent.start(Program('web', {WAITS!r}));"
        "print(parent.pids()['web'], flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    child = os.pidfd_open(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    assert ends(child)


def test_a_child_whose_parent_is_gone_already_does_not_start(monkeypatch):
    started = []
    monkeypatch.setattr(os, "execvp", lambda program, command: started.append(command))
    monkeypatch.setattr(tether, "ask_for_death_signal", lambda: None)
    tether.main(["1" if os.getppid() != 1 else "2", "true"])
    assert started == []
    tether.main([str(os.getppid()), "true"])
    assert started == [["true"]]


def test_a_machine_without_the_death_signal_goes_without(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(tether.ctypes, "CDLL", None)
    tether.ask_for_death_signal()
