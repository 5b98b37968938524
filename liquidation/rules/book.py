"""The book file: companies, people, accounts, limits, positions and orders as one JSON object, held against itself."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from accounts.rules.money import to_ticks
from liquidation.rules.book_entries import AccountEntry, Book, OrderEntry, Reference
from liquidation.rules.book_fields import shown
from liquidation.rules.book_reading import parse_json, read_fields

__all__ = ["Book", "check_book", "parse_json"]


def check_book(value: object) -> tuple[Book, list[str]]:
    """Return the book and everything that is wrong with it, a line each with its path.

    With no fault every name is there once, everything referred to is in the book, every account's parent is its own
    company's or shared with it, and every reference to an account names the company too. With a fault the book is not
    to be used.

    Args:
        value: What the JSON file holds.
    """
    book, faults = read_fields(value)
    links = _Links(book, faults)
    links.check()
    return links.resolved(), faults


class _Links:
    """What the entries of a book refer to."""

    def __init__(self, book: Book, faults: list[str]) -> None:
        self.book = book
        self.faults = faults
        self.companies = {entry.name for entry in book.companies if entry.name}
        self.users = {(entry.company, entry.username) for entry in book.users}
        self.connections = {(entry.company, entry.name) for entry in book.connections}
        self.tick_sizes = {entry.symbol: entry.tick_size for entry in book.instruments if entry.symbol}
        self.accounts = {(entry.company, entry.name): index for index, entry in enumerate(book.accounts)}
        self.named: dict[str, list[str]] = {}
        for company, name in self.accounts:
            self.named.setdefault(name, []).append(company)
        self.shares = {(self.owner(entry.account), entry.account.name, entry.company) for entry in book.shares}

    def check(self) -> None:
        """Note every fault."""
        self._check_names()
        self._check_companies()
        self._check_accounts()
        self._check_shares()
        self._check_holdings()

    def fault(self, path: str, text: str) -> None:
        self.faults.append(f"{path}: {text}")

    def owner(self, account: Reference) -> str:
        """Return the company of the account referred to; empty where there is none or more than one."""
        companies = self.named.get(account.name, [])
        if account.company:
            return account.company if account.company in companies else ""
        return companies[0] if len(companies) == 1 else ""

    def parent_owner(self, entry: AccountEntry) -> str:
        """Return the company of the parent: the account's own where it has another account of that name."""
        if entry.parent is None or entry.parent.company:
            return self.owner(entry.parent) if entry.parent else ""
        companies = self.named.get(entry.parent.name, [])
        others = [company for company in companies if (company, entry.parent.name) != _key(entry)] or companies
        if entry.company in others:
            return entry.company
        return others[0] if len(others) == 1 else ""

    def _check_names(self) -> None:
        book = self.book
        self._once("company", "name", [entry.name for entry in book.companies])
        self._once("user", "username", [entry.username for entry in book.users])
        self._once("connection", "name", [entry.name and (entry.company, entry.name) for entry in book.connections])
        self._once("instrument", "symbol", [entry.symbol for entry in book.instruments])
        self._once("margin", "product", [entry.product for entry in book.margins])
        self._once("currency_rate", "from", [entry.source and (entry.source, entry.target) for entry in book.rates])
        self._once("account", "name", [entry.name and (entry.company, entry.name) for entry in book.accounts])
        shares = [
            entry.account.name and (self.owner(entry.account), entry.account.name, entry.company)
            for entry in book.shares
        ]
        self._once("share", "with", shares)
        positions = [
            entry.account.name and (self.owner(entry.account), entry.account.name, entry.symbol)
            for entry in book.positions
        ]
        self._once("position", "symbol", positions)

    def _once(self, section: str, key: str, names: Iterable[Hashable]) -> None:
        first: dict[Hashable, int] = {}
        for index, name in enumerate(names):
            if name and name in first:
                last = name[-1] if isinstance(name, tuple) else name
                self.fault(f"{section}[{index}].{key}", f"{shown(last)} is there already, in {section}[{first[name]}]")
            first.setdefault(name, index)

    def _check_companies(self) -> None:
        for index, company in enumerate(self.book.companies):
            user = company.auto_liquidation_user
            if user and (company.name, user) not in self.users:
                self.fault(f"company[{index}].auto_liquidation_user", f"{company.name} has no user {shown(user)}")
        for index, person in enumerate(self.book.users):
            self._check_company(f"user[{index}].company", person.company)
        for index, connection in enumerate(self.book.connections):
            self._check_company(f"connection[{index}].company", connection.company)

    def _check_company(self, path: str, name: str) -> None:
        if name and name not in self.companies:
            self.fault(path, f"there is no company {shown(name)}")

    def _check_accounts(self) -> None:
        circular = _circular({_key(entry): self._parent_key(entry) for entry in self.book.accounts})
        for index, entry in enumerate(self.book.accounts):
            path = f"account[{index}]"
            self._check_company(f"{path}.company", entry.company)
            for place, name in enumerate(entry.connections):
                if entry.company in self.companies and (entry.company, name) not in self.connections:
                    self.fault(f"{path}.connections[{place}]", f"{entry.company} has no connection {shown(name)}")
            if entry.parent is not None:
                self._check_parent(f"{path}.parent", entry, entry.parent, is_circular=_key(entry) in circular)

    def _parent_key(self, entry: AccountEntry) -> tuple[str, str] | None:
        owner = self.parent_owner(entry)
        return (owner, entry.parent.name) if owner and entry.parent is not None else None

    def _check_parent(self, path: str, entry: AccountEntry, parent: Reference, *, is_circular: bool) -> None:
        owner = self.parent_owner(entry)
        if is_circular:
            self.fault(path, f"{entry.name} is below itself")
        elif not owner:
            self._fault_reference(path, parent)
        elif owner != entry.company and (owner, parent.name, entry.company) not in self.shares:
            self.fault(path, f"{parent.name} is {owner}'s and not shared with {entry.company}")

    def _fault_reference(self, path: str, account: Reference) -> None:
        companies = self.named.get(account.name, [])
        if account.company and account.company not in self.companies:
            self.fault(path, f"there is no company {shown(account.company)}")
        elif account.company:
            self.fault(path, f"{account.company} has no account {shown(account.name)}")
        elif companies:
            self.fault(path, f"{' and '.join(companies)} use the name {shown(account.name)}: say which by its company")
        else:
            self.fault(path, f"there is no account {shown(account.name)}")

    def _check_account(self, path: str, account: Reference) -> None:
        if account.name and not self.owner(account):
            self._fault_reference(f"{path}.account", account)

    def _check_shares(self) -> None:
        for index, entry in enumerate(self.book.shares):
            path = f"share[{index}]"
            self._check_account(path, entry.account)
            self._check_company(f"{path}.with", entry.company)
            if entry.company and entry.company == self.owner(entry.account):
                self.fault(f"{path}.with", f"{entry.account.name} is {entry.company}'s own account")

    def _check_holdings(self) -> None:
        for index, position in enumerate(self.book.positions):
            self._check_account(f"position[{index}]", position.account)
            self._check_symbol(f"position[{index}]", position.symbol)
        for index, order in enumerate(self.book.orders):
            self._check_account(f"order[{index}]", order.account)
            self._check_symbol(f"order[{index}]", order.symbol)
            self._check_tick(f"order[{index}].price", order)

    def _check_symbol(self, path: str, symbol: str) -> None:
        if symbol and symbol not in self.tick_sizes:
            self.fault(f"{path}.symbol", f"there is no instrument {shown(symbol)}")

    def _check_tick(self, path: str, order: OrderEntry) -> None:
        tick_size = self.tick_sizes.get(order.symbol)
        if order.price is not None and tick_size is not None and not _is_on_tick(order.price, tick_size):
            self.fault(path, f"{order.price} is not on {order.symbol}'s tick of {tick_size}")

    def resolved(self) -> Book:
        """Return the book with the company of every account that is referred to."""
        book = self.book
        return replace(
            book,
            accounts=[
                replace(entry, parent=entry.parent and Reference(entry.parent.name, self.parent_owner(entry)))
                for entry in book.accounts
            ],
            shares=[replace(entry, account=self._full(entry.account)) for entry in book.shares],
            positions=[replace(entry, account=self._full(entry.account)) for entry in book.positions],
            orders=[replace(entry, account=self._full(entry.account)) for entry in book.orders],
        )

    def _full(self, account: Reference) -> Reference:
        return Reference(account.name, self.owner(account))


def _key(entry: AccountEntry) -> tuple[str, str]:
    return (entry.company, entry.name)


def _is_on_tick(price: Decimal, tick_size: Decimal) -> bool:
    try:
        to_ticks(price, tick_size)
    except ValueError:
        return False
    return True


def _circular(parents: Mapping[tuple[str, str], tuple[str, str] | None]) -> set[tuple[str, str]]:
    """Return the accounts that are on a circle; those that merely hang below one are not."""
    waiting = Counter(parent for parent in parents.values() if parent is not None)
    leaves = [key for key in parents if not waiting[key]]
    found = set(parents)
    while leaves:
        leaf = leaves.pop()
        found.discard(leaf)
        parent = parents.get(leaf)
        if parent is not None:
            waiting[parent] -= 1
            if not waiting[parent]:
                leaves.append(parent)
    return found
