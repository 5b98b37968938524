"""What others have committed since the last look: the audit names every change, fills and orders name theirs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_

from django.db.models import Max, Q

from accounts.models import AccountPath, AuditEntry, Fill, Order
from accounts.rules.audit import AuditAction

# Ids are handed out before the commit: a lower one may appear after a higher. So far back is looked at the start.
START_OVERLAP = 1_000
# A gap that is not filled by then is a transaction that was rolled back.
GAP_SECONDS = 900
GAPS_PER_QUERY = 200
# An order's time is taken before its commit, and two machines' clocks differ a little.
ORDER_OVERLAP_SECONDS = 5
CONCERNS_ALL = frozenset(
    {
        AuditAction.COMPANY_CHANGED,
        AuditAction.MARGIN_CHANGED,
        AuditAction.RATE_CHANGED,
        AuditAction.INSTRUMENT_CHANGED,
        AuditAction.BOOK_LOADED,
        AuditAction.ACCOUNT_MOVED,
    }
)


@dataclass(frozen=True, slots=True)
class Changed:
    """The accounts of every tree that changed, or everything; `filled` are the very accounts that had fills."""

    everything: bool = False
    trees: frozenset[int] = frozenset()
    filled: frozenset[int] = frozenset()

    @property
    def is_empty(self) -> bool:
        return not self.everything and not self.trees

    def concerns(self, account_id: int) -> bool:
        return self.everything or account_id in self.trees

    def __or__(self, other: "Changed") -> "Changed":
        return Changed(self.everything or other.everything, self.trees | other.trees, self.filled | other.filled)


@dataclass(frozen=True, slots=True)
class _Gap:
    """Ids from `low` to `high` that were not there when a higher one was."""

    low: int
    high: int
    since: datetime


class _Tail:
    """The rows of a table as they are committed, in whatever order their ids were handed out."""

    def __init__(self, model: type[AuditEntry] | type[Fill]) -> None:
        self.model = model
        self.last = 0
        self.gaps: list[_Gap] = []

    def start(self, now: datetime) -> None:
        self.last = self.model.objects.aggregate(last=Max("id"))["last"] or 0
        low = max(self.last - START_OVERLAP, 0)
        known = self.model.objects.filter(id__gt=low, id__lte=self.last).values_list("id", flat=True)
        self.gaps = list(_gaps(low + 1, self.last, sorted(known), now))

    def take(self, now: datetime, *fields: str) -> list[tuple[object, ...]]:
        late = self._late(now, fields)
        rows = list(self.model.objects.filter(id__gt=self.last).order_by("id").values_list("id", *fields))
        if rows:
            self.gaps += _gaps(self.last + 1, rows[-1][0], [row[0] for row in rows], now)
            self.last = rows[-1][0]
        return [row[1:] for row in (*late, *rows)]

    def _late(self, now: datetime, fields: tuple[str, ...]) -> list[tuple[int, ...]]:
        oldest = now - timedelta(seconds=GAP_SECONDS)
        self.gaps = [gap for gap in self.gaps if gap.since > oldest]
        found: list[tuple[int, ...]] = []
        for first in range(0, len(self.gaps), GAPS_PER_QUERY):
            batch = self.gaps[first : first + GAPS_PER_QUERY]
            inside = reduce(or_, (Q(id__range=(gap.low, gap.high)) for gap in batch))
            found += self.model.objects.filter(inside).order_by("id").values_list("id", *fields)
        if found:
            ids = [row[0] for row in found]
            self.gaps = [part for gap in self.gaps for part in _gaps(gap.low, gap.high, ids, gap.since)]
        return found


def _gaps(low: int, high: int, ids: Iterable[int], since: datetime) -> Iterator[_Gap]:
    """Yield what lies from `low` to `high` and between the ids, which are in ascending order."""
    for known in ids:
        if low <= known <= high:
            if known > low:
                yield _Gap(low, known - 1, since)
            low = known + 1
    if low <= high:
        yield _Gap(low, high, since)


class _OrderTail:
    """Orders by the time they changed: one that ends without a fill changes the margin, and the audit is silent."""

    def __init__(self) -> None:
        self.looked_at = datetime.min.replace(tzinfo=UTC)
        self.seen: dict[int, tuple[object, ...]] = {}

    def start(self, now: datetime) -> None:
        self.looked_at = now
        self.take(now)

    def take(self, now: datetime) -> set[int]:
        since = self.looked_at - timedelta(seconds=ORDER_OVERLAP_SECONDS)
        recent = Order.objects.filter(updated_at__gte=since).order_by("id")
        rows = list(recent.values_list("id", "account_id", "status", "qty", "filled_qty"))
        touched = {row[1] for row in rows if self.seen.get(row[0]) != row[2:]}
        self.looked_at, self.seen = now, {row[0]: row[2:] for row in rows}
        return touched


class ChangeFeed:
    """Follows the audit, the fills and the orders."""

    def __init__(self) -> None:
        self._audit = _Tail(AuditEntry)
        self._fills = _Tail(Fill)
        self._orders = _OrderTail()

    def start(self, now: datetime) -> None:
        """Begin now: what is committed already is about to be read."""
        self._audit.start(now)
        self._fills.start(now)
        self._orders.start(now)

    def take(self, now: datetime) -> Changed:
        """Return what changed since the last call."""
        entries = self._audit.take(now, "action", "account_id")
        filled = frozenset(int(str(account)) for (account,) in self._fills.take(now, "account_id"))
        touched = filled | self._orders.take(now)
        touched |= {int(str(account)) for _, account in entries if account is not None}
        if any(action in CONCERNS_ALL for action, _ in entries):
            return Changed(everything=True, filled=filled)
        return Changed(trees=whole_trees(touched), filled=filled)


def whole_trees(account_ids: Iterable[int]) -> frozenset[int]:
    """Return every account of the trees that these accounts stand in."""
    wanted = set(account_ids)
    if not wanted:
        return frozenset()
    lineages = AccountPath.objects.filter(descendant__in=wanted).values("ancestor")
    tops = AccountPath.objects.filter(ancestor__in=lineages, ancestor__parent=None).values("ancestor")
    return frozenset(AccountPath.objects.filter(ancestor__in=tops).values_list("descendant_id", flat=True))
