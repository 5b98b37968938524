"""The browser door of liquidation: what was decided, what runs, and what a person may do about it."""

from liquidation.admin import records, runs

__all__ = ["records", "runs"]
