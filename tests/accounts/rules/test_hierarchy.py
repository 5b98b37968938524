"""The account tree: ancestors, sums, and the one level whose auto-liquidate acts."""

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.rules.hierarchy import (
    AccountType,
    AutoLiquidateSetting,
    LevelStatus,
    LevelVerdict,
    ancestors,
    auto_liquidate_levels,
    effective_reset,
    level_reason,
    reset_override_conflicts,
    roll_up,
    subtree,
    would_cycle,
)
from accounts.rules.sessions import ResetOverride

FAMILY = {1: None, 2: 1, 3: 2, 4: 1, 9: None}
AT_17 = ResetOverride(dt.time(17), "America/Chicago")
AT_18 = ResetOverride(dt.time(18), "America/Chicago")


@st.composite
def trees(draw):
    """Trees whose ids say nothing about who is above whom."""
    ids = draw(st.permutations(range(1, draw(st.integers(1, 12)) + 1)))
    return {account_id: draw(st.sampled_from([None, *ids[:place]])) for place, account_id in enumerate(ids)}


def levels(parents, **settings):
    """Settings by name a1, a2 …: "on", "off" or "on, not routing"."""
    stored = {
        int(name[1:]): AutoLiquidateSetting(int(name[1:]), value.startswith("on"), "not routing" not in value)
        for name, value in settings.items()
    }
    return auto_liquidate_levels(stored, parents)


def test_both_routing_types_route_and_the_third_does_not():
    assert [kind.is_routing for kind in AccountType] == [True, True, False]


def test_ancestors_come_nearest_first():
    assert ancestors(3, FAMILY) == (2, 1)
    assert ancestors(1, FAMILY) == ()


def test_an_account_the_tree_does_not_know_stands_alone():
    assert ancestors(77, FAMILY) == ()
    assert subtree(77, FAMILY) == {77}


@pytest.mark.parametrize("circle", [{1: 1}, {1: 2, 2: 1}, {1: 2, 2: 3, 3: 2}])
def test_a_circle_is_refused_by_every_walk(circle):
    for walk in (lambda: ancestors(1, circle), lambda: roll_up({}, circle), lambda: auto_liquidate_levels({}, circle)):
        with pytest.raises(ValueError, match="below itself"):
            walk()


def test_a_circle_is_refused_on_the_way_down():
    with pytest.raises(ValueError, match="below itself"):
        subtree(1, {1: 2, 2: 1})


def test_a_subtree_is_the_account_and_all_below():
    assert subtree(1, FAMILY) == {1, 2, 3, 4}
    assert subtree(2, FAMILY) == {2, 3}


@pytest.mark.parametrize(
    ("account_id", "new_parent_id", "expected"),
    [(1, 3, True), (1, 1, True), (2, 3, True), (3, 1, False), (2, 4, False), (2, 9, False), (2, None, False)],
)
def test_an_account_cannot_hang_below_itself(account_id, new_parent_id, expected):
    assert would_cycle(account_id, new_parent_id, FAMILY) is expected


@given(trees(), st.data())
def test_a_move_is_a_cycle_exactly_when_the_new_parent_is_in_the_subtree(parents, data):
    account_id, new_parent_id = (data.draw(st.sampled_from(sorted(parents))) for _ in "ab")
    assert would_cycle(account_id, new_parent_id, parents) is (new_parent_id in subtree(account_id, parents))


@given(trees())
def test_ancestors_and_subtrees_say_the_same(parents):
    for above in parents:
        assert subtree(above, parents) == {one for one in parents if one == above or above in ancestors(one, parents)}


@given(trees(), st.data())
def test_a_rolled_up_amount_is_the_sum_of_the_subtree(parents, data):
    amounts = {account_id: data.draw(st.decimals(-(10**12), 10**12, places=6)) for account_id in parents}
    for account_id, total in roll_up(amounts, parents).items():
        assert total == sum(amounts[one] for one in subtree(account_id, parents))


def test_a_rolled_up_amount_is_never_rounded():
    tiny, huge = Decimal("0.000001"), Decimal(10) ** 30
    assert str(roll_up({1: huge, 2: tiny}, {1: None, 2: 1})[1]).endswith(".000001")


def test_an_account_without_an_amount_counts_as_zero_and_one_without_a_place_stands_alone():
    assert roll_up({8: Decimal(7)}, {1: None}) == {1: 0, 8: 7}


OFF, ON, IGNORED, INACTIVE = (
    LevelStatus.OFF,
    LevelStatus.EFFECTIVE,
    LevelStatus.IGNORED_ANCESTOR_ACTIVE,
    LevelStatus.INACTIVE_NOT_ROUTING,
)


