"""What the documents show works as shown."""

import json
import re
from pathlib import Path

from liquidation.rules.book import check_book

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_books_page_shows_a_book_that_can_be_loaded():
    example = re.search(r"```json\n(.*?)```", (DOCS / "book.md").read_text(), re.DOTALL)
    assert example is not None
    _, faults = check_book(json.loads(example[1]))
    assert list(faults) == []
