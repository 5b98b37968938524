"""The programs that some tests need, and whether this machine has them."""

import os
from pathlib import Path

from riskadmin.embedded import server_program

CHROMIUM = Path("/usr/bin/chromium")


def missing(marker: str) -> str:
    """Return what a test with this marker lacks on this machine; empty where it lacks nothing."""
    match marker:
        case "browser":
            return "" if CHROMIUM.exists() else f"no {CHROMIUM} on this machine"
        case "worker":
            return "" if server_program() else "neither valkey-server nor redis-server on this machine"
        case "postgresql":
            is_there = os.environ.get("TEST_DATABASE_URL", "").startswith("postgres")
            return "" if is_there else "TEST_DATABASE_URL names no PostgreSQL"
    return ""
