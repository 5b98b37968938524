"""Real processes for tests: a Celery worker that can be killed at any moment."""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from django.db import connection

PROJECT = Path(__file__).resolve().parent.parent


def database_url(database: Mapping[str, Any]) -> str:
    """Return the URL of the database that this test run uses, for a process of its own."""
    name = connection.settings_dict["NAME"]
    if database["ENGINE"].endswith("sqlite3"):
        return f"sqlite:///{name}"
    password = f":{database['PASSWORD']}" if database.get("PASSWORD") else ""
    port = f":{database['PORT']}" if database.get("PORT") else ""
    host = database.get("HOST") or ""
    if host.startswith("/"):
        return f"postgres://{database['USER']}{password}@/{name}?host={host}"
    return f"postgres://{database['USER']}{password}@{host}{port}/{name}"


def environment(database: Mapping[str, Any], data_dir: Path) -> dict[str, str]:
    """Return the environment of a process that shares this test run's database and Valkey."""
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "riskadmin.settings",
        "RISKADMIN_DATA": str(data_dir),
        "RISKADMIN_HTTPS": "false",
        "DATABASE_URL": database_url(database),
        "PYTHONUNBUFFERED": "1",
    }


@dataclass
class WorkerProcess:
    """A real `celery worker` with its pool, in a process group of its own."""

    process: subprocess.Popen[str]
    ready: threading.Event

    @classmethod
    def start(cls, database: Mapping[str, Any], data_dir: Path) -> Self:
        """Start a worker and wait until it takes tasks."""
        command = [sys.executable, "-m", "celery", "-A", "riskadmin", "worker", "-Q", "kill,default", "-c", "2"]
        process = subprocess.Popen(
            [
                *command,
                "--loglevel",
                "INFO",
                "--without-gossip",
                "--without-mingle",
                "-n",
                f"test-{os.urandom(4).hex()}@%h",
            ],
            cwd=PROJECT,
            env=environment(database, data_dir),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        worker = cls(process, threading.Event())
        threading.Thread(target=worker._read, daemon=True).start()
        if not worker.ready.wait(timeout=60):
            worker.kill()
            raise AssertionError("the Celery worker did not become ready within 60 seconds")
        return worker

    def _read(self) -> None:
        """Read what the worker prints to its end, so that it never blocks on a full pipe."""
        for line in self.process.stdout or ():
            if " ready." in line:
                self.ready.set()

    def kill(self) -> None:
        """Kill the worker and its pool as the kernel or a power cut would: no clean-up of any kind."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=10)


def until(is_so: Callable[[], object], seconds: float = 30) -> bool:
    """Return whether something that another process does comes true in time; looks every twentieth of a second."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        threading.Event().wait(0.05)
    return True


def ends(handle: int, seconds: float = 10) -> bool:
    """Return whether the process behind a pid's handle (`os.pidfd_open`) ends within the time."""
    return bool(select.select([handle], [], [], seconds)[0])
