"""Runs the desk's processes as children of one parent: started in order, watched, restarted, stopped in reverse.

Whatever happens to the parent, nothing is left running: each child is tied to it by the kernel.
"""

import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from riskadmin.tether import tethered

STOP_SECONDS = 10.0
RESTARTS_ALLOWED = 5
RESTARTS_WITHIN_SECONDS = 60.0


class GivesUpError(Exception):
    """A child dies again and again; the text is one sentence for a person."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to run, under which name, with which additions to the environment."""

    name: str
    command: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Child:
    program: Program
    process: "subprocess.Popen[bytes]"
    restarts: deque[float] = field(default_factory=deque)


class Supervisor:
    """The parent of the desk's processes. Each child's output goes to a file of its own in `log_dir`.

    Use it from one thread: the kernel ties a child to the thread that started it.
    """

    def __init__(
        self,
        log_dir: Path,
        say: Callable[[str], None],
        *,
        cwd: Path | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.log_dir = log_dir
        self.cwd = cwd
        self._say = say
        self._monotonic = monotonic
        self._children: list[_Child] = []

    def start(self, program: Program) -> None:
        """Start a child; the later it is started, the earlier it is stopped."""
        self.log_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._children.append(_Child(program, self._spawn(program)))

    def pids(self) -> dict[str, int]:
        """Return the children's process ids by name."""
        return {child.program.name: child.process.pid for child in self._children}

    def watch(self) -> None:
        """Start again every child that has died since the last look, and say so.

        Raises:
            GivesUpError: a child died more than `RESTARTS_ALLOWED` times within `RESTARTS_WITHIN_SECONDS`.
        """
        for child in self._children:
            code = child.process.poll()
            if code is not None:
                self._restart(child, code)

    def stop(self) -> None:
        """Stop every child in reverse order: ask, wait for a bounded time, kill. Harmless to repeat."""
        while self._children:
            self._end(self._children.pop())

    def log_of(self, name: str) -> Path:
        """Return the file that keeps what this child prints."""
        return self.log_dir / f"{name}.log"

    def _restart(self, child: _Child, code: int) -> None:
        name, now = child.program.name, self._monotonic()
        _kill_group(child.process)  # what it left behind, a pool of workers for example
        while child.restarts and child.restarts[0] < now - RESTARTS_WITHIN_SECONDS:
            child.restarts.popleft()
        if len(child.restarts) >= RESTARTS_ALLOWED:
            raise GivesUpError(f"{name} keeps dying ({_cause(code)}): {self.log_of(name)} says why.")
        child.restarts.append(now)
        self._say(f"{name} died ({_cause(code)}) and is started again; see {self.log_of(name)}")
        child.process = self._spawn(child.program)

    def _spawn(self, program: Program) -> "subprocess.Popen[bytes]":
        with self.log_of(program.name).open("ab") as log:
            # In a session of its own: Ctrl-C in the terminal reaches the parent alone, which stops them in order.
            return subprocess.Popen(
                tethered(program.command, os.getpid()),
                cwd=self.cwd,
                env=os.environ | program.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _end(self, child: _Child) -> None:
        child.process.terminate()
        try:
            child.process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._say(f"{child.program.name} did not stop within {STOP_SECONDS:.0f} seconds and is killed")
        _kill_group(child.process)
        child.process.wait()


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # nothing is left of it


def _cause(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
