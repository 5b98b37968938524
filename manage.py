#!/usr/bin/env python
"""Run the risk desk's commands; what is wrong with the installation itself is one sentence."""

import os
import sys

INSTALL = ".venv/bin/pip install --require-hashes -r requirements.lock"
OURS = ("riskadmin", "accounts", "liquidation")

try:
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import DatabaseError
except ModuleNotFoundError as error:
    sys.exit(f"{error.name} is not installed for {sys.executable}: run `{INSTALL}` first.")


def database_sentence(fault: str) -> str:
    """Return what a person is to do about a fault of the database; empty where only a traceback helps."""
    # As SQLite and PostgreSQL have it.
    if "no such table" in fault or ('relation "' in fault and "does not exist" in fault):
        return f"The database has no tables yet: run `{sys.executable} manage.py migrate` first."
    if any(part in fault for part in ("readonly database", "read-only transaction", "unable to open database file")):
        return f"The database cannot be written: {fault}."
    return ""


def main() -> None:
    """Run the command that the arguments name."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "riskadmin.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    except DatabaseError as error:
        sentence = database_sentence(str(error))
        if not sentence:
            raise
        sys.exit(sentence)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith(OURS):
            raise
        sys.exit(f"{error.name} is not installed for {sys.executable}: run `{INSTALL}` first.")


if __name__ == "__main__":
    main()
