#!/usr/bin/env python
"""Run the risk desk's commands; what is wrong with the installation itself is one sentence."""

import os
import sys

INSTALL = ".venv/bin/pip install --require-hashes -r requirements.lock"
OURS = ("riskadmin", "accounts", "liquidation")

try:
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
except ModuleNotFoundError as error:
    sys.exit(f"{error.name} is not installed for {sys.executable}: run `{INSTALL}` first.")


def main() -> None:
    """Run the command that the arguments name."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "riskadmin.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    except ModuleNotFoundError as error:
        if (error.name or "").startswith(OURS):
            raise
        sys.exit(f"{error.name} is not installed for {sys.executable}: run `{INSTALL}` first.")


if __name__ == "__main__":
    main()
