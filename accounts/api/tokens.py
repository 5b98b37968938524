"""Who a bearer token says the caller is."""

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.models import User
from accounts.services.tokens import user_of_token


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer <token>`, the scheme in any case."""

    def authenticate(self, request: Request) -> tuple[User, str] | None:
        """Return the user and the token; None where the header is of no bearer."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        user = user_of_token(token.strip(), timezone.now())
        if user is None:
            raise AuthenticationFailed
        return user, token.strip()

    def authenticate_header(self, _request: Request) -> str:
        return "Bearer"
