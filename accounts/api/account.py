"""`account` on the wire."""

from collections.abc import Sequence

from django.db.models import Min, QuerySet

from accounts.api.views import EntityView
from accounts.api.wire import Fields, present
from accounts.models import Account, AccountAssignment
from accounts.permissions import visible_accounts


class AccountView(EntityView):
    """The accounts that the caller may see."""

    def visible(self) -> QuerySet[Account]:
        return visible_accounts(self.user)

    def shown(self, rows: Sequence[Account]) -> list[Fields]:
        first_users = _first_users(rows)
        return [_shown(account, first_users.get(account.pk, 0)) for account in rows]


def _first_users(accounts: Sequence[Account]) -> dict[int, int]:
    assignments = AccountAssignment.objects.filter(account__in=accounts).values("account")
    return dict(assignments.annotate(first=Min("user")).values_list("account", "first"))


def _shown(account: Account, user_id: int) -> Fields:
    return present(
        id=account.pk,
        name=account.name,
        userId=user_id,  # the longest-standing user assigned to it; 0 where it is the company's alone
        accountType="Customer",  # the desk holds no house, omnibus or give-up accounts of its own
        active=not account.is_closed,  # of the older shape; clients in the field still choose by it
        closed=account.is_closed,
        clearingHouseId=1,  # one clearing house: the desk clears nothing itself
        riskCategoryId=account.company_id,  # every company is one category
        autoLiqProfileId=account.pk,  # one profile per account, of the same id
        marginAccountType="Speculator",  # no hedger's margins are kept
        legalStatus="Corporation",  # the account is its company's
        timestamp=account.created_at,
    )