@pytest.mark.parametrize(
    ("top", "own", "below", "expected"),
    [
        ("off", "off", "off", [(OFF, None), (OFF, None), (OFF, None)]),
        ("off", "on", "off", [(OFF, None), (ON, 2), (OFF, 2)]),
        ("on", "on", "off", [(ON, 1), (IGNORED, 1), (OFF, 1)]),
        ("on", "off", "on", [(ON, 1), (OFF, 1), (IGNORED, 1)]),
        ("on", "off", "off", [(ON, 1), (OFF, 1), (OFF, 1)]),
        ("off", "on", "on", [(OFF, None), (ON, 2), (IGNORED, 2)]),
        ("off", "off", "on", [(OFF, None), (OFF, None), (ON, 3)]),
        ("on, not routing", "on", "off", [(INACTIVE, None), (ON, 2), (OFF, 2)]),
        ("on", "on, not routing", "on", [(ON, 1), (INACTIVE, 1), (IGNORED, 1)]),
    ],
)
def test_case_47_the_highest_active_level_of_a_path_acts(top, own, below, expected):
    found = levels({1: None, 2: 1, 3: 2}, a1=top, a2=own, a3=below)
    assert [(found[one].status, found[one].effective_account_id) for one in (1, 2, 3)] == expected


def test_case_52_siblings_act_each_alone():
    found = levels({1: None, 2: 1, 3: 1}, a2="on", a3="on")
    assert {one: verdict.effective_account_id for one, verdict in found.items()} == {1: None, 2: 2, 3: 3}


def test_case_56_a_setting_on_a_non_routing_account_is_inactive():
    assert levels({1: None}, a1="on, not routing")[1] == LevelVerdict(INACTIVE, None)


@given(trees(), st.data())
def test_at_most_one_level_acts_on_a_path_and_it_is_the_highest_active_one(parents, data):
    settings = {one: AutoLiquidateSetting(one, data.draw(st.booleans()), data.draw(st.booleans())) for one in parents}
    found = auto_liquidate_levels(settings, parents)
    for one in parents:
        path = [*reversed(ancestors(one, parents)), one]
        active = [level for level in path if settings[level].is_on and settings[level].is_routing]
        assert found[one].effective_account_id == (active[0] if active else None)
        assert sum(found[level].status is ON for level in path) == bool(active)


def test_a_deep_tree_takes_no_recursion():
    deep = {one: one - 1 or None for one in range(1, 20_001)}
    assert levels(deep, a1="on")[20_000].effective_account_id == 1
    assert len(ancestors(20_000, deep)) == 19_999
    assert len(subtree(1, deep)) == 20_000


@pytest.mark.parametrize(
    ("verdict", "sentence"),
    [
        (LevelVerdict(ON, 2), "Auto-liquidate on this account acts for it and for everything below it."),
        (LevelVerdict(OFF, None), "Off here: no account acts for it."),
        (LevelVerdict(OFF, 1), "Off here: auto-liquidate on HOUSE acts for this account."),
        (LevelVerdict(IGNORED, 1), "Ignored: auto-liquidate on HOUSE acts for this account."),
        (LevelVerdict(INACTIVE, None), "Inactive, because the account is not routable: no account acts for it."),
        (
            LevelVerdict(INACTIVE, 1),
            "Inactive, because the account is not routable: auto-liquidate on HOUSE acts for this account.",
        ),
    ],
)
def test_each_verdict_is_explained_in_a_sentence(verdict, sentence):
    assert level_reason(verdict, {1: "HOUSE"}) == sentence


def test_a_verdict_by_an_account_without_a_name_is_not_made_up():
    with pytest.raises(KeyError):
        level_reason(LevelVerdict(OFF, 5), {})


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({}, None),
        ({3: None}, None),
        ({3: AT_18}, AT_18),
        ({1: AT_17, 3: AT_18}, AT_17),
        ({1: None, 2: AT_17, 3: AT_18}, AT_17),
        ({4: AT_18}, None),
    ],
)
def test_the_highest_override_on_the_way_up_binds(overrides, expected):
    assert effective_reset(3, overrides, FAMILY) == expected


def test_case_58_a_child_cannot_hold_another_reset_time_than_its_parent():
    assert reset_override_conflicts(2, AT_18, {1: AT_17}, FAMILY)
    assert not reset_override_conflicts(2, AT_17, {1: AT_17}, FAMILY)
    assert not reset_override_conflicts(2, AT_18, {2: AT_17, 3: AT_17}, FAMILY)
    assert not reset_override_conflicts(1, AT_18, {1: AT_17}, FAMILY)


def test_case_59_clearing_the_parents_override_frees_the_children():
    assert effective_reset(3, {1: AT_17}, FAMILY) == AT_17
    assert effective_reset(3, {1: None}, FAMILY) is None
