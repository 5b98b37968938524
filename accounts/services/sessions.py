"""The session's reset: a tree of accounts closes its session as a whole and opens the next."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from django.db import transaction

from accounts.errors import InvalidValue, NotFound
from accounts.models import Account, AccountPath, AccountSession, AuditEntry, Position, SodRecord
from accounts.permissions import Actor, require
from accounts.rules.audit import AuditAction
from accounts.rules.credit import session_base
from accounts.rules.money import RateMissing, convert, round_money
from accounts.rules.pnl import Holding, realized_pnl, session_pnl, start_of_day
from accounts.rules.roles import Verb
from accounts.rules.sessions import last_reset_at, next_session_at, trading_day
from accounts.selectors import currency_rates
from accounts.selectors.figures import contract_spec
from accounts.services import audit
from accounts.services.locks import release_due_locks
from accounts.services.sod import reset_of

BATCH = 500
"""Rows in one statement."""

Amounts = defaultdict[str, Decimal]
"""Money by currency."""


@dataclass(frozen=True, slots=True)
class _Closed:
    """P/L of a closed session by the contracts' currencies; a loss is negative."""

    realized: Amounts = field(default_factory=lambda: defaultdict(Decimal))
    whole: Amounts = field(default_factory=lambda: defaultdict(Decimal))

    def add(self, other: "_Closed") -> None:
        for into, part in ((self.realized, other.realized), (self.whole, other.whole)):
            for currency, amount in part.items():
                into[currency] += amount


@dataclass(frozen=True, slots=True)
class _Opening:
    """The session that a tree opens."""

    trading_day: date
    started_at: datetime
    next_reset_at: datetime


def first_session(account: Account, *, original_balance: Decimal | None, now: datetime) -> AccountSession:
    """Return the session of a new account, not saved: its tree's session, which is running."""
    session = AccountSession(
        account=account,
        trading_day=trading_day(now),
        started_at=last_reset_at(now),
        next_reset_at=next_session_at(now),
        original_balance=original_balance,
        balance=original_balance,
    )
    if account.parent is not None:
        running = AccountSession.objects.get(account=account.parent)
        for name in ("trading_day", "started_at", "next_reset_at"):
            setattr(session, name, getattr(running, name))
    return session


@transaction.atomic
def roll_session(
    *, account_id: int, settlements: Mapping[str, Decimal], actor: Actor, now: datetime
) -> AccountSession | None:
    """Close the session of the account's whole tree and open the next; None before the session's planned end.

    A tree resets as one, at its top account's time, so that no level loses what another has carried over. Positions
    become start-of-day records at settlement (where their account creates them), P/L starts at zero, each base is the
    daily limit plus the carry, the week's P/L and the balance go on; all from the P/L of the account and everything
    below it. Another reset time that was chosen meanwhile counts from here on: where its session is still this one,
    this one is prolonged. Locks and a run stay (F27), but for the locks that were to be lifted by now.

    Args:
        settlements: Settlement price by symbol.

    Returns:
        The account's own session.

    Raises:
        NotFound, NotPermitted: the actor may not roll this tree.
        InvalidValue: a held contract has no settlement price, or a traded one no currency rate; nothing is rolled.
    """
    tree = _locked_tree(account_id)
    top = tree[0]
    require(actor, Verb.PUSH_DATA, top)
    sessions = {row.pk: row for row in AccountSession.objects.select_for_update(no_key=True).filter(account__in=tree)}
    session = sessions[top.pk]
    if session.next_reset_at > now:
        return None
    reset = reset_of(top)
    opening = _Opening(
        trading_day(now, reset), max(session.next_reset_at, last_reset_at(now, reset)), next_session_at(now, reset)
    )
    if opening.trading_day <= session.trading_day:
        AccountSession.objects.filter(account__in=tree).update(next_reset_at=opening.next_reset_at)
        return None
    closed = _roll_positions(tree, settlements, opening.trading_day, now)
    _open_sessions(tree, sessions, closed, opening)
    _record(tree, sessions, actor, now)
    release_due_locks(account_ids=list(sessions), now=now)
    return sessions[account_id]


def note_failed_roll(*, account_id: int, now: datetime) -> None:
    """Remember that a tree could not be rolled, so that the next attempt begins with the others."""
    AccountSession.objects.filter(account=account_id).update(roll_failed_at=now)


def _locked_tree(account_id: int) -> list[Account]:
    """Return every account of this account's tree, the top first, their rows held until the transaction ends."""
    depths = _tree_depths(account_id)
    while True:
        held = Account.objects.select_for_update(of=("self",), no_key=True).filter(pk__in=depths).order_by("pk")
        rows = list(held.select_related("company", "credit", "auto_liq"))
        standing = _tree_depths(account_id)
        if standing == depths:
            break
        depths = standing  # the tree was changed while its rows were waited for
    if not rows:
        raise NotFound("Not found")
    return sorted(rows, key=lambda row: (depths[row.pk], row.pk))


def _tree_depths(account_id: int) -> dict[int, int]:
    top = AccountPath.objects.filter(descendant=account_id).order_by("-depth").values("ancestor")[:1]
    return dict(AccountPath.objects.filter(ancestor=top).values_list("descendant_id", "depth"))


