"""Account sharing: the owner keeps control, the shared-with company may only tighten below."""

import pytest

from accounts.rules.sharing import (
    Relation,
    may_edit_settings,
    may_hang_under,
    may_lock,
    may_set_credit_loss,
    may_share_on,
    relation,
)

OWNER, SHARED_WITH, NONE = Relation


@pytest.mark.parametrize(
    ("company_id", "expected"), [(1, OWNER), (2, SHARED_WITH), (3, NONE)], ids=["owner", "shared with", "stranger"]
)
def test_a_company_owns_shares_or_has_nothing(company_id, expected):
    assert relation(company_id, 1, {2}) is expected


def test_an_owner_among_the_shares_stays_the_owner():
    assert relation(1, 1, {1, 2}) is OWNER


def allowed(rule, **options):
    return {one: rule(one, **options).allowed for one in Relation}


def test_owner_and_shared_with_company_may_hang_accounts_under_it():
    assert allowed(may_hang_under) == {OWNER: True, SHARED_WITH: True, NONE: False}


def test_case_62_only_the_owner_edits_settings():
    assert allowed(may_edit_settings) == {OWNER: True, SHARED_WITH: False, NONE: False}
    assert may_edit_settings(SHARED_WITH).reason.startswith("Only the account's owner may change the account")


def test_case_64_a_shared_account_is_not_shared_on():
    assert allowed(may_share_on) == {OWNER: True, SHARED_WITH: False, NONE: False}


def test_case_63_the_shared_with_company_sets_the_credit_loss_action_while_the_owner_has_none():
    assert allowed(may_set_credit_loss, owner_has_setting=False) == {OWNER: True, SHARED_WITH: True, NONE: False}
    assert allowed(may_set_credit_loss, owner_has_setting=True) == {OWNER: True, SHARED_WITH: False, NONE: False}


def test_only_the_owner_locks_but_the_engine_may():
    assert allowed(may_lock) == {OWNER: True, SHARED_WITH: False, NONE: False}
    assert allowed(may_lock, by_engine=True) == {OWNER: True, SHARED_WITH: True, NONE: False}


@pytest.mark.parametrize("one", Relation)
def test_every_decision_gives_a_sentence(one):
    decisions = [
        may_hang_under(one),
        may_edit_settings(one),
        may_share_on(one),
        may_set_credit_loss(one, owner_has_setting=True),
        may_set_credit_loss(one, owner_has_setting=False),
        may_lock(one),
        may_lock(one, by_engine=True),
    ]
    assert all(decision.reason.endswith(".") and decision.reason[0].isupper() for decision in decisions)
