"""Sessions on the wire: `auth/accesstokenrequest` and `auth/renewaccesstoken`."""

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.requests import text
from accounts.api.views import WireView
from accounts.api.wire import Fields
from accounts.services.tokens import IssuedToken, issue_token, renew_token


class AccessTokenRequest(WireView):
    """Name and password for a bearer token. `appId`, `cid`, `sec` and the like are taken and not needed."""

    authentication_classes = ()  # a stale token must not keep its holder from a new one
    permission_classes = ()

    def post(self, _request: Request) -> Response:
        name, password = text(self.body, "name"), text(self.body, "password")
        issued = issue_token(username=name or "", password=password or "", now=timezone.now(), address=self.address)
        return Response(_shown(issued))


class RenewAccessToken(WireView):
    """Extends the session; by POST too, as some clients do."""

    def get(self, request: Request) -> Response:
        return Response(_shown(renew_token(token=str(request.auth), now=timezone.now())))

    def post(self, request: Request) -> Response:
        return self.get(request)


def _shown(issued: IssuedToken) -> Fields:
    return {
        "accessToken": issued.token,
        "mdAccessToken": issued.token,  # one token opens both; clients refuse an answer without it
        "expirationTime": issued.expires_at,
        "userStatus": "Active",
        "userId": issued.user.pk,
        "name": issued.user.get_username(),
        "hasLive": False,
    }
