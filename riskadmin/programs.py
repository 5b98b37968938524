"""The desk's processes: the command line of each."""

import sys
from collections.abc import Mapping
from pathlib import Path

from riskadmin.supervisor import Program

PYTHON = sys.executable
WORKER_STOP_SECONDS = 3
"""Less than the supervisor's patience, so that what stops late is ended by its own parent."""


def web(port: int, environment: Mapping[str, str]) -> Program:
    """Return the web server: admin and API on this machine's own address."""
    options = ["--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--blocking-threads", "4"]
    # One of its own workers that is told to stop while it starts does not hear it.
    options += ["--workers-kill-timeout", str(WORKER_STOP_SECONDS)]
    return Program("web", [PYTHON, "-m", "granian", *options, "riskadmin.wsgi:application"], environment)


def worker(environment: Mapping[str, str]) -> Program:
    """Return a Celery worker for both queues."""
    options = ["-Q", "kill,default", "-c", "2", "--loglevel", "WARNING", "--without-gossip", "--without-mingle"]
    return Program("worker", [PYTHON, "-m", "celery", "-A", "riskadmin", "worker", *options], environment)


def beat(data_dir: Path, environment: Mapping[str, str]) -> Program:
    """Return the beat: the clock that wakes sweeps and resets."""
    options = ["--loglevel", "WARNING", "--schedule", str(data_dir / "log" / "beat-schedule"), "--pidfile", ""]
    return Program("beat", [PYTHON, "-m", "celery", "-A", "riskadmin", "beat", *options], environment)


def command(name: str, project: Path, environment: Mapping[str, str]) -> Program:
    """Return one of our own management commands as a process."""
    return Program(name.removeprefix("run_"), [PYTHON, str(project / "manage.py"), name], environment)
