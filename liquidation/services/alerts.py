"""Tell a person, once per crossing."""

from datetime import datetime

from django.db import transaction

from accounts.models import Account
from liquidation.models import Alert

CODE_LENGTH = 64


@transaction.atomic
def raise_alert(*, account: Account | None, code: str, text: str, now: datetime, again: bool = False) -> bool:
    """Raise an alert unless the same one stands; return whether it is new.

    Args:
        code: What is told; beyond 64 characters it is cut.
        again: Put one that stands to rest and raise a new one: each of these is an event of its own.
    """
    if again:
        clear_alert(account=account, code=code, now=now)
    standing = Alert.objects.filter(account=account, code=code[:CODE_LENGTH], cleared_at=None)
    if account is None and standing.exists():
        return False  # the database keeps alerts of no account apart, and two may have slipped in
    _, is_new = Alert.objects.get_or_create(
        account=account, code=code[:CODE_LENGTH], cleared_at=None, defaults={"text": text, "raised_at": now}
    )
    return is_new


def clear_alert(*, account: Account | None, code: str, now: datetime) -> bool:
    """Put an alert to rest, so that the next crossing raises it anew; return whether one stood."""
    standing = Alert.objects.filter(account=account, code=code[:CODE_LENGTH], cleared_at=None)
    return bool(standing.update(cleared_at=now))
