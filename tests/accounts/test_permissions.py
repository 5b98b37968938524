"""Who may do what: every role, every verb, on own, shared and foreign accounts."""

import pytest

from accounts.errors import NotFound, NotPermitted
from accounts.models import Account, User
from accounts.permissions import (
    ENGINE,
    PLATFORM,
    TASK,
    Actor,
    Door,
    may,
    require,
    require_company,
    require_platform,
    visible_accounts,
)
from accounts.rules.roles import ALLOWED, ENGINE_VERBS, Role, Verb
from accounts.services import structure
from tests import builders
from tests.builders import NOW

pytestmark = pytest.mark.django_db
ASSIGNED_ONLY = {Role.TRADER, Role.ACCOUNT_ADMIN}


@pytest.fixture
def accounts():
    """An own account, one of its sub-accounts, an own one beside it, one shared by another company, one foreign."""
    firm, other = builders.company("ALPHA", liquidation_user=False), builders.company("BETA", liquidation_user=False)
    own = builders.account(firm, "own", connected=False)
    found = {
        "own": own,
        "below": builders.account(firm, "below", parent=own, connected=False),
        "beside": builders.account(firm, "beside", connected=False),
        "shared": builders.account(other, "shared", connected=False),
        "foreign": builders.account(other, "foreign", connected=False),
    }
    builders.share(found["shared"], firm)
    return found


def of_role(accounts, role, **more):
    account = accounts["own"]
    user = builders.user(account.company, role=role, **more)
    structure.assign_user(account_id=account.pk, user=user, actor=builders.platform(), now=NOW)
    return user


def allowed(role, verb, which):
    """The table, said once more in its own words."""
    if verb not in ALLOWED[role] or which == "foreign":
        return False
    if role in ASSIGNED_ONLY:
        return which in {"own", "below"}
    return which != "shared" or verb is Verb.VIEW


@pytest.mark.parametrize("role", list(Role))
def test_every_role_may_do_its_verbs_on_the_accounts_it_has(accounts, role):
    actor = builders.actor(of_role(accounts, role))
    for which, account in accounts.items():
        found = {verb for verb in Verb if may(actor, verb, account)}
        assert found == {verb for verb in Verb if allowed(role, verb, which)}, which
    assert {verb for verb in Verb if may(actor, verb)} == ALLOWED[role]


@pytest.mark.parametrize("role", list(Role))
def test_a_refusal_tells_no_more_than_the_actor_may_see(accounts, role):
    actor = builders.actor(of_role(accounts, role))
    for which, account in accounts.items():
        for verb in Verb:
            if allowed(role, verb, which):
                require(actor, verb, account)
                continue
            expected = NotPermitted if allowed(role, Verb.VIEW, which) else NotFound
            with pytest.raises(expected) as caught:
                require(actor, verb, account)
            assert expected is NotPermitted or caught.value.text == "Not found"


def test_a_refusal_says_who_may_not_do_what_where(accounts):
    user = of_role(accounts, Role.VIEW_ONLY, username="ann")
    with pytest.raises(NotPermitted, match="ann may not edit credit on account own"):
        require(builders.actor(user), Verb.EDIT_CREDIT, accounts["own"])


@pytest.mark.parametrize("role", list(Role))
def test_who_was_made_inactive_may_do_nothing_and_sees_nothing(accounts, role):
    user = of_role(accounts, role, is_active=False)
    actor = builders.actor(user)
    assert not any(may(actor, verb, account) for verb in Verb for account in (None, *accounts.values()))
    assert not visible_accounts(user).exists()
    with pytest.raises(NotFound):
        require_company(actor, Verb.VIEW, accounts["own"].company)


