"""`position` on the wire."""

from collections.abc import Sequence

from django.db.models import QuerySet

from accounts.api.views import EntityView
from accounts.api.wire import Fields, present, trade_date
from accounts.models import Position
from accounts.permissions import visible_accounts


class PositionView(EntityView):
    """The positions of the accounts that the caller may see, flat ones too."""

    master = "account"

    def visible(self) -> QuerySet[Position]:
        return Position.objects.filter(account__in=visible_accounts(self.user)).select_related("account__session")

    def shown(self, rows: Sequence[Position]) -> list[Fields]:
        return [_shown(position) for position in rows]


def _shown(position: Position) -> Fields:
    return present(
        id=position.pk,
        accountId=position.account_id,
        contractId=position.instrument_id,
        timestamp=position.updated_at,
        tradeDate=trade_date(position.account.session.trading_day),
        netPos=position.net,
        netPrice=position.holding.net_price,
        bought=position.bought,
        boughtValue=position.bought_value,
        sold=position.sold,
        soldValue=position.sold_value,
        prevPos=position.prev_pos,
        prevPrice=position.prev_price if position.prev_pos else None,
    )
