"""Wake-ups: after the commit, never before, and never a reason to fail."""

import logging

import pytest
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

from accounts import queue
from accounts.queue import carried_by, send_by_celery, wake


@pytest.fixture
def woken():
    found = []
    with carried_by(lambda task, arguments, delay: found.append((task, arguments, delay))):
        yield found


@pytest.mark.django_db(transaction=True)
def test_a_wake_up_waits_for_the_commit(woken):
    with transaction.atomic():
        wake("task", 1, 2, delay_seconds=0.5)
        assert woken == []
    assert woken == [("task", (1, 2), 0.5)]


@pytest.mark.django_db(transaction=True)
def test_a_change_that_is_rolled_back_wakes_nobody(woken):
    @transaction.atomic
    def change():
        wake("task", 1)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        change()
    assert woken == []


@pytest.mark.django_db(transaction=True)
def test_a_wake_up_goes_by_the_transport_of_its_own_context_and_the_standing_one_comes_back(woken):
    inner = []
    with transaction.atomic():
        with carried_by(lambda task, *_: inner.append(task)):
            wake("inner")
        wake("outer")
    assert (inner, [task for task, *_ in woken]) == (["inner"], ["outer"])


def test_the_standing_transport_comes_back_after_a_failure_too(woken):
    before = queue._transport.get()
    with pytest.raises(ValueError, match="no"), carried_by(lambda *_: None):
        raise ValueError("no")
    assert queue._transport.get() is before


class Broker:
    """Stands in for Celery's own sending."""

    def __init__(self, error=None):
        self.error, self.sent = error, []

    def send_task(self, task, **options):
        if self.error:
            raise self.error
        self.sent.append((task, options))


@pytest.mark.parametrize(("delay", "countdown"), [(0, None), (2.5, 2.5)])
def test_celery_is_asked_once_and_at_once(monkeypatch, delay, countdown):
    broker = Broker()
    monkeypatch.setattr(current_app, "send_task", broker.send_task)
    send_by_celery("task", (7,), delay)
    assert broker.sent == [("task", {"args": (7,), "countdown": countdown, "retry": False})]


@pytest.mark.parametrize("error", [OperationalError("away"), ConnectionRefusedError("away")])
def test_a_broker_that_is_away_fails_no_request_and_is_said(monkeypatch, caplog, error):
    monkeypatch.setattr(current_app, "send_task", Broker(error).send_task)
    with caplog.at_level(logging.WARNING, "accounts.queue"):
        send_by_celery("task", (7,), 0)
    assert "No broker: task(7,) waits for the sweep" in caplog.text


def test_another_error_is_not_swallowed(monkeypatch):
    monkeypatch.setattr(current_app, "send_task", Broker(TypeError("a fault of ours")).send_task)
    with pytest.raises(TypeError):
        send_by_celery("task", (7,), 0)
