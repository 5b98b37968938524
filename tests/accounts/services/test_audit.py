"""The audit: append-only by the database's own refusal, chained, and verifiable."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from accounts.models import AuditEntry, AuditSeal, guards
from accounts.permissions import ENGINE, PLATFORM, Actor, Door
from accounts.rules.audit import FIRST_HASH, AuditAction
from accounts.rules.locks import LockCause
from accounts.services import audit
from tests import builders
from tests.builders import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def firm():
    return builders.company("ALPHA", liquidation_user=False)


def record(firm, number=1, **more):
    return audit.record(
        actor=ENGINE,
        action=AuditAction.COMPANY_CHANGED,
        now=NOW,
        subject=firm,
        company=firm,
        after={"number": number},
        **more,
    )


def tampered(statement, *parameters):
    """Change the tables as someone with the database's own rights would: the guards taken away first."""
    guards.remove(connection)
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
    guards.install(connection)


# append-only


@pytest.mark.parametrize("model", [AuditEntry, AuditSeal])
@pytest.mark.parametrize("how", ["save", "delete", "queryset update", "queryset delete", "UPDATE", "DELETE"])
def test_the_database_refuses_to_change_or_delete_what_is_written(firm, model, how):
    record(firm)
    audit.seal()
    row, table = model.objects.order_by("pk").first(), model._meta.db_table
    field = "reason" if model is AuditEntry else "hash"
    before = list(model.objects.order_by("pk").values_list())

    def save():
        setattr(row, field, "rewritten")
        row.save()

    def raw(statement):
        with connection.cursor() as cursor:
            cursor.execute(statement)

    attempts = {
        "save": save,
        "delete": lambda: (
            AuditSeal.objects.get(pk=row.pk).delete() if model is AuditSeal else raw(f"DELETE FROM {table}")
        ),
        "queryset update": lambda: model.objects.update(**{field: "rewritten"}),
        "queryset delete": lambda: model.objects.all()._raw_delete("default"),
        "UPDATE": lambda: raw(f"UPDATE {table} SET {field} = 'rewritten'"),
        "DELETE": lambda: raw(f"DELETE FROM {table}"),
    }
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        attempts[how]()
    assert list(model.objects.order_by("pk").values_list()) == before


def test_the_orm_keeps_a_sealed_entry_too(firm):
    entry = record(firm)
    audit.seal()
    with pytest.raises(IntegrityError), transaction.atomic():
        entry.delete()


def test_guards_are_put_in_place_again_and_taken_away_without_harm(firm):
    assert guards.are_installed(connection)
    guards.install(connection)
    assert guards.are_installed(connection)
    guards.remove(connection)
    guards.remove(connection)
    assert not guards.are_installed(connection)
    guards.install_after_migrate(using="default")
    assert guards.are_installed(connection)


def test_before_the_tables_are_made_there_is_nothing_to_guard(firm, monkeypatch):
    guards.remove(connection)
    monkeypatch.setattr(guards, "TABLES", ("accounts_not_made_yet", "accounts_nor_this"))
    guards.install_after_migrate(using="default")
    assert not guards.are_installed(connection)
    monkeypatch.undo()
    guards.install(connection)


# what an entry says


def test_an_entry_names_who_what_and_of_which_account(firm):
    account = builders.account(firm, "A-1")
    user = builders.admin(firm, username="boss")
    entry = audit.record(
        actor=Actor(Door.API, user, "10.0.0.1"),
        action=AuditAction.ACCOUNT_CHANGED,
        now=NOW,
        subject=account,
        before={"notes": ""},
        after={"notes": "x"},
        reason="asked for",
    )
    entry.refresh_from_db()
    assert (entry.actor, entry.user, entry.door, entry.address) == ("boss", user, "API", "10.0.0.1")
    assert (entry.object_type, entry.object_id, entry.object_name) == ("account", account.pk, "A-1")
    assert (entry.account, entry.company, entry.at, entry.reason) == (account, firm, NOW, "asked for")
    assert (entry.before, entry.after) == ({"notes": ""}, {"notes": "x"})


