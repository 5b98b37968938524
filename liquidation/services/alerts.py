"""Tell a person, once per crossing."""

from datetime import datetime

from django.db import transaction

from accounts.models import Account
from liquidation.models import Alert


@transaction.atomic
def raise_alert(*, account: Account | None, code: str, text: str, now: datetime) -> bool:
    """Raise an alert unless the same one stands; return whether it is new."""
    _, is_new = Alert.objects.get_or_create(
        account=account, code=code, cleared_at=None, defaults={"text": text, "raised_at": now}
    )
    return is_new


def clear_alert(*, account: Account | None, code: str, now: datetime) -> bool:
    """Put an alert to rest, so that the next crossing raises it anew; return whether one stood."""
    return bool(Alert.objects.filter(account=account, code=code, cleared_at=None).update(cleared_at=now))
