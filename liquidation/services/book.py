"""Load a book: the whole of it in one transaction, or nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import models, transaction

from accounts.models import Company, CurrencyRate, Instrument, ProductMargin, User
from accounts.permissions import Actor, require_platform
from accounts.rules.audit import AuditAction
from accounts.rules.roles import Role
from accounts.services.companies import change_company, create_company, create_user
from accounts.services.sharing import share_account
from accounts.services.structure import create_connection
from liquidation.errors import BookRefused
from liquidation.rules.book import Book, check_book
from liquidation.rules.book_entries import InstrumentEntry, MarginEntry, RateEntry
from liquidation.services.book_accounts import Loading, load_accounts
from liquidation.services.book_dump import dump_book
from liquidation.services.book_holdings import load_holdings

__all__ = ["LoadedBook", "dump_book", "load_book"]


@dataclass(frozen=True, slots=True)
class LoadedBook:
    """What a book became: the ids of its accounts, in the book's order."""

    account_ids: tuple[int, ...]


@transaction.atomic
def load_book(*, book: object, actor: Actor, now: datetime) -> LoadedBook:
    """Make everything that a book holds, with an audit entry for each object.

    A book is a state, not an edit: settings that the screens refuse today are loaded as they are, and readiness says
    what is wrong with them. Its users have no password that could be used. Contracts, margins and rates that are
    installed already with the same values are left as they are.

    Args:
        book: What the JSON file holds.
        now: Aware UTC. The sessions of the book's accounts are those that run at this moment.

    Raises:
        NotPermitted: the actor stands for one company.
        BookRefused: the book has faults, or names that exist already; names every one by its path. Nothing is loaded.
    """
    require_platform(actor)
    checked, faults = check_book(book)
    faults = faults or [*_standing_names(checked), *_standing_market(checked)]
    if faults:
        raise BookRefused(faults)
    loading = Loading(checked, actor, now)
    _load_market(loading)
    _load_firms(loading)
    load_accounts(loading)
    for share in checked.shares:
        account = loading.account_of(share.account)
        share_account(account_id=account.pk, company=loading.companies[share.company], actor=actor, now=now)
    load_holdings(loading)
    for company in loading.companies.values():
        accounts = sum(1 for entry in checked.accounts if entry.company == company.name)
        loading.note(AuditAction.BOOK_LOADED, company, company=company, after={"accounts": accounts})
    loading.write_notes()
    return LoadedBook(tuple(account.pk for account in loading.accounts.values()))


def _standing_names(book: Book) -> Iterator[str]:
    companies = set(Company.objects.values_list("name", flat=True))
    usernames = set(User.objects.values_list("username", flat=True))
    for index, company in enumerate(book.companies):
        if company.name in companies:
            yield f'company[{index}].name: "{company.name}" exists already'
    for index, user in enumerate(book.users):
        if user.username in usernames:
            yield f'user[{index}].username: "{user.username}" exists already'


def _standing_market(book: Book) -> Iterator[str]:
    instruments = {row.symbol: row for row in Instrument.objects.all()}
    margins = {row.product: row for row in ProductMargin.objects.all()}
    rates = {(row.source, row.target): row for row in CurrencyRate.objects.all()}
    for index, instrument in enumerate(book.instruments):
        if _differs(instruments.get(instrument.symbol), instrument):
            yield f'instrument[{index}].symbol: "{instrument.symbol}" exists already, with other values'
    for index, margin in enumerate(book.margins):
        if _differs(margins.get(margin.product), margin):
            yield f'margin[{index}].product: "{margin.product}" exists already, with other values'
    for index, rate in enumerate(book.rates):
        if _differs(rates.get((rate.source, rate.target)), rate):
            yield f'currency_rate[{index}].from: "{rate.source}" to "{rate.target}" exists already, with another rate'


def _differs(row: models.Model | None, entry: InstrumentEntry | MarginEntry | RateEntry) -> bool:
    return row is not None and any(getattr(row, name) != value for name, value in asdict(entry).items())


def _load_market(loading: Loading) -> None:
    book = loading.book
    standing = set(Instrument.objects.values_list("symbol", flat=True))
    _make(
        loading, Instrument, [e for e in book.instruments if e.symbol not in standing], AuditAction.INSTRUMENT_CHANGED
    )
    products = set(ProductMargin.objects.values_list("product", flat=True))
    _make(loading, ProductMargin, [e for e in book.margins if e.product not in products], AuditAction.MARGIN_CHANGED)
    pairs = set(CurrencyRate.objects.values_list("source", "target"))
    rates = [entry for entry in book.rates if (entry.source, entry.target) not in pairs]
    _make(loading, CurrencyRate, rates, AuditAction.RATE_CHANGED)
    loading.instruments = {row.symbol: row for row in Instrument.objects.all()}


def _make(loading: Loading, model: Any, entries: Any, action: AuditAction) -> None:
    for row, entry in [(model(**asdict(entry)), entry) for entry in entries]:
        row.save(force_insert=True)
        loading.note(action, row, after=asdict(entry))


def _load_firms(loading: Loading) -> None:
    actor, now = loading.actor, loading.now
    for entry in loading.book.companies:
        loading.companies[entry.name] = create_company(
            name=entry.name,
            post_trade_risk_enabled=entry.post_trade_risk_enabled,
            carry_realized_pnl=entry.carry_realized_pnl,
            actor=actor,
            now=now,
        )
    users = _load_users(loading)
    for entry in loading.book.companies:
        if entry.auto_liquidation_user:
            changes: Mapping[str, Any] = {"auto_liquidation_user": users[entry.auto_liquidation_user]}
            change_company(company_id=loading.companies[entry.name].pk, changes=changes, actor=actor, now=now)
    for connection in loading.book.connections:
        company = loading.companies[connection.company]
        loading.connections[connection.company, connection.name] = create_connection(
            company=company, name=connection.name, exchange=connection.exchange, actor=actor, now=now
        )


def _load_users(loading: Loading) -> dict[str, User]:
    return {
        entry.username: create_user(
            company=loading.companies[entry.company],
            username=entry.username,
            role=Role.COMPANY_ADMIN if entry.is_company_admin else Role.TRADER,
            actor=loading.actor,
            now=loading.now,
            is_active=entry.is_active,
            operator_ids=entry.operator_ids,
        )
        for entry in loading.book.users
    }
