"""The read-only tabs of an account's page."""

from django.db.models import QuerySet
from django.urls import reverse

from accounts.admin.tables import Cell, Table, audit_rows, moment, number, price_cell, words
from accounts.models import (
    Account,
    AccountAssignment,
    AccountLock,
    AccountShare,
    AuditEntry,
    Mark,
    Order,
    Position,
)
from accounts.rules.pnl import open_pnl, realized_pnl
from accounts.selectors import connections_of, lineage_ids, subtree_ids, working_orders
from accounts.selectors.figures import contract_spec
from liquidation.models import LiquidationRun

SHOWN = 50
"""Rows of a tab; the link above the table leads to all of them."""


def panels_of(account: Account) -> list[Table]:
    """Return the tabs in the order in which they are shown."""
    tree = subtree_ids(account.pk)
    return [
        _positions(tree),
        _orders(tree),
        _locks(account),
        _runs(account),
        _connections(account),
        _sharing(account),
        _users(account),
        _changes(account),
    ]


def account_link(account: Account) -> Cell:
    """Return the account's name as a link to its page."""
    return Cell(account.name, reverse("admin:accounts_account_change", args=[account.pk]))


def _positions(tree: list[int]) -> Table:
    rows = Position.objects.filter(account__in=tree).select_related("account", "instrument").order_by("account", "id")
    marks = {mark.instrument_id: mark for mark in Mark.objects.filter(instrument__positions__account__in=tree)}
    held = [position for position in rows if position.net or position.bought or position.sold][:SHOWN]
    columns = ("Account", "Contract", "Net", "Start of day", "Bought", "Sold", "Mark", "Realized P/L", "Open P/L", "")
    cells = [_position_row(position, marks.get(position.instrument_id)) for position in held]
    empty = "No positions on this account or below it."
    return Table("positions", "Positions", columns, cells, empty)


def _position_row(position: Position, mark: Mark | None) -> list[Cell]:
    spec = contract_spec(position.instrument)
    opened = None if mark is None else open_pnl(position.holding, mark.price, spec)
    return [
        account_link(position.account),
        Cell(position.instrument.symbol),
        number(position.net),
        number(position.prev_pos),
        number(position.bought),
        number(position.sold),
        price_cell(mark.price if mark else None),
        number(realized_pnl(position.holding, spec)),
        number(opened),
        Cell(position.instrument.currency),
    ]


def _orders(tree: list[int]) -> Table:
    columns = ("Account", "Contract", "Side", "Left", "Quantity", "Type", "Price", "Status", "Order id")
    rows = [
        [account_link(order.account), Cell(order.instrument.symbol), *_order_cells(order)]
        for order in working_orders(tree)[:SHOWN]
    ]
    return Table("orders", "Working orders", columns, rows, "No working orders on this account or below it.")


def _order_cells(order: Order) -> list[Cell]:
    return [
        Cell(words(order.side)),
        number(order.leaves_qty),
        number(order.qty),
        Cell(words(order.type)),
        price_cell(order.price if order.price is not None else order.stop_price),
        Cell(words(order.status)),
        Cell(order.client_order_id),
    ]


def _locks(account: Account) -> Table:
    columns = ("On", "Cause", "Mode", "Opened", "By", "Reason", "Lifts", "Released", "Released by", "Why released")
    locks = AccountLock.objects.filter(account__in=lineage_ids(account.pk)).select_related("account")[:SHOWN]
    rows = [
        [
            account_link(lock.account),
            Cell(words(lock.cause)),
            Cell(words(lock.mode), tone="" if lock.released_at else "danger" if lock.mode == "LOCKED" else "warning"),
            moment(lock.opened_at),
            Cell(lock.opened_by),
            Cell(lock.reason),
            moment(lock.release_due_at) if lock.release_due_at else Cell("By a person"),
            moment(lock.released_at) if lock.released_at else Cell("In force", tone="danger"),
            Cell(lock.released_by),
            Cell(lock.release_reason),
        ]
        for lock in locks
    ]
    return Table("locks", "Locks", columns, rows, "Never locked, nor any account above it.")


def _runs(account: Account) -> Table:
    columns = ("Run", "State", "Cause", "Requested", "By", "Ended", "Why")
    rows = [run_row(run) for run in LiquidationRun.objects.filter(account=account)[:SHOWN]]
    return Table("runs", "Runs", columns, rows, "Never liquidated.")


def run_row(run: LiquidationRun) -> list[Cell]:
    """Return a liquidation as a row."""
    return [
        Cell(f"Run {run.pk}", reverse("admin:liquidation_liquidationrun_change", args=[run.pk])),
        Cell(words(run.state), tone=run_tone(run)),
        Cell(words(run.cause)),
        moment(run.requested_at, milliseconds=True),
        Cell(run.requested_by),
        moment(run.ended_at, milliseconds=True),
        Cell(words(run.reason)),
    ]


def run_tone(run: LiquidationRun) -> str:
    """Return the color of a run's state."""
    if run.is_active:
        return "warning"
    return {"FLAT": "success", "NEEDS_OPERATOR": "danger"}.get(run.state, "info")


def _connections(account: Account) -> Table:
    found = connections_of(account)
    rows = [[Cell(exchange), Cell(found[exchange].name), Cell(found[exchange].gateway)] for exchange in sorted(found)]
    empty = "No connection: orders of this account reach no exchange."
    return Table("connections", "Connections", ("Exchange", "Connection", "Gateway"), rows, empty)


def _sharing(account: Account) -> Table:
    shares = AccountShare.objects.filter(account=account).select_related("company").order_by("company__name")
    rows = [[Cell(share.company.name), moment(share.created_at)] for share in shares[:SHOWN]]
    return Table("sharing", "Sharing", ("Shared with", "Since"), rows, "Shared with no other company.")


def _users(account: Account) -> Table:
    lineage = lineage_ids(account.pk)
    rows = AccountAssignment.objects.filter(account__in=lineage).select_related("user", "account")
    cells = [
        [Cell(row.user.get_username()), Cell(row.user.get_role_display()), account_link(row.account)]
        for row in rows.order_by("user__username")[:SHOWN]
    ]
    return Table("assigned", "Users", ("User", "Role", "Assigned to"), cells, "No user is assigned to this account.")


def _changes(account: Account) -> Table:
    entries: QuerySet[AuditEntry] = AuditEntry.objects.filter(account=account)[:SHOWN]
    columns = ("When (UTC)", "Who", "What", "Change", "Reason")
    href = f"{reverse('admin:accounts_auditentry_changelist')}?account__id__exact={account.pk}"
    return Table(
        "changes", "Change log", columns, audit_rows(list(entries), with_object=False), "No changes yet.", href
    )
