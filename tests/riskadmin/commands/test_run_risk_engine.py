"""The engine's process, started as an operator starts it."""

import os
import signal
import subprocess
import sys
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.models import AccountLock
from accounts.rules.credit import CreditLossAction
from liquidation.feeds.base import MarkEvent
from liquidation.feeds.stream import StreamPublisher
from tests.builders import account, company, position
from tests.processes import PROJECT, environment, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.worker]


@pytest.fixture
def engine(valkey):
    valkey.client().flushall()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "run_risk_engine"],
        cwd=PROJECT,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_a_price_of_the_stream_locks_the_account_and_sigterm_ends_the_process_cleanly(engine, valkey):
    row = account(company(), daily_limit="10000", loss_pct="80", action=CreditLossAction.DISABLE)
    position(row, net=3, price="6000")
    StreamPublisher(valkey.client()).publish(MarkEvent("ESZ6", Decimal("5946.50"), timezone.now(), "test"))
    assert until(AccountLock.objects.filter(account=row).exists)
    os.kill(engine.pid, signal.SIGTERM)
    _, log = engine.communicate(timeout=20)
    assert engine.returncode == 0
    assert "The risk engine has stopped" in log
