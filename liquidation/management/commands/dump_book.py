"""Export this installation as a book file."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from liquidation.services.book_dump import dump_book, left_out


class Command(BaseCommand):
    help = "Write companies, users, accounts, limits, positions and working orders as a book file."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--output", type=Path, metavar="FILE", help="Where to write; standard output if left out.")

    def handle(self, *_: Any, output: Path | None, **__: Any) -> None:
        text = json.dumps(dump_book(), indent=2, ensure_ascii=False)
        if output is None:
            self.stdout.write(text)
        else:
            try:
                output.write_text(f"{text}\n", encoding="utf-8")
            except OSError as error:
                raise CommandError(f"{output} cannot be written: {error.strerror}") from error
        for line in left_out():
            self.stderr.write(line)