def _roll_positions(
    tree: Sequence[Account], settlements: Mapping[str, Decimal], day: date, now: datetime
) -> dict[int, _Closed]:
    """Roll every position of the tree; return what each account and everything below it made."""
    held = Position.objects.select_for_update(of=("self",), no_key=True).filter(account__in=tree).order_by("pk")
    positions = list(held.select_related("instrument"))
    closed = _closed_pnl(tree, positions, settlements)
    creates_sod = {account.pk for account in tree if account.credit.create_sod}
    records = []
    for position in positions:
        settlement = settlements.get(position.instrument.symbol)
        holding = Holding()
        if settlement is not None and position.net and position.account_id in creates_sod:
            holding = start_of_day(position.net, settlement)
            records.append(_record_of(position, settlement, day, now))
        for name in Holding.__dataclass_fields__:
            setattr(position, name, getattr(holding, name))
        position.updated_at = now
    fields = ["net", "price", "is_manual", "published_at"]
    SodRecord.objects.bulk_create(
        records, BATCH, update_conflicts=True, update_fields=fields,
        unique_fields=["account", "instrument", "trading_day"],
    )  # fmt: skip
    Position.objects.bulk_update(positions, [*Holding.__dataclass_fields__, "updated_at"], BATCH)
    return closed


def _record_of(position: Position, settlement: Decimal, day: date, now: datetime) -> SodRecord:
    return SodRecord(
        account_id=position.account_id,
        instrument=position.instrument,
        trading_day=day,
        net=position.net,
        price=settlement,
        published_at=now,
    )


def _closed_pnl(
    tree: Sequence[Account], positions: Iterable[Position], settlements: Mapping[str, Decimal]
) -> dict[int, _Closed]:
    closed = {account.pk: _Closed() for account in tree}
    for position in positions:
        spec = contract_spec(position.instrument)
        settlement = settlements.get(spec.symbol)
        if settlement is None and position.net:
            raise InvalidValue(f"{spec.symbol} has no settlement price.", field="settlements")
        part = realized_pnl(position.holding, spec)
        own = closed[position.account_id]
        own.realized[spec.currency] += part
        own.whole[spec.currency] += part if settlement is None else session_pnl(position.holding, settlement, spec)
    for account in reversed(tree):  # children before their parents
        if account.parent_id is not None:
            closed[account.parent_id].add(closed[account.pk])
    return closed


def _in_currency(amounts: Mapping[str, Decimal], target: str, rates: Mapping[tuple[str, str], Decimal]) -> Decimal:
    total = Decimal(0)
    for source, amount in sorted(amounts.items()):
        try:
            total += convert(amount, source=source, target=target, rates=rates) if amount else 0
        except RateMissing as error:
            raise InvalidValue(f"No rate from {source} to {target}.", field="rates") from error
    return round_money(total)


def _open_sessions(
    tree: Sequence[Account],
    sessions: Mapping[int, AccountSession],
    closed: Mapping[int, _Closed],
    opening: _Opening,
) -> None:
    rates = currency_rates()
    for account in tree:
        target = account.credit.currency
        realized = _in_currency(closed[account.pk].realized, target, rates)
        whole = _in_currency(closed[account.pk].whole, target, rates)
        session = sessions[account.pk]
        _carry_over(account, session, realized, whole, opening.trading_day)
        _move_balance(account, session, whole)
        session.trading_day, session.started_at = opening.trading_day, opening.started_at
        session.next_reset_at, session.roll_failed_at = opening.next_reset_at, None
    fields = [row.name for row in AccountSession._meta.concrete_fields if not row.primary_key]
    AccountSession.objects.bulk_update(list(sessions.values()), fields, BATCH)


def _carry_over(account: Account, session: AccountSession, realized: Decimal, whole: Decimal, day: date) -> None:
    limit = account.credit.daily_limit
    is_new_week = day.isocalendar()[:2] != session.trading_day.isocalendar()[:2]
    session.carry = realized if account.company.carry_realized_pnl else Decimal(0)
    session.week_pnl_before = Decimal(0) if is_new_week else session.week_pnl_before + whole
    session.base = None if limit is None else session_base(daily_limit=limit, carry=session.carry)


def _move_balance(account: Account, session: AccountSession, whole: Decimal) -> None:
    before = account.credit.daily_limit if session.balance is None else session.balance
    if before is None:
        return
    session.balance = before + whole
    if session.original_balance is None:
        session.original_balance = before
    if account.auto_liq.trailing_max_drawdown is not None:
        # Where no higher one was recorded, the peak was the balance itself: it must outlive a session that lost.
        peak = before if session.max_net_liq is None else session.max_net_liq
        session.max_net_liq = max(peak, before, session.balance)


def _record(tree: Sequence[Account], sessions: Mapping[int, AccountSession], actor: Actor, now: datetime) -> None:
    entries = []
    for account in tree:
        session = sessions[account.pk]
        after = {"trading_day": session.trading_day, "base": session.base, "carry": session.carry}
        entries.append(
            audit.entry(actor=actor, action=AuditAction.SESSION_ROLLED, now=now, subject=account, after=after)
        )
    AuditEntry.objects.bulk_create(entries, BATCH)