@pytest.mark.parametrize("engine", [ENGINE, TASK])
def test_the_engine_locks_and_liquidates_and_never_loosens(accounts, engine):
    for account in (None, *accounts.values()):
        assert {verb for verb in Verb if may(engine, verb, account)} == ENGINE_VERBS
    assert not {Verb.UNLOCK, Verb.EDIT_CREDIT, Verb.EDIT_CREDIT_LOSS, Verb.EDIT_AUTO_LIQ, Verb.EDIT_SOD} & ENGINE_VERBS
    with pytest.raises(NotPermitted, match=f"{engine.name} may not unlock"):
        require(engine, Verb.UNLOCK, accounts["own"])
    with pytest.raises(NotFound):
        require_company(engine, Verb.EDIT_COMPANY, accounts["own"].company)
    with pytest.raises(NotPermitted):
        require_platform(engine)


def test_the_platform_may_do_everything_everywhere(accounts):
    for actor in (builders.platform(), PLATFORM):
        assert all(may(actor, verb, account) for verb in Verb for account in (None, *accounts.values()))
        require_company(actor, Verb.EDIT_COMPANY, accounts["foreign"].company)
        require_platform(actor)
    assert visible_accounts(builders.superuser()).count() == len(accounts) == Account.objects.count()


def test_a_superuser_who_was_made_inactive_may_do_nothing(accounts):
    user = builders.superuser()
    user.is_active = False
    actor = builders.actor(user)
    assert not any(may(actor, verb, accounts["own"]) for verb in Verb)
    with pytest.raises(NotPermitted):
        require_platform(actor)
    with pytest.raises(NotFound):
        require_company(actor, Verb.VIEW, accounts["own"].company)
    user.save()
    assert not visible_accounts(user).exists()


@pytest.mark.parametrize("role", list(Role))
def test_a_company_as_a_whole_is_its_own_peoples(accounts, role):
    actor = builders.actor(of_role(accounts, role))
    for verb in Verb:
        if verb in ALLOWED[role]:
            require_company(actor, verb, accounts["own"].company)
        else:
            with pytest.raises(NotPermitted, match="of ALPHA"):
                require_company(actor, verb, accounts["own"].company)
        with pytest.raises(NotFound):
            require_company(actor, verb, accounts["foreign"].company)


def test_seen_accounts_are_the_companys_and_shared_ones_or_the_assigned_trees(accounts):
    for role in Role:
        seen = set(visible_accounts(of_role(accounts, role)).values_list("name", flat=True))
        assert seen == ({"own", "below"} if role in ASSIGNED_ONLY else {"own", "below", "beside", "shared"})


@pytest.mark.parametrize("role", sorted(ASSIGNED_ONLY))
def test_an_assigned_tree_is_not_seen_past_another_companys_sub_accounts(accounts, role):
    guest = builders.company("GAMMA", liquidation_user=False)
    builders.share(accounts["own"], guest)
    theirs = builders.account(guest, "theirs", parent=accounts["own"], connected=False)
    user = of_role(accounts, role)
    assert set(visible_accounts(user).values_list("name", flat=True)) == {"own", "below"}
    assert not may(builders.actor(user), Verb.VIEW, theirs)
    builders.share(theirs, user.company)
    assert may(builders.actor(user), Verb.VIEW, theirs)
    assert not may(builders.actor(user), Verb.CANCEL_ORDER, theirs)


def test_a_user_of_no_company_who_is_no_superuser_sees_nothing(accounts):
    assert not visible_accounts(User(username="nobody")).exists()
    assert not any(may(builders.actor(User(username="nobody")), verb) for verb in Verb)


def test_an_account_shared_with_several_is_seen_once(accounts):
    for _ in range(2):
        builders.share(accounts["own"], builders.company(liquidation_user=False))
    assert visible_accounts(of_role(accounts, Role.VIEW_ONLY)).filter(name="own").count() == 1


def test_an_actor_has_the_name_of_the_user_or_of_the_door():
    user = builders.superuser("root")
    names = [Actor(Door.API, user).name, ENGINE.name, TASK.name, PLATFORM.name]
    assert names == ["root", "engine", "task", "command"]
    kinds = [(actor.is_engine, actor.is_console, actor.is_platform) for actor in (ENGINE, TASK, PLATFORM)]
    assert kinds == [(True, False, False), (True, False, False), (False, True, True)]
    assert not Actor(Door.COMMAND, user).is_console
    assert not Actor(Door.ADMIN, user).is_engine
