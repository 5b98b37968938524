"""The signing key of an installation that was given none."""

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key


def load_or_create(path: Path) -> str:
    """Return the key kept in `path`, made on first use and readable by its owner alone.

    Two processes that start at once agree on one key: the file is made exclusively.

    Raises:
        ImproperlyConfigured: the folder cannot be written; says what to set instead.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        if path.is_file():
            return path.read_text()
        message = f"Cannot write {path}: {error.strerror}. Set RISKADMIN_DATA to a folder that can be written."
        raise ImproperlyConfigured(message) from error
    key = get_random_secret_key()
    with os.fdopen(descriptor, "w") as file:
        file.write(key)
    return key
