"""The builders build."""

import pytest
from django.db import connection

from accounts.models import AuditEntry, guards
from tests import builders


@pytest.mark.django_db
def test_a_firm_is_made_through_the_services():
    firm = builders.company("ALPHA")
    row = builders.account(firm, "A-1", daily_limit="10000", loss_pct="80")
    child = builders.account(firm, "A-1-1", parent=row)
    builders.position(child, "ESZ6", net=3)
    builders.working_order(child)
    builders.mark("ESZ6", "6001")
    assert row.credit.daily_limit == 10000
    assert row.session.base == 10000
    assert builders.actor(builders.admin(firm)).user.company == firm
    assert AuditEntry.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("round_", [1, 2])
def test_the_audit_is_guarded_in_transactional_tests_too(round_):
    builders.company("ALPHA")
    assert guards.are_installed(connection)
