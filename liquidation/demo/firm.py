"""Makes the demonstration's firm and the person who looks at it."""

import secrets
from datetime import datetime

from django.db import transaction

from accounts.models import User
from accounts.permissions import Actor, Door
from accounts.rules.audit import AuditAction
from accounts.services import audit
from liquidation.demo.book import demo_book
from liquidation.services.book import load_book

ADMINISTRATOR = "admin"
PASSWORD_BYTES = 9


@transaction.atomic
def make_firm(*, now: datetime) -> str:
    """Load the demonstration's book and make the platform superuser; return the superuser's one-time password."""
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    user = User.objects.create_superuser(ADMINISTRATOR, password=password, date_joined=now)
    actor = Actor(Door.COMMAND, user)
    audit.record(actor=actor, action=AuditAction.USER_CREATED, now=now, subject=user, after={"username": ADMINISTRATOR})
    load_book(book=demo_book(), actor=actor, now=now)
    return password


@transaction.atomic
def renew_password(*, now: datetime) -> str:
    """Give the superuser a fresh one-time password, in the place of one that nobody has seen, and return it.

    Raises:
        User.DoesNotExist: the superuser was given another name.
    """
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    user = User.objects.select_for_update(no_key=True).get(username=ADMINISTRATOR)
    user.set_password(password)
    user.save(update_fields=["password"])
    actor = Actor(Door.COMMAND, user)
    reason = "Fresh one-time password: the one before was never shown"
    audit.record(actor=actor, action=AuditAction.USER_CHANGED, now=now, subject=user, reason=reason)
    return password
