"""What ends the engine, and what is set apart so that one bad row or event stops nobody else's watch."""

from django.db import InterfaceError, OperationalError

OUTAGES = (InterfaceError, OperationalError)
"""The database is away: the process ends, and whoever started it starts it again."""
