"""The alerts that stand because of what the engine sees, kept in memory so that only a change is written."""

import logging
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

from liquidation.engine.faults import OUTAGES
from liquidation.models import Alert
from liquidation.services.alerts import CODE_LENGTH, clear_alert, raise_alert
from liquidation.services.evaluation import set_alert

GAP = "NOT_EVALUABLE:"
FAULT = f"{GAP}FAULT"
UNPRICED = f"{GAP}PRICE"

logger = logging.getLogger(__name__)


class Notices:
    """Raises an alert when its cause appears and clears it when the cause is gone, across restarts too."""

    def __init__(self) -> None:
        self._accounts: dict[int, set[str]] = defaultdict(set)
        self._desk: set[str] = set()

    def load(self) -> None:
        """Read what stands from an earlier life of the engine."""
        standing = Alert.objects.filter(cleared_at=None)
        self._desk = set(standing.filter(account=None).values_list("code", flat=True))
        for account_id, code in standing.exclude(account=None).values_list("account_id", "code"):
            if code.startswith(GAP) or code.endswith("_ALERT") or code == "CREDIT_LOSS_ACTION_INACTIVE":
                self._accounts[account_id].add(code)

    def accounts(self) -> set[int]:
        """Return the accounts of which an alert stands."""
        return {account_id for account_id, codes in self._accounts.items() if codes}

    def stands(self, account_id: int, code: str) -> bool:
        return code in self._accounts[account_id]

    def tell(self, account_id: int, wanted: Mapping[str, str], *, is_priced: bool, now: datetime) -> None:
        """Let these alerts of an account stand, code to text, and no others.

        Without a P/L it is not known whether a level is still reached: then only what cannot be evaluated is told.
        """
        standing = self._accounts[account_id]
        gone = {code for code in standing - set(wanted) if is_priced or code.startswith(GAP)}
        for code in sorted(set(wanted) - standing):
            self._set(account_id, code, wanted[code], is_standing=True, now=now)
        for code in sorted(gone):
            self._set(account_id, code, "", is_standing=False, now=now)

    def add(self, account_id: int, code: str, text: str, now: datetime) -> None:
        """Let one more alert of an account stand."""
        if code not in self._accounts[account_id]:
            self._set(account_id, code, text, is_standing=True, now=now)

    def _set(self, account_id: int, code: str, text: str, *, is_standing: bool, now: datetime) -> None:
        try:
            set_alert(account_id=account_id, code=code, text=text, is_standing=is_standing, now=now)
        except OUTAGES:
            raise
        except Exception:
            logger.exception("Alert %s of account %s could not be written: %s", code, account_id, text)
        # As if it were written: a fault of this one row would only come again at every look.
        (self._accounts[account_id].add if is_standing else self._accounts[account_id].discard)(code)

    def ring(self, code: str, text: str, now: datetime) -> None:
        """Let an alert of no account stand."""
        code = code[:CODE_LENGTH]
        if code not in self._desk:
            self._desk.add(code)
            raise_alert(account=None, code=code, text=text, now=now)

    def rest(self, code: str, now: datetime) -> None:
        """Clear an alert of no account, where it stands."""
        code = code[:CODE_LENGTH]
        if code in self._desk:
            self._desk.discard(code)
            clear_alert(account=None, code=code, now=now)

    def keep(self, kind: str, wanted: Mapping[str, str], now: datetime) -> None:
        """Let these alerts of a kind stand, subject to text, and no others of the kind."""
        codes = {f"{kind}:{subject}"[:CODE_LENGTH]: text for subject, text in wanted.items()}
        for code in self._of_kind(kind) - set(codes):
            self.rest(code, now)
        for code, text in codes.items():
            self.ring(code, text, now)

    def _of_kind(self, kind: str) -> set[str]:
        return {code for code in self._desk if code.startswith(f"{kind}:")}
