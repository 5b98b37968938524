"""Become another program that ends when the process that started it ends, however that one ends.

Run as a file (`python tether.py PROGRAM ARGUMENT …`), so that nothing else is imported first.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1


def ask_for_death_signal() -> None:
    """Ask the kernel for a SIGTERM when the parent dies; a machine that is not Linux has no such thing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def tethered(command: list[str], parent: int) -> list[str]:
    """Return the command line that runs `command` tied to the process `parent`."""
    return [sys.executable, str(Path(__file__).resolve()), str(parent), *command]


def main(arguments: list[str]) -> None:
    """Tie this process to its parent and become the program; do nothing where the parent is gone already."""
    parent, *command = arguments
    ask_for_death_signal()
    if os.getppid() == int(parent):
        os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
