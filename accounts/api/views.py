"""What every operation has in common: who calls, what the role allows, and the standard reads of an entity."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from django.db.models import Model, QuerySet
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser, FormParser, MultiPartParser
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.requests import WireParser, id_list, one_id
from accounts.api.wire import Fields
from accounts.errors import NotFound, NotPermitted
from accounts.models import User
from accounts.permissions import Actor, Door, may
from accounts.rules.roles import Role, Verb


class WireNegotiation(BaseContentNegotiation):
    """One renderer, whatever the client says it accepts; a body of no known type is read as JSON."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser:
        kind = (request.content_type or "").partition(";")[0].strip().lower()
        known = list(parsers)
        return next((parser for parser in known if parser.media_type == kind), known[0])

    def select_renderer(
        self, _request: Request, renderers: Iterable[BaseRenderer], _format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


class MayByRole(BasePermission):
    """The caller's role allows the view's verb; on which accounts is the service's question."""

    def has_permission(self, _request: Request, view: APIView) -> bool:
        return isinstance(view, WireView) and may(view.actor, view.verb)


class IsOrganizationAdministrator(BasePermission):
    """The caller administers a company, or the platform."""

    def has_permission(self, _request: Request, view: APIView) -> bool:
        return isinstance(view, WireView) and (view.user.is_superuser or view.user.role == Role.COMPANY_ADMIN)


class WireView(APIView):
    """An operation of the wire."""

    content_negotiation_class = WireNegotiation
    parser_classes = (WireParser, FormParser, MultiPartParser)
    permission_classes: Sequence[type[BasePermission]] = (IsAuthenticated, MayByRole)
    verb: ClassVar[Verb] = Verb.VIEW

    @property
    def user(self) -> User:
        """The caller.

        Raises:
            NotPermitted: nobody.
        """
        user = self.request.user
        if not isinstance(user, User):
            raise NotPermitted("No caller.")
        return user

    @property
    def body(self) -> Mapping[str, Any]:
        """The request's fields.

        Raises:
            ParseError: they cannot be read.
        """
        found: Mapping[str, Any] = self.request.data  # type: ignore[assignment]  # our parsers make no lists
        return found

    @property
    def address(self) -> str:
        return str(self.request.META.get("REMOTE_ADDR", ""))

    @property
    def actor(self) -> Actor:
        return Actor(Door.API, self.user, self.address)


class EntityView(WireView):
    """The standard reads of one entity: item, items, list, deps and ldeps."""

    operation = "list"
    master = "pk"

    def visible(self) -> QuerySet[Any]:
        """Return the rows that the caller may see."""
        raise NotImplementedError

    def shown(self, rows: Sequence[Any]) -> list[Fields]:
        """Return the rows as the wire shows them."""
        raise NotImplementedError

    def get(self, request: Request) -> Response:
        shown = self.shown(list(self._asked_for(request).order_by("pk")))
        if self.operation != "item":
            return Response(shown)
        if not shown:
            raise NotFound("Not found")
        return Response(shown[0])

    def _asked_for(self, request: Request) -> QuerySet[Model]:
        query, rows = request.query_params, self.visible()
        match self.operation:
            case "item":
                return rows.filter(pk=one_id(query, "id"))
            case "items":
                return rows.filter(pk__in=id_list(query, "ids"))
            case "deps":
                return rows.filter(**{self.master: one_id(query, "masterid")})
            case "ldeps":
                return rows.filter(**{f"{self.master}__in": id_list(query, "masterids")})
            case _:
                return rows
