"""What every test stands on: the audit's guards, silent wake-ups, and tests left out where their program is missing."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from accounts.models import guards
from accounts.queue import carried_by
from riskadmin.embedded import EmbeddedValkey
from tests.processes import WorkerProcess
from tests.programs import missing

MARKERS = ("browser", "worker", "postgresql")
LEFT_OUT = pytest.StashKey[Counter[str]]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests whose program is missing; where everything must run, fail instead."""
    lacking = {marker: missing(marker) for marker in MARKERS}
    left_out = [
        item for item in items if any(lacking[mark.name] for mark in item.iter_markers() if mark.name in lacking)
    ]
    config.stash[LEFT_OUT] = Counter(
        f"marked {marker}: {why}"
        for item in left_out
        for marker, why in lacking.items()
        if why and marker in item.keywords
    )
    if not left_out:
        return
    if _must_run_all() and not hasattr(config, "workerinput"):
        raise pytest.UsageError(f"RISKADMIN_TEST_ALL=1, but {_sentence(config.stash[LEFT_OUT])}")
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


def _sentence(left_out: Counter[str]) -> str:
    return "; ".join(f"{count} {'test' if count == 1 else 'tests'} {why}" for why, count in sorted(left_out.items()))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take from a worker of a parallel run what it left out; every worker collects, and so leaves out, the same."""
    node.config.stash[LEFT_OUT] = Counter(getattr(node, "workeroutput", {}).get("left_out", {}))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the run that started this worker what was left out; that run fails where everything must run."""
    left_out = session.config.stash.get(LEFT_OUT, Counter())
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["left_out"] = dict(left_out)
    elif left_out and _must_run_all():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _must_run_all() -> bool:
    return os.environ.get("RISKADMIN_TEST_ALL") == "1"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say at the end which tests were left out and why."""
    left_out = config.stash.get(LEFT_OUT, Counter())
    if left_out:
        terminalreporter.write_line(f"Left out: {_sentence(left_out)}")


def _is_transactional(request: pytest.FixtureRequest) -> bool:
    marker = request.node.get_closest_marker("django_db")
    if marker is not None and marker.kwargs.get("transaction"):
        return True
    return bool({"transactional_db", "live_server", "django_db_reset_sequences"} & set(request.fixturenames))


@pytest.fixture(autouse=True)
def _audit_guards(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep the audit's triggers through a transactional test, and take them away before its tables are emptied."""
    if not _is_transactional(request):
        yield
        return
    request.getfixturevalue("_django_db_helper")  # so that this fixture ends before the tables are emptied
    guards.install(connection)
    yield
    guards.remove(connection)


@pytest.fixture
def real_queue() -> None:
    """Ask for this where wake-ups must go the real way, by Celery's broker."""


@pytest.fixture(autouse=True)
def _silent_wake_ups(request: pytest.FixtureRequest) -> Iterator[None]:
    """Carry wake-ups nowhere: a test drives what it tests itself."""
    if "real_queue" in request.fixturenames:
        yield
        return
    with carried_by(lambda _task, _arguments, _delay_seconds: None):
        yield


@pytest.fixture(scope="session")
def valkey() -> Iterator[EmbeddedValkey]:
    """Run a real embedded Valkey on the socket that the settings name."""
    server = EmbeddedValkey(settings.DATA_DIR, settings.EMBEDDED_VALKEY_SOCKET)
    server.ensure_running()
    yield server
    server.stop()


@pytest.fixture
def celery_worker_process(
    valkey: EmbeddedValkey, transactional_db: None, real_queue: None
) -> Iterator[Callable[..., WorkerProcess]]:
    """Start real Celery workers on this test's database: call it for each one; `.kill()` is SIGKILL."""
    started: list[WorkerProcess] = []

    def start(**how: Any) -> WorkerProcess:
        worker = WorkerProcess.start(**how)
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.kill()
    valkey.client().flushall()
