"""What can go wrong in a liquidation's services beyond `accounts.errors`."""

from collections.abc import Sequence

from accounts.errors import RiskError


class BookRefused(RiskError):
    """A book is wrong or contradicts what is installed; `faults` has a line for each fault, with its path."""

    code = "BOOK_REFUSED"

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__(f"The book has {len(faults)} fault{'' if len(faults) == 1 else 's'}.")
        self.faults = tuple(faults)
