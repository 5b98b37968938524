"""Keep the last accepted price of each contract."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from accounts.models import Instrument, Mark


@dataclass(frozen=True, slots=True)
class AcceptedMark:
    """A price that passed the sanity rules: when it was made, and when its source was last heard."""

    symbol: str
    price: Decimal
    priced_at: datetime
    seen_at: datetime
    source: str


@transaction.atomic
def record_marks(marks: Iterable[AcceptedMark]) -> int:
    """Store the newest mark of each contract; return how many rows changed.

    Safe to repeat, and safe out of order: a mark older than the one that stands is left out (F24).
    """
    newest = {mark.symbol: mark for mark in sorted(marks, key=_age)}
    instruments = {row.symbol: row for row in Instrument.objects.filter(symbol__in=sorted(newest))}
    standing = {
        row.instrument.symbol: row
        for row in Mark.objects.filter(instrument__symbol__in=sorted(newest)).select_related("instrument")
    }
    changed = [
        Mark(
            instrument=instruments[symbol],
            price=mark.price,
            priced_at=mark.priced_at,
            seen_at=mark.seen_at,
            source=mark.source,
        )
        for symbol, mark in sorted(newest.items())
        if symbol in instruments and (symbol not in standing or _age(standing[symbol]) <= _age(mark))
    ]
    Mark.objects.bulk_create(
        changed,
        update_conflicts=True,
        unique_fields=["instrument"],
        update_fields=["price", "priced_at", "seen_at", "source"],
    )
    return len(changed)


def record_heard(*, source: str, at: datetime) -> int:
    """Note that a source said at `at`, aware UTC, that its last prices still hold; return how many marks that renews.

    Safe to repeat and out of order: no mark is made older.
    """
    return Mark.objects.filter(source=source, seen_at__lt=at).update(seen_at=at)


def _age(mark: AcceptedMark | Mark) -> tuple[datetime, datetime]:
    # By the price's own time first: a price that was long on its way is old however late it is heard.
    return mark.priced_at, mark.seen_at
