"""What is wrong with the installation's database is one sentence."""

import os
import subprocess
import sys

import pytest

from manage import database_sentence
from tests.processes import PROJECT


@pytest.fixture
def manage(tmp_path):
    """Run a command on a database of its own; return the exit status and standard error."""

    def run(*arguments):
        names = ("DATABASE_URL", "REDIS_URL")
        kept = {name: value for name, value in os.environ.items() if name not in names}
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=PROJECT,
            env=kept | {"RISKADMIN_DATA": str(tmp_path), "DJANGO_SETTINGS_MODULE": "riskadmin.settings"},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stderr

    return run


@pytest.mark.parametrize("command", ["load_book", "dump_book"])
def test_before_the_tables_are_there_a_command_names_the_one_that_makes_them(manage, tmp_path, command):
    book = tmp_path / "book.json"
    book.write_text("{}")
    status, told = manage(command, *([str(book)] if command == "load_book" else []))
    assert status == 1
    assert told == f"The database has no tables yet: run `{sys.executable} manage.py migrate` first.\n"


@pytest.mark.parametrize(
    ("fault", "begins"),
    [
        ("no such table: accounts_company", "The database has no tables yet: "),
        ('relation "accounts_company" does not exist', "The database has no tables yet: "),
        ("attempt to write a readonly database", "The database cannot be written: attempt to write a readonly"),
        ("cannot execute INSERT in a read-only transaction", "The database cannot be written: cannot execute"),
        ("unable to open database file", "The database cannot be written: unable to open"),
        ('role "desk" does not exist', ""),
        ("deadlock detected", ""),
    ],
)
def test_a_fault_that_a_person_can_mend_is_one_sentence(fault, begins):
    assert database_sentence(fault).startswith(begins)
    assert bool(database_sentence(fault)) == bool(begins)
