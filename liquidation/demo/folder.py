"""The folder of a demonstration: one demonstration at a time, begun anew or resumed, never another's data."""

import fcntl
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Self

MARKER = "demo"
LOCK = "demo.lock"
# What a demonstration leaves behind; the signing key stays.
OWN_FILES = ("riskdesk.sqlite3", "riskdesk.sqlite3-wal", "riskdesk.sqlite3-shm")
OWN_FOLDERS = ("valkey", "log", "static")


class FolderRefusedError(Exception):
    """The folder cannot be used; the text is one sentence for a person."""


@dataclass(frozen=True, slots=True)
class DemoFolder:
    """A data folder that this process alone runs a demonstration in."""

    path: Path
    lock: int

    @classmethod
    def hold(cls, path: Path) -> Self:
        """Take the folder until this process ends.

        Raises:
            FolderRefusedError: it cannot be written, or a demonstration runs in it.
        """
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise FolderRefusedError(
                f"Cannot write in {path}: {error.strerror}. Set RISKADMIN_DATA to a folder that can be written."
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise FolderRefusedError(
                f"A demonstration runs in {path} already: stop it, or set RISKADMIN_DATA to another folder."
            ) from error
        return cls(path, lock)

    @property
    def is_demo(self) -> bool:
        """Whether the data here is a demonstration's."""
        return (self.path / MARKER).exists()

    def claim(self) -> None:
        """Note that the data here is a demonstration's.

        Raises:
            FolderRefusedError: it holds a database that no demonstration made.
        """
        self._refuse_anothers()
        (self.path / MARKER).touch()

    @property
    def has_shown_password(self) -> bool:
        """Whether the one-time password of the data here was printed."""
        return self.is_demo and bool((self.path / MARKER).read_text())

    def note_password_shown(self) -> None:
        """Note that the one-time password was printed, to be called after that."""
        (self.path / MARKER).write_text("The password was shown.\n")

    def clear(self) -> None:
        """Delete the demonstration's data.

        Raises:
            FolderRefusedError: the data is an installation's of its own, which a demonstration never deletes.
        """
        self._refuse_anothers()
        for name in OWN_FILES:
            (self.path / name).unlink(missing_ok=True)
        for name in OWN_FOLDERS:
            shutil.rmtree(self.path / name, ignore_errors=True)
        (self.path / MARKER).unlink(missing_ok=True)

    def _refuse_anothers(self) -> None:
        if not self.is_demo and (self.path / OWN_FILES[0]).exists():
            raise FolderRefusedError(
                f"{self.path} holds the data of another installation: set RISKADMIN_DATA to another folder."
            )
