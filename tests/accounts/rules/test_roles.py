"""Roles: who may ever do what; above all, who may never loosen."""

import pytest

from accounts.rules.roles import ALLOWED, ENGINE_VERBS, Role, Verb, role_may

LOOSENING = {verb for verb in Verb if verb.startswith(("UNLOCK", "EDIT_")) or verb in {Verb.END_RUN, Verb.SHARE}}


def verbs(role):
    return {verb for verb in Verb if role_may(role, verb)}


def test_a_company_administrator_may_do_everything():
    assert verbs(Role.COMPANY_ADMIN) == set(Verb)


def test_case_65_an_account_administrator_never_touches_the_credit_loss_box():
    assert verbs(Role.ACCOUNT_ADMIN) == {
        "VIEW",
        "LOCK",
        "UNLOCK",
        "EDIT_CREDIT",
        "EDIT_SOD",
        "EDIT_ACCOUNT",
        "CANCEL_ORDER",
        "PLACE_ORDER",
    }


def test_a_risk_operator_may_make_safer_and_never_looser():
    assert verbs(Role.RISK_OPERATOR) == {"VIEW", "LOCK", "LIQUIDATE", "CANCEL_ORDER", "RESUME_RUN"}
    assert verbs(Role.RISK_OPERATOR).isdisjoint(LOOSENING)


def test_case_67_view_only_may_only_look():
    assert verbs(Role.VIEW_ONLY) == {"VIEW"}


def test_a_trader_trades_and_may_lock_himself_out():
    assert verbs(Role.TRADER) == {"VIEW", "PLACE_ORDER", "CANCEL_ORDER", "LOCK"}


def test_the_engine_never_unlocks_or_edits():
    assert ENGINE_VERBS.isdisjoint(LOOSENING)
    assert {"LOCK", "LIQUIDATE", "CANCEL_ORDER", "RESUME_RUN", "PLACE_ORDER", "VIEW", "PUSH_DATA"} == ENGINE_VERBS


def test_every_role_has_an_entry_and_may_look():
    assert set(ALLOWED) == set(Role)
    assert all(role_may(role, Verb.VIEW) for role in Role)


def test_the_table_cannot_be_changed_while_running():
    with pytest.raises(TypeError):
        ALLOWED[Role.TRADER] = frozenset(Verb)
