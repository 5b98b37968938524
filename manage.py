#!/usr/bin/env python
"""Run the risk desk's commands."""

import os
import sys

INSTALL = ".venv/bin/pip install --require-hashes -r requirements.lock"


def main() -> None:
    """Run the command that the arguments name; what is wrong with the installation itself is one sentence."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "riskadmin.settings")
    if sys.version_info < (3, 11):
        sys.exit(f"The risk desk needs Python 3.11 or later; this is {sys.version.split()[0]}.")
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
    except ModuleNotFoundError as error:
        sys.exit(f"{error.name} is not installed for {sys.executable}: run `{INSTALL}` first.")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    except ModuleNotFoundError as error:
        if error.name in {"riskadmin", "accounts", "liquidation"}:
            raise
        sys.exit(f"{error.name} is not installed for {sys.executable}: run `{INSTALL}` first.")


if __name__ == "__main__":
    main()