def test_an_entry_of_another_thing_may_name_its_account_and_one_of_nobody_names_none(firm):
    account = builders.account(firm, "A-1")
    assert record(firm, account=account).account == account
    entry = audit.record(actor=PLATFORM, action=AuditAction.BOOK_LOADED, now=NOW, subject=builders.instrument())
    assert (entry.account, entry.company, entry.actor, entry.user) == (None, None, "command", None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("1E+3"), "1000"),
        (Decimal("0.0000005"), "0.0000005"),
        (NOW, "2026-11-20T15:00:00+00:00"),
        (date(2026, 11, 20), "2026-11-20"),
        (time(17, 30), "17:30:00"),
        ({1: Decimal(1)}, {"1": "1"}),
        ([Decimal(1), (None,)], ["1", [None]]),
        (LockCause.ADMIN, "ADMIN"),
        (True, True),
        (None, None),
    ],
)
def test_figures_and_times_are_kept_as_text_without_loss(value, expected):
    assert audit.plain(value) == expected


# the chain


def test_every_entry_is_sealed_once_and_the_chain_holds(firm):
    for number in range(3):
        record(firm, number)
    waiting = AuditEntry.objects.count()
    assert audit.seal() == waiting
    assert audit.seal() == 0
    record(firm, 9)
    assert audit.seal() == 1
    assert audit.verify() == audit.AuditVerification(is_intact=True, entries=waiting + 1, first_broken_id=None)
    links = list(AuditSeal.objects.order_by("id"))
    assert links[0].previous_hash == FIRST_HASH
    assert [link.previous_hash for link in links[1:]] == [link.hash for link in links[:-1]]


def test_an_empty_chain_holds():
    assert audit.seal() == 0
    assert audit.verify() == audit.AuditVerification(is_intact=True, entries=0, first_broken_id=None)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("after", '{"number": 99}'),
        ("before", '{"number": 99}'),
        ("reason", "for a friend"),
        ("actor", "somebody else"),
        ("action", "account.unlocked"),
        ("address", "10.0.0.1"),
        ("at", datetime(2026, 11, 20, 15, 0, 1, tzinfo=UTC)),
    ],
)
def test_an_edited_entry_is_found_whichever_column_was_edited(firm, column, value):
    entries = [record(firm, number) for number in range(4)]
    audit.seal()
    edited = entries[1]
    tampered(f"UPDATE accounts_auditentry SET {column} = %s WHERE id = %s", value, edited.pk)
    found = audit.verify()
    assert (found.is_intact, found.first_broken_id) == (False, edited.pk)


def test_of_several_edited_entries_the_first_is_named(firm):
    entries = [record(firm, number) for number in range(4)]
    audit.seal()
    tampered("UPDATE accounts_auditentry SET reason = 'x' WHERE id IN (%s, %s)", entries[3].pk, entries[2].pk)
    assert audit.verify().first_broken_id == entries[2].pk


def test_an_entry_taken_out_breaks_the_chain_at_the_next(firm):
    entries = [record(firm, number) for number in range(4)]
    audit.seal()
    tampered("DELETE FROM accounts_auditseal WHERE entry_id = %s", entries[1].pk)
    assert audit.verify().first_broken_id == entries[2].pk


def test_a_forged_link_is_found(firm):
    entries = [record(firm, number) for number in range(3)]
    audit.seal()
    tampered("UPDATE accounts_auditseal SET hash = %s WHERE entry_id = %s", "f" * 64, entries[1].pk)
    assert audit.verify().first_broken_id == entries[1].pk


def test_an_entry_that_commits_late_is_sealed_out_of_order_and_the_chain_holds(firm):
    late = record(firm, 1)
    last = record(firm, 2)
    late_id, content = late.pk, list(AuditEntry.objects.filter(pk=late.pk).values())
    guards.remove(connection)
    AuditEntry.objects.filter(pk=late_id)._raw_delete("default")
    guards.install(connection)
    audit.seal()
    AuditEntry.objects.create(**content[0])  # as if its transaction had been open all the while
    assert audit.seal() == 1
    assert list(AuditSeal.objects.order_by("-id").values_list("entry_id", flat=True))[:2] == [late_id, last.pk]
    assert audit.verify().is_intact


def test_two_sealers_that_read_the_same_end_cannot_both_write(firm):
    entry, other = record(firm, 1), record(firm, 2)
    AuditSeal.objects.create(entry=entry, previous_hash=FIRST_HASH, hash="a" * 64)
    with pytest.raises(IntegrityError), transaction.atomic():
        AuditSeal.objects.create(entry=other, previous_hash=FIRST_HASH, hash="b" * 64)


def test_a_time_is_sealed_as_the_instant_it_is_in_whatever_zone_it_was_given(firm):
    tokyo = timezone(timedelta(hours=9))
    audit.record(actor=ENGINE, action=AuditAction.BOOK_LOADED, now=NOW.astimezone(tokyo), subject=firm)
    audit.seal()
    assert audit.verify().is_intact
