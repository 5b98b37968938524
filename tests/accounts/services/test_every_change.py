"""What holds for every service that writes: one audit entry in the same transaction, or nothing at all."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import time
from decimal import Decimal

import pytest

from accounts.errors import NotFound, NotPermitted
from accounts.models import Account, AuditEntry, Company, Connection, User
from accounts.permissions import Actor
from accounts.rules.audit import AuditAction
from accounts.rules.hierarchy import AccountType
from accounts.rules.locks import LockCause, LockMode
from accounts.rules.orders import OrderType
from accounts.rules.pnl import Side
from accounts.rules.roles import Role
from accounts.services import companies, limits, locks, orders, sharing, sod, structure
from tests import builders
from tests.accounts.evidence import snapshot
from tests.builders import NOW

pytestmark = pytest.mark.django_db


@dataclass
class Desk:
    """One firm with something of everything."""

    firm: Company
    guest: Company
    account: Account
    empty: Account
    administrator: User
    clerk: User
    connection: Connection

    @property
    def who(self) -> dict:
        return {"actor": builders.actor(self.administrator), "now": NOW}

    @property
    def platform(self) -> dict:
        return {"actor": Actor(builders.platform().door, builders.superuser(), "127.0.0.1"), "now": NOW}


@pytest.fixture
def desk():
    firm, guest = builders.company("ALPHA"), builders.company("BETA", liquidation_user=False)
    account = builders.account(firm, "A-1", daily_limit="10000")
    empty = builders.account(firm, "A-2", connected=False)
    builders.lock(empty)
    builders.share(empty, guest)
    builders.mark("ESZ6", "6000")
    builders.superuser()
    clerk = builders.user(firm, username="clerk")
    connection = structure.create_connection(
        company=firm, name="spare", exchange="EUREX", actor=builders.platform(), now=NOW
    )
    return Desk(firm, guest, account, empty, builders.admin(firm, username="boss"), clerk, connection)


def order(desk):
    return orders.submit_order(
        account_id=desk.account.pk, order=orders.NewOrder("ESZ6", Side.BUY, 1, OrderType.MARKET), **desk.who
    )


CHANGES: dict[str, tuple[AuditAction, Callable[[Desk], object]]] = {
    "create_company": (
        AuditAction.COMPANY_CREATED,
        lambda d: companies.create_company(name="GAMMA", **d.platform),
    ),
    "change_company": (
        AuditAction.COMPANY_CHANGED,
        lambda d: companies.change_company(company_id=d.firm.pk, changes={"carry_realized_pnl": True}, **d.who),
    ),
    "create_user": (
        AuditAction.USER_CREATED,
        lambda d: companies.create_user(
            company=d.firm, username="new", role=Role.TRADER, operator_ids={"CME": "N1"}, **d.who
        ),
    ),
    "change_user": (
        AuditAction.USER_CHANGED,
        lambda d: companies.change_user(user_id=d.clerk.pk, changes={"role": Role.TRADER}, **d.who),
    ),
    "change_user's operator ids": (
        AuditAction.USER_CHANGED,
        lambda d: companies.change_user(user_id=d.clerk.pk, changes={}, operator_ids={"CME": "C1"}, **d.who),
    ),
    "create_account": (
        AuditAction.ACCOUNT_CREATED,
        lambda d: structure.create_account(
            company=d.firm, name="A-3", account_type=AccountType.ROUTING_INTERNAL, parent=d.account, **d.who
        ),
    ),
    "change_account": (
        AuditAction.ACCOUNT_CHANGED,
        lambda d: structure.change_account(account_id=d.account.pk, changes={"notes": "watch"}, **d.who),
    ),
    "move_account": (
        AuditAction.ACCOUNT_MOVED,
        lambda d: structure.move_account(account_id=d.account.pk, parent=d.empty, reason="reorganized", **d.who),
    ),
    "close_account": (
        AuditAction.ACCOUNT_CLOSED,
        lambda d: structure.close_account(account_id=d.empty.pk, reason="left", **d.who),
    ),
    "create_connection": (
        AuditAction.CONNECTION_CHANGED,
        lambda d: structure.create_connection(company=d.firm, name="second", exchange="ICE", **d.who),
    ),
    "assign_connection": (
        AuditAction.CONNECTION_CHANGED,
        lambda d: structure.assign_connection(account_id=d.account.pk, connection=d.connection, **d.who),
    ),
    "assign_user": (
        AuditAction.ACCOUNT_CHANGED,
        lambda d: structure.assign_user(account_id=d.account.pk, user=d.clerk, **d.who),
    ),
    "share_account": (
        AuditAction.ACCOUNT_SHARED,
        lambda d: sharing.share_account(account_id=d.account.pk, company=d.guest, **d.who),
    ),
    "unshare_account": (
        AuditAction.ACCOUNT_UNSHARED,
        lambda d: sharing.unshare_account(account_id=d.empty.pk, company=d.guest, reason="over", **d.who),
    ),
    "lock_account": (
        AuditAction.ACCOUNT_LOCKED,
        lambda d: locks.lock_account(
            account_id=d.account.pk, cause=LockCause.ADMIN, mode=LockMode.LOCKED, reason="stop", **d.who
        ),
    ),
    "unlock_account": (
        AuditAction.ACCOUNT_UNLOCKED,
        lambda d: locks.unlock_account(
            account_id=d.empty.pk, causes=frozenset({LockCause.ADMIN}), reason="cleared up", **d.who
        ),
    ),
    "save_account_credit": (
        AuditAction.CREDIT_CHANGED,
        lambda d: limits.save_account_credit(
            account_id=d.account.pk, changes={"daily_limit": Decimal(20000)}, reason="asked for", **d.who
        ),
    ),
    "save_auto_liq": (
        AuditAction.AUTO_LIQ_CHANGED,
        lambda d: limits.save_auto_liq(account_id=d.account.pk, changes={"daily_loss_auto_liq": Decimal(500)}, **d.who),
    ),
    "save_user_credit": (
        AuditAction.USER_CREDIT_CHANGED,
        lambda d: limits.save_user_credit(user_id=d.clerk.pk, changes={"reset_time": time(17)}, **d.who),
    ),
    "publish_sod": (
        AuditAction.SOD_PUBLISHED,
        lambda d: sod.publish_sod(
            account_id=d.account.pk, instrument=builders.instrument(), net=2, price=Decimal(6000), **d.who
        ),
    ),
    "submit_order": (AuditAction.ORDER_SUBMITTED, order),
}
SAFE_TO_REPEAT = sorted(set(CHANGES) - {"submit_order", "publish_sod"} - {name for name in CHANGES if "create" in name})


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_writes_one_audit_entry_with_who_when_and_from_where(name, desk):
    action, change = CHANGES[name]
    last = AuditEntry.objects.order_by("-id").first()
    change(desk)
    (entry,) = AuditEntry.objects.filter(pk__gt=last.pk)
    assert (entry.action, entry.at, entry.address) == (action, NOW, "127.0.0.1")
    assert entry.user.get_username() == entry.actor
    assert entry.user in {desk.administrator, builders.superuser()}
    if name != "create_company":
        assert entry.company == desk.firm


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_whose_audit_entry_cannot_be_written_is_not_made(name, desk, monkeypatch):
    before = snapshot()

    def broken(self, *args, **kwargs):
        raise OSError("no space left on the disk")

    monkeypatch.setattr(AuditEntry, "save", broken)
    with pytest.raises(OSError, match="no space"):
        CHANGES[name][1](desk)
    assert snapshot() == before


@pytest.mark.parametrize("name", SAFE_TO_REPEAT)
def test_the_same_change_again_writes_nothing_and_no_entry(name, desk):
    CHANGES[name][1](desk)
    before = snapshot()
    CHANGES[name][1](desk)
    assert snapshot() == before


@pytest.mark.parametrize("name", sorted(set(CHANGES) - {"create_company", "save_user_credit"}))
def test_a_stranger_changes_nothing_and_learns_nothing(name, desk):
    stranger = builders.company("OMEGA", liquidation_user=False)
    desk.administrator = builders.admin(stranger)
    before = snapshot()
    with pytest.raises(NotFound, match=r"^Not found$"):
        CHANGES[name][1](desk)
    assert snapshot() == before


@pytest.mark.parametrize("name", sorted(set(CHANGES) - {"create_company"}))
def test_a_viewer_changes_nothing(name, desk):
    desk.administrator = builders.user(desk.firm, role=Role.VIEW_ONLY)
    before = snapshot()
    with pytest.raises(NotPermitted):
        CHANGES[name][1](desk)
    assert snapshot() == before


def test_only_the_platform_makes_companies(desk):
    with pytest.raises(NotFound):
        companies.create_company(name="GAMMA", **desk.who)
    assert not Company.objects.filter(name="GAMMA").exists()
