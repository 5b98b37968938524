"""Lock, liquidate-only, liquidate and unlock, from the list of accounts: shown first, done on the second POST."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from accounts.admin.desk import actor_of
from accounts.admin.standing import standings
from accounts.admin.tables import words
from accounts.errors import RiskError
from accounts.models import Account, Order, Position
from accounts.permissions import Actor, may
from accounts.rules.locks import AdminAction, AdminActionReasonCode, TradingMode
from accounts.rules.roles import Verb
from accounts.selectors import held_positions, working_orders
from liquidation.services.admin_actions import set_admin_action

TYPED_WORD = "LIQUIDATE"


@dataclass(frozen=True, slots=True)
class DeskAction:
    """One of the four buttons: what it sets, who may, and how it is spoken of."""

    name: str
    title: str
    question: str
    action: AdminAction
    verb: Verb
    done: str
    must_type: str = ""


LOCK = DeskAction(
    "lock_accounts",
    "Lock",
    "No new orders on these accounts and everything below them. Working orders and positions stay.",
    AdminAction.LOCK_TRADING_IMMEDIATELY,
    Verb.LOCK,
    "locked",
)
LIQUIDATE_ONLY = DeskAction(
    "liquidate_only_accounts",
    "Liquidate only",
    "Only orders that reduce a position are let through, on these accounts and everything below them.",
    AdminAction.LIQUIDATE_ONLY_MODE_IMMEDIATELY,
    Verb.LOCK,
    "set to liquidate only",
)
LIQUIDATE = DeskAction(
    "liquidate_accounts",
    "Liquidate",
    "These accounts are locked, their working orders canceled and their positions closed at the market. "
    "This cannot be taken back.",
    AdminAction.LIQUIDATE_IMMEDIATELY,
    Verb.LIQUIDATE,
    "locked and being liquidated",
    TYPED_WORD,
)
UNLOCK = DeskAction(
    "unlock_accounts",
    "Unlock",
    "Every lock of these accounts themselves is lifted. A lock on an account above them stays in force. "
    "An account that is still beyond its limit is locked again at once: raise its limit first.",
    AdminAction.NORMAL,
    Verb.UNLOCK,
    "set to normal",
)


@dataclass(frozen=True, slots=True)
class Line:
    """One account of the confirmation: how it stands, what it holds, and whether the user may."""

    account: Account
    mode: str
    cause: str
    positions: Sequence[Position]
    orders: Sequence[Order]
    is_permitted: bool


def run_action(model_admin: Any, request: HttpRequest, accounts: QuerySet[Account], wanted: DeskAction) -> Any:
    """Show what would happen, or on the second POST do it; None leads back to the list."""
    chosen = list(accounts.select_related("company").order_by("pk"))
    actor = actor_of(request)
    faults: dict[str, str] = {}
    if "confirmed" in request.POST:
        faults = _faults(request, wanted)
        if not faults:
            _carry_out(request, actor, chosen, wanted)
            return None
    return _confirmation(model_admin, request, _lines(actor, chosen, wanted), wanted, faults)


def _faults(request: HttpRequest, wanted: DeskAction) -> dict[str, str]:
    faults = {}
    if not request.POST.get("reason", "").strip():
        faults["reason"] = "Say why."
    if wanted.must_type and request.POST.get("typed", "").strip() != wanted.must_type:
        faults["typed"] = f"Type {wanted.must_type} to confirm."
    return faults


def _lines(actor: Actor, accounts: Sequence[Account], wanted: DeskAction) -> list[Line]:
    ids = [account.pk for account in accounts]
    standing = standings(ids)
    positions = held_positions(ids)
    orders = list(working_orders(ids))
    return [
        Line(
            account,
            words(standing[account.pk].mode),
            standing[account.pk].cause(account.pk),
            [position for position in positions if position.account_id == account.pk],
            [order for order in orders if order.account_id == account.pk],
            may(actor, wanted.verb, account),
        )
        for account in accounts
    ]


def _confirmation(
    model_admin: Any, request: HttpRequest, lines: Sequence[Line], wanted: DeskAction, faults: dict[str, str]
) -> HttpResponse:
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": f"{wanted.title}: are you sure?",
        "wanted": wanted,
        "lines": [line for line in lines if line.is_permitted],
        "refused": [line for line in lines if not line.is_permitted],
        "faults": faults,
        "reason": request.POST.get("reason", ""),
        "checkbox_name": ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, "admin/desk/confirm_action.html", context)


def _carry_out(request: HttpRequest, actor: Actor, accounts: Sequence[Account], wanted: DeskAction) -> None:
    reason = request.POST["reason"].strip()
    if wanted.action is AdminAction.LIQUIDATE_IMMEDIATELY:
        # All are locked before the first is closed: closing one takes time in which another could trade.
        accounts = _apply(request, actor, accounts, AdminAction.LOCK_TRADING_IMMEDIATELY, reason)
    done = _apply(request, actor, accounts, wanted.action, reason)
    if done:
        names = ", ".join(account.name for account in done)
        messages.success(request, f"{len(done)} of {len(accounts)} {wanted.done}: {names}.")
    if wanted.action is AdminAction.NORMAL:
        _warn_of_locks_above(request, done)


def _warn_of_locks_above(request: HttpRequest, accounts: Sequence[Account]) -> None:
    standing = standings([account.pk for account in accounts])
    for account in accounts:
        found = standing[account.pk]
        if found.mode is not TradingMode.NORMAL:
            text = f"{account.name} is {words(found.mode).lower()} still: {found.cause(account.pk)}."
            messages.warning(request, text)


def _apply(
    request: HttpRequest, actor: Actor, accounts: Sequence[Account], action: AdminAction, reason: str
) -> list[Account]:
    done = []
    for account in accounts:
        try:
            set_admin_action(
                account_id=account.pk,
                action=action,
                reason_code=AdminActionReasonCode.OTHER,
                reason=reason,
                actor=actor,
                now=timezone.now(),
            )
        except RiskError as error:
            messages.error(request, f"{account.name}: {error.text}")
        else:
            done.append(account)
    return done
