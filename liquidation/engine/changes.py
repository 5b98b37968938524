"""What others have committed since the last look: the audit names every change, and fills name theirs."""

from dataclasses import dataclass

from django.db.models import Max

from accounts.models import AccountPath, AuditEntry, Fill
from accounts.rules.audit import AuditAction

# A transaction may commit after one that took a higher id; so many ids back are looked at again.
OVERLAP = 200
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
    """The accounts of every tree that changed, or everything."""

    everything: bool
    trees: frozenset[int]

    @property
    def is_empty(self) -> bool:
        return not self.everything and not self.trees


class _Tail:
    """The ids of a table that were seen, as far back as the overlap goes."""

    def __init__(self, model: type[AuditEntry] | type[Fill]) -> None:
        self.model = model
        self.last = 0
        self.seen: set[int] = set()

    def start(self) -> None:
        self.last = self.model.objects.aggregate(last=Max("id"))["last"] or 0
        recent = self.model.objects.filter(id__gt=self.last - OVERLAP)
        self.seen = set(recent.values_list("id", flat=True))

    def take(self, *fields: str) -> list[tuple[object, ...]]:
        rows = list(self.model.objects.filter(id__gt=self.last - OVERLAP).order_by("id").values_list("id", *fields))
        fresh = [row[1:] for row in rows if row[0] not in self.seen]
        if rows:
            self.last = max(self.last, rows[-1][0])
            self.seen = {row[0] for row in rows}
        return fresh


class ChangeFeed:
    """Follows the audit and the fills."""

    def __init__(self) -> None:
        self._audit = _Tail(AuditEntry)
        self._fills = _Tail(Fill)

    def start(self) -> None:
        """Begin now: what is committed already is about to be read."""
        self._audit.start()
        self._fills.start()

    def take(self) -> Changed:
        """Return what changed since the last call."""
        entries = self._audit.take("action", "account_id")
        touched = {account for (account,) in self._fills.take("account_id")}
        touched |= {account for _, account in entries if account is not None}
        if any(action in CONCERNS_ALL for action, _ in entries):
            return Changed(everything=True, trees=frozenset())
        return Changed(everything=False, trees=_whole_trees({int(str(account)) for account in touched}))


def _whole_trees(account_ids: set[int]) -> frozenset[int]:
    if not account_ids:
        return frozenset()
    lineages = AccountPath.objects.filter(descendant__in=account_ids).values("ancestor")
    tops = AccountPath.objects.filter(ancestor__in=lineages, ancestor__parent=None).values("ancestor")
    return frozenset(AccountPath.objects.filter(ancestor__in=tops).values_list("descendant_id", flat=True))
