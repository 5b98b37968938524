"""Real processes for tests: a Celery worker that can be killed at any moment."""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection

PROJECT = Path(__file__).resolve().parent.parent


def database_url() -> str:
    """Return the URL of the database that this test run made, for a process of its own."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return urlsplit(os.environ["TEST_DATABASE_URL"])._replace(path=f"/{name}").geturl()


def environment() -> dict[str, str]:
    """Return the environment of a process that shares this test run's database and Valkey."""
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "riskadmin.settings",
        "RISKADMIN_DATA": str(settings.DATA_DIR),
        "RISKADMIN_HTTPS": "false",
        "DATABASE_URL": database_url(),
        "PYTHONUNBUFFERED": "1",
    }


@dataclass
class WorkerProcess:
    """A real `celery worker` with its pool, in a process group of its own."""

    process: subprocess.Popen[str]
    ready: threading.Event

    @classmethod
    def start(cls, *, application: str = "riskadmin", pool: int = 2, **variables: str) -> Self:
        """Start a worker of this Celery application and wait until it takes tasks."""
        command = [sys.executable, "-m", "celery", "-A", application, "worker", "-Q", "kill,default", "-c", str(pool)]
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
            env=environment() | variables,
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
