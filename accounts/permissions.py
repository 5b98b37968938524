"""Who may do what: the only place that answers."""

from dataclasses import dataclass
from enum import StrEnum

from django.db.models import Q, QuerySet

from accounts.errors import NotFound, NotPermitted
from accounts.models import Account, AccountPath, Company, User
from accounts.rules.roles import ENGINE_VERBS, Role, Verb, role_may


class Door(StrEnum):
    """Where a request came in; kept with every audit entry."""

    ADMIN = "ADMIN"
    API = "API"
    BULK = "BULK"
    COMMAND = "COMMAND"
    ENGINE = "ENGINE"
    TASK = "TASK"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts and through which door: a user, the engine (no user), or the console (a command without a user)."""

    door: Door
    user: User | None = None
    address: str = ""

    @property
    def name(self) -> str:
        return self.user.get_username() if self.user else self.door.value.lower()

    @property
    def is_console(self) -> bool:
        """Whether this is a command at the server's own console: who sits there has the database itself."""
        return self.user is None and self.door is Door.COMMAND

    @property
    def is_engine(self) -> bool:
        return self.user is None and not self.is_console

    @property
    def is_platform(self) -> bool:
        """Whether the actor stands above every company: the console or an active superuser."""
        return self.is_console or (self.user is not None and self.user.is_superuser and self.user.is_active)


ENGINE = Actor(Door.ENGINE)
TASK = Actor(Door.TASK)
PLATFORM = Actor(Door.COMMAND)


def visible_accounts(user: User) -> QuerySet[Account]:
    """Return the accounts this user may see: own company's and shared ones; of these, some roles only assigned trees.

    Below an account that is shared hang other companies' sub-accounts: an assigned tree is never seen past them.
    """
    if not user.is_active:
        return Account.objects.none()
    if user.is_superuser:
        return Account.objects.all()
    if user.company_id is None:
        return Account.objects.none()
    accounts = Account.objects.filter(Q(company=user.company_id) | Q(shares__company=user.company_id)).distinct()
    if user.role in {Role.TRADER, Role.ACCOUNT_ADMIN}:
        assigned = AccountPath.objects.filter(ancestor__assignments__user=user).values("descendant")
        return accounts.filter(pk__in=assigned)
    return accounts


def may(actor: Actor, verb: Verb, account: Account | None = None) -> bool:
    """Return whether the actor may do this, to this account where one is given. Unknown is no."""
    user = actor.user
    if user is None:
        return actor.is_console or verb in ENGINE_VERBS
    if not user.is_active:
        return False
    if user.is_superuser:
        return True
    if not role_may(Role(user.role), verb):
        return False
    if account is None:
        return user.company_id is not None
    if verb is not Verb.VIEW and account.company_id != user.company_id:
        return False  # a shared account belongs to its owner; what sharing allows is asked for by name
    return visible_accounts(user).filter(pk=account.pk).exists()


def require(actor: Actor, verb: Verb, account: Account) -> None:
    """Let the actor pass, or refuse.

    Raises:
        NotFound: the actor may not even see the account, and so learns nothing of it.
        NotPermitted: the actor may see it but not do this.
    """
    if may(actor, verb, account):
        return
    if actor.user is not None and not may(actor, Verb.VIEW, account):
        raise NotFound("Not found")
    raise NotPermitted(f"{actor.name} may not {verb.value.lower().replace('_', ' ')} on account {account.name}.")


def require_company(actor: Actor, verb: Verb, company: Company) -> None:
    """Let the actor act on this company as a whole, or refuse.

    Raises:
        NotFound: it is another company.
        NotPermitted: the actor's role does not allow it.
    """
    user = actor.user
    if actor.is_platform:
        return
    if user is None or user.company_id != company.pk or not user.is_active:
        raise NotFound("Not found")
    if not role_may(Role(user.role), verb):
        raise NotPermitted(f"{actor.name} may not {verb.value.lower().replace('_', ' ')} of {company.name}.")


def require_platform(actor: Actor) -> None:
    """Let pass who stands above every company, or refuse.

    Raises:
        NotPermitted: the actor is a company's user, or the engine.
    """
    if not actor.is_platform:
        raise NotPermitted(f"{actor.name} may not do this: it concerns more than one company.")
