"""The embedded Valkey: started, adopted, stopped, and never left behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from riskadmin import embedded
from riskadmin.embedded import EmbeddedServerError, EmbeddedValkey, broker, embedded_valkey, server_program
from tests.processes import ends

pytestmark = pytest.mark.worker
PROJECT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def server(tmp_path):
    server = EmbeddedValkey(tmp_path, tmp_path / "v.sock")
    yield server
    server.stop()


@pytest.fixture
def not_on_path(monkeypatch, tmp_path):
    """No program came with the installation, and none is on the path but what is put into the folder returned."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setattr(embedded, "files", lambda _package: tmp_path / "nothing")
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_it_starts_and_answers_on_its_socket_alone(server):
    assert server.ensure_running() is True
    assert server.client().config_get("port") == {"port": "0"}
    assert server.client().config_get("appendonly") == {"appendonly": "yes"}
    assert server.client().config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert server.socket.stat().st_mode & 0o077 == 0


def test_one_that_is_alive_is_adopted_and_left_alone(server, tmp_path):
    server.ensure_running()
    second = EmbeddedValkey(tmp_path, server.socket)
    assert second.ensure_running() is False
    second.stop()
    assert server.is_alive()


def test_what_was_written_is_there_after_a_restart(server):
    server.ensure_running()
    server.client().set("cursor", "7-0")
    server.stop()
    assert not server.is_alive()
    server.ensure_running()
    assert server.client().get("cursor") == b"7-0"


def test_the_socket_of_a_killed_server_does_not_stand_in_the_way(server):
    server.ensure_running()
    server.process.kill()
    server.process.wait()
    assert server.socket.exists()
    assert server.ensure_running() is True


def test_it_dies_with_a_parent_that_is_killed(tmp_path):
    code = (
        "import sys; from pathlib import Path; from riskadmin.embedded import EmbeddedValkey;"
        "server = EmbeddedValkey(Path(sys.argv[1]), Path(sys.argv[1]) / 'v.sock'); server.ensure_running();"
        "print(server.process.pid, flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=PROJECT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    child = int(parent.stdout.readline())
    handle = os.pidfd_open(child)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert ends(handle)


def test_the_systems_program_stands_in_for_a_missing_one(not_on_path):
    (not_on_path / "redis-server").write_text("#!/bin/sh\n")
    (not_on_path / "redis-server").chmod(0o755)
    assert server_program() == not_on_path / "redis-server"


def test_without_any_program_the_sentence_says_what_to_do(server, not_on_path):
    with pytest.raises(EmbeddedServerError, match="install valkey-server or redis-server, or set REDIS_URL"):
        server.ensure_running()


def test_a_program_that_ends_at_once_is_reported_with_its_log(server, not_on_path):
    (not_on_path / "valkey-server").write_text("#!/bin/sh\nexit 1\n")
    (not_on_path / "valkey-server").chmod(0o755)
    with pytest.raises(EmbeddedServerError, match=r"did not start: .*valkey\.log says why"):
        server.ensure_running()


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    server = EmbeddedValkey(tmp_path / "file", tmp_path / "v.sock")
    with pytest.raises(EmbeddedServerError, match="Cannot start"):
        server.ensure_running()


def test_a_server_that_does_not_stop_when_asked_is_killed(server, monkeypatch):
    monkeypatch.setattr(embedded, "STOP_SECONDS", 0.05)
    server.ensure_running()
    server.process.send_signal(signal.SIGSTOP)
    process = server.process
    server.stop()
    assert process.returncode == -signal.SIGKILL


def test_the_broker_is_started_for_the_context_and_stopped_after_it(monkeypatch, tmp_path):
    monkeypatch.setattr(settings, "EMBEDDED_VALKEY_SOCKET", tmp_path / "v.sock")
    with broker():
        assert embedded_valkey().is_alive()
    assert not embedded_valkey().is_alive()


def test_with_a_redis_url_nothing_is_started(monkeypatch, tmp_path):
    monkeypatch.setattr(settings, "EMBEDDED_VALKEY_SOCKET", tmp_path / "v.sock")
    monkeypatch.setattr(settings, "REDIS_IS_EMBEDDED", False)
    with broker():
        assert not embedded_valkey().is_alive()
