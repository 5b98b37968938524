"""An empty database in memory, in place of the installation's own for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler

from accounts.models import guards

SCRATCH = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": ":memory:",
    "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA synchronous=OFF; PRAGMA foreign_keys=ON"},
}


@contextmanager
def scratch_database() -> Iterator[None]:
    """Let every query of this thread go to a fresh database within this context; the installation's is not touched."""
    installed = connections[DEFAULT_DB_ALIAS]
    scratch = ConnectionHandler({DEFAULT_DB_ALIAS: SCRATCH})[DEFAULT_DB_ALIAS]
    connections[DEFAULT_DB_ALIAS] = scratch
    try:
        _make_tables(scratch)
        yield
    finally:
        connections[DEFAULT_DB_ALIAS] = installed
        # SQLite's own close() keeps a database in memory alive.
        BaseDatabaseWrapper.close(scratch)


def _make_tables(connection: BaseDatabaseWrapper) -> None:
    """Make the tables as the models are now: the migrations come to the same, a second later."""
    with connection.schema_editor() as editor:
        for model in apps.get_models():
            editor.create_model(model)
    guards.install(connection)
