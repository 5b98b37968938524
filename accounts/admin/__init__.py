"""The browser door: pages that parse, call a service and show what it answered."""

from accounts.admin import accounts, companies, records, users

__all__ = ["accounts", "companies", "records", "users"]
