"""What the database itself refuses, whoever asks."""

from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from accounts.models import (
    Account,
    AccountAssignment,
    AccountConnection,
    AccountPath,
    AccountShare,
    AdminActionRecord,
    ApiToken,
    AuditEntry,
    AuditSeal,
    Company,
    CurrencyRate,
    Fill,
    Instrument,
    Mark,
    Order,
    Position,
    ProductMargin,
    SodRecord,
    User,
    UserCredit,
    UserExchangeSetting,
)
from accounts.rules.audit import AuditAction
from accounts.rules.pnl import Side
from accounts.services import audit
from tests import builders
from tests.builders import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk():
    firm = builders.company("ALPHA")
    account = builders.account(firm, "A-1")
    builders.account(firm, "A-2")
    builders.share(account, builders.company("BETA"))
    builders.trader(firm, account, username="ann")
    builders.position(account)
    builders.fill(account, side=Side.BUY)
    builders.working_order(account, client_order_id="one")
    builders.working_order(account, client_order_id="two")
    builders.rate()
    builders.mark()
    return account


UPDATES = [
    (Account, {"name": "A-1"}),
    (Account, {"name": ""}),
    (Account, {"type": "PIGGY_BANK"}),
    (Company, {"name": "ALPHA"}),
    (CurrencyRate, {"rate": Decimal(0)}),
    (CurrencyRate, {"target": "EUR"}),
    (Fill, {"qty": 0}),
    (Instrument, {"tick_size": 0}),
    (Instrument, {"tick_value": Decimal(-1)}),
    (Order, {"qty": 0}),
    (Order, {"filled_qty": 2}),
    (Order, {"side": "HOLD"}),
    (Order, {"status": "LOST"}),
    (Order, {"type": "GUESS"}),
    (Order, {"price": None}),
    (Order, {"client_order_id": "one"}),
    (ProductMargin, {"initial": Decimal(-1)}),
    (ProductMargin, {"maintenance": Decimal(-1)}),
    (ProductMargin, {"spread": Decimal(-1)}),
    (User, {"role": "KING"}),
    (User, {"company": None, "is_superuser": False}),
    (UserCredit, {"daily_limit": Decimal(-1)}),
    (UserCredit, {"override_reset": True}),
    (UserCredit, {"rule": "GUESS"}),
    (UserExchangeSetting, {"operator_id": ""}),
]


@pytest.mark.parametrize(("model", "values"), UPDATES)
def test_what_cannot_be_is_refused(desk, model, values):
    with pytest.raises(IntegrityError), transaction.atomic():
        model.objects.update(**values)


@pytest.mark.parametrize(
    "model",
    [
        AccountAssignment,
        AccountConnection,
        AccountPath,
        AccountShare,
        CurrencyRate,
        Fill,
        Position,
        SodRecord,
        UserExchangeSetting,
    ],
)
def test_each_pair_is_there_once(desk, model):
    row = model.objects.first()
    row.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save(force_insert=True)


def test_an_account_is_not_its_own_parent(desk):
    with pytest.raises(IntegrityError), transaction.atomic():
        Account.objects.filter(pk=desk.pk).update(parent=desk.pk)


@pytest.mark.parametrize(
    ("spread", "is_held"), [("200.000001", False), ("200", True), ("199.999999", True), (None, True)]
)
def test_a_spread_costs_at_most_its_two_legs(spread, is_held):
    def write():
        builders.margin("ES", initial="100", maintenance="90", spread=spread)

    if is_held:
        write()
        return
    with pytest.raises(IntegrityError), transaction.atomic():
        write()


def test_every_row_names_itself_for_people(desk):
    builders.lock(desk)
    audit.seal()
    action = AdminActionRecord(account=desk, action="Normal")
    token = ApiToken(user=builders.superuser(), expires_at=NOW)
    sealed = AuditSeal.objects.get(entry=AuditEntry.objects.get(action=AuditAction.ACCOUNT_LOCKED))
    texts = {
        str(desk): "A-1",
        str(desk.company): "ALPHA",
        str(desk.paths_up.get()): f"{desk.pk} > {desk.pk} (0)",
        str(desk.assignments.get()): "ann on A-1",
        str(desk.shares.get()): "A-1 with BETA",
        str(desk.account_connections.get(connection__exchange="CME")): "A-1: CME (CME)",
        str(desk.credit): "Credit of A-1",
        str(desk.auto_liq): "Auto-liquidation limits of A-1",
        str(desk.session): "A-1 2026-11-20",
        str(desk.sod_records.get()): "A-1 2026-11-20 1 ESZ6",
        str(desk.positions.get()): "A-1 2 ESZ6",
        str(desk.orders.first()): "BUY 1 ESZ6 (one)",
        str(desk.fills.get()): "BUY 1 ESZ6 at 6000",
        str(desk.locks.get()): "A-1: ADMIN LOCKED",
        str(action): "A-1: Normal",
        str(token): "platform until 2026-11-20 15:00",
        str(User.objects.get(username="ann").credit): "Credit of ann",
        str(Mark.objects.get()): "ESZ6 6000",
        str(ProductMargin.objects.get()): "ES margin",
        str(CurrencyRate.objects.get()): "EUR/USD 1.35",
        str(sealed.entry): "2026-11-20 15:00:00 account.locked A-1",
        str(sealed): sealed.hash,
    }
    assert {text: text for text in texts} == texts
    setting = UserExchangeSetting.objects.get(user__username="ann")
    assert str(setting) == f"CME: {setting.operator_id}"
