"""Issue, renew and read bearer tokens. The token itself is nowhere kept, only its digest."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth import authenticate
from django.db import transaction

from accounts.errors import InvalidValue, NotPermitted
from accounts.models import ApiToken, User
from accounts.permissions import Actor, Door
from accounts.rules.audit import AuditAction
from accounts.services import audit

TOKEN_LIFE = timedelta(minutes=80)
MOST_SESSIONS = 2
WRONG_LOGIN = "Incorrect username or password. Please try again, noting that passwords are case-sensitive."


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token as its holder gets it, once; `expires_at` is aware UTC."""

    token: str
    user: User
    expires_at: datetime


def issue_token(*, username: str, password: str, now: datetime, address: str = "") -> IssuedToken:
    """Open a session of 80 minutes; a third session of the same user closes the oldest.

    The service finds its actor out: whoever the name and the password belong to.

    Args:
        username: As the user writes it.
        password: Never kept and never logged.
        now: Aware UTC.
        address: Where the request came from, for the audit.

    Raises:
        InvalidValue: the name or the password is wrong, or the user is not active; the text does not say which.

    Source: Tradovate partner API, accesstokenrequest.
    """
    user = authenticate(username=username, password=password)
    if not isinstance(user, User):
        raise InvalidValue(WRONG_LOGIN, field="name")
    # The password was checked before: hashing is slow on purpose and must hold up no other writer.
    return _open_session(user, now=now, address=address)


@transaction.atomic
def _open_session(user: User, *, now: datetime, address: str) -> IssuedToken:
    User.objects.select_for_update().get(pk=user.pk)  # two logins at once take turns
    standing = ApiToken.objects.filter(user=user, revoked_at=None, expires_at__gt=now).order_by("-id")
    surplus = list(standing.values_list("pk", flat=True))[MOST_SESSIONS - 1 :]
    ApiToken.objects.filter(pk__in=surplus).update(revoked_at=now)
    token = f"rt_{secrets.token_urlsafe(32)}"
    row = ApiToken.objects.create(digest=_digest(token), user=user, created_at=now, expires_at=now + TOKEN_LIFE)
    audit.record(
        actor=Actor(Door.API, user, address),
        action=AuditAction.USER_LOGGED_IN,
        now=now,
        subject=user,
        company=user.company,
        after={"expires_at": row.expires_at},
    )
    return IssuedToken(token, user, row.expires_at)


@transaction.atomic
def renew_token(*, token: str, now: datetime) -> IssuedToken:
    """Give a session another 80 minutes from now; the token stays the same.

    Raises:
        NotPermitted: the token is unknown, expired or revoked, or its user is not active.
    """
    row = _living(token, now)
    if row is None:
        raise NotPermitted("The session has ended.")
    row.expires_at = now + TOKEN_LIFE
    row.save(update_fields=["expires_at"])
    return IssuedToken(token, row.user, row.expires_at)


@transaction.atomic
def revoke_token(*, token: str, now: datetime) -> bool:
    """Close a session; return whether it was open."""
    return bool(ApiToken.objects.filter(digest=_digest(token), revoked_at=None).update(revoked_at=now))


def user_of_token(token: str, now: datetime) -> User | None:
    """Return whose session this is; None for a token that is unknown, expired or revoked, or an inactive user."""
    row = _living(token, now)
    return None if row is None else row.user


def _living(token: str, now: datetime) -> ApiToken | None:
    tokens = ApiToken.objects.filter(digest=_digest(token), revoked_at=None, expires_at__gt=now, user__is_active=True)
    return tokens.select_related("user").first()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
