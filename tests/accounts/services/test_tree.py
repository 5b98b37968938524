"""The tree of accounts: its stored closure is what the rules compute, whatever was made and moved."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from accounts.errors import InvalidValue, NotFound, NotPermitted
from accounts.models import Account, AccountPath
from accounts.permissions import visible_accounts
from accounts.rules.audit import AuditAction
from accounts.rules.hierarchy import ancestors, subtree
from accounts.selectors import lineage_ids, subtree_ids
from accounts.services import sharing, structure
from tests import builders
from tests.accounts.evidence import only_entry, snapshot
from tests.builders import NOW


def stored_closure():
    return set(AccountPath.objects.values_list("ancestor_id", "descendant_id", "depth"))


def computed_closure():
    parents = dict(Account.objects.values_list("pk", "parent_id"))
    return {
        (above, account_id, depth)
        for account_id in parents
        for depth, above in enumerate((account_id, *ancestors(account_id, parents)))
    }


def move(account, parent, actor=None):
    return structure.move_account(
        account_id=account.pk, parent=parent, actor=actor or builders.platform(), now=NOW, reason="reorganized"
    )


STEPS = st.lists(
    st.tuples(st.booleans(), st.integers(0, 9), st.one_of(st.none(), st.integers(0, 9))), min_size=1, max_size=16
)


class TestClosure(TestCase):
    """Hypothesis' own test case, so that each example starts on an empty desk."""

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(STEPS)
    def test_the_closure_is_right_after_any_creates_and_moves(self, steps):
        firm = builders.company("ALPHA", liquidation_user=False)
        accounts = [builders.account(firm, connected=False)]
        for creates, which, under in steps:
            parent = None if under is None else accounts[under % len(accounts)]
            if creates:
                accounts.append(builders.account(firm, parent=parent, connected=False))
                continue
            account = accounts[which % len(accounts)]
            parents = dict(Account.objects.values_list("pk", "parent_id"))
            if parent is not None and parent.pk in subtree(account.pk, parents):
                with pytest.raises(InvalidValue):
                    move(account, parent)
            else:
                move(account, parent)
        assert stored_closure() == computed_closure()


@pytest.fixture
def family(db):
    firm = builders.company("ALPHA")
    top = builders.account(firm, "top")
    middle = builders.account(firm, "middle", parent=top)
    return top, middle, builders.account(firm, "bottom", parent=middle)


def test_a_move_takes_everything_below_along(family):
    top, middle, bottom = family
    other = builders.account(top.company, "other")
    assert move(middle, other)
    assert lineage_ids(bottom.pk) == [bottom.pk, middle.pk, other.pk]
    assert subtree_ids(top.pk) == [top.pk]
    assert subtree_ids(other.pk) == [other.pk, middle.pk, bottom.pk]
    entry = only_entry(AuditAction.ACCOUNT_MOVED)
    assert (entry.before, entry.after, entry.reason) == ({"parent": "top"}, {"parent": "other"}, "reorganized")


def test_a_move_to_the_top_leaves_no_ancestor(family):
    _, middle, bottom = family
    assert move(middle, None)
    assert lineage_ids(bottom.pk) == [bottom.pk, middle.pk]
    assert only_entry(AuditAction.ACCOUNT_MOVED).after == {"parent": None}


def test_a_move_to_where_the_account_is_does_nothing(family):
    top, middle, _ = family
    before = snapshot()
    assert not move(middle, top)
    assert not move(top, None)
    assert snapshot() == before


@pytest.mark.parametrize(("which", "under"), [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2)])
def test_a_cycle_is_refused(family, which, under):
    before = snapshot()
    with pytest.raises(InvalidValue) as caught:
        move(family[which], family[under])
    assert caught.value.field == "parent"
    assert snapshot() == before


def test_an_account_does_not_move_under_another_companys_account_but_under_a_shared_one(family):
    _, _, bottom = family
    other = builders.account(builders.company("BETA"), "theirs")
    with pytest.raises(InvalidValue):
        move(bottom, other)
    builders.share(other, bottom.company)
    assert move(bottom, other)


def test_a_stranger_moves_nothing(family):
    with pytest.raises(NotFound):
        move(family[1], None, builders.actor(builders.admin(builders.company("OMEGA"))))


# sharing


@pytest.fixture
def guest(db):
    return builders.company("BETA")


def share(account, company, actor=None):
    return sharing.share_account(account_id=account.pk, company=company, actor=actor or builders.platform(), now=NOW)


def unshare(account, company):
    return sharing.unshare_account(
        account_id=account.pk, company=company, actor=builders.platform(), now=NOW, reason="over"
    )


def test_a_shared_account_is_seen_and_no_other(family, guest):
    middle = family[1]
    assert share(middle, guest)
    assert not share(middle, guest)
    assert set(visible_accounts(builders.admin(guest))) == {middle}
    assert only_entry(AuditAction.ACCOUNT_SHARED).after == {"with": "BETA"}


def test_an_account_is_not_shared_with_its_owner(family):
    with pytest.raises(InvalidValue) as caught:
        share(family[0], family[0].company)
    assert caught.value.field == "company"


def test_a_shared_account_is_not_shared_on(family, guest):
    share(family[0], guest)
    administrator = builders.actor(builders.admin(guest, username="guest-admin"))
    before = snapshot()
    with pytest.raises(NotPermitted):
        share(family[0], builders.company("OMEGA", liquidation_user=False), administrator)
    assert snapshot()["AccountShare"] == before["AccountShare"]


def test_a_share_ends_only_when_nothing_of_the_other_company_hangs_there(family, guest):
    top = family[0]
    share(top, guest)
    below = builders.account(guest, "B-1", parent=top)
    with pytest.raises(InvalidValue) as caught:
        unshare(top, guest)
    assert caught.value.field == "company"
    structure.close_account(account_id=below.pk, actor=builders.platform(), now=NOW, reason="left")
    assert unshare(top, guest)
    assert not unshare(top, guest)
    entry = only_entry(AuditAction.ACCOUNT_UNSHARED)
    assert (entry.before, entry.reason) == ({"with": "BETA"}, "over")
    assert not visible_accounts(builders.admin(guest)).filter(pk=top.pk).exists()
