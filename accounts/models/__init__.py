"""One file per noun."""

from accounts.models import guards
from accounts.models.account import (
    Account,
    AccountAssignment,
    AccountConnection,
    AccountPath,
    AccountShare,
    Connection,
)
from accounts.models.audit import AuditEntry, AuditSeal
from accounts.models.company import ApiToken, Company, User, UserExchangeSetting
from accounts.models.credit import AccountAutoLiq, AccountCredit, UserCredit
from accounts.models.exposure import AccountSession, Fill, Order, Position, SodRecord
from accounts.models.instrument import CurrencyRate, Instrument, Mark, ProductMargin
from accounts.models.lock import AccountLock, AdminActionRecord

__all__ = [
    "Account",
    "AccountAssignment",
    "AccountAutoLiq",
    "AccountConnection",
    "AccountCredit",
    "AccountLock",
    "AccountPath",
    "AccountSession",
    "AccountShare",
    "AdminActionRecord",
    "ApiToken",
    "AuditEntry",
    "AuditSeal",
    "Company",
    "Connection",
    "CurrencyRate",
    "Fill",
    "Instrument",
    "Mark",
    "Order",
    "Position",
    "ProductMargin",
    "SodRecord",
    "User",
    "UserCredit",
    "UserExchangeSetting",
    "guards",
]
