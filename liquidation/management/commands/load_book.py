"""Import a book file into this installation."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from accounts.permissions import PLATFORM
from liquidation.errors import BookRefused
from liquidation.rules.book import parse_json
from liquidation.services.book import load_book

REFUSED = 2


class Command(BaseCommand):
    help = "Import companies, users, accounts, limits, positions and orders from a book file: all of it or nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("book", type=Path, metavar="BOOK.json")

    def handle(self, *_: Any, book: Path, **__: Any) -> None:
        try:
            value, wrong = parse_json(book.read_bytes())
        except OSError as error:
            wrong = f"cannot be read: {error.strerror}"
        if wrong:
            self._refuse([f"{book}: {wrong}"])
        try:
            loaded = load_book(book=value, actor=PLATFORM, now=timezone.now())
        except BookRefused as error:
            self._refuse(error.faults)
        self.stdout.write(f"Loaded {len(loaded.account_ids)} accounts.")

    def _refuse(self, faults: Any) -> None:
        for fault in faults:
            self.stderr.write(fault)
        sys.exit(REFUSED)
