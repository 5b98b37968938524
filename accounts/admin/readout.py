"""What an account's settings come to: the readout, the readiness panel and the level of the tree that acts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from accounts.admin.tables import NOTHING, amount_text
from accounts.models import Account, AccountCredit, AccountSession, User
from accounts.rules.credit import (
    CreditLossAction,
    CreditRule,
    bal_to_liq,
    balance,
    balance_used_pct,
    curr_liq_pct,
    net_liquidation,
)
from accounts.rules.hierarchy import AccountType, AutoLiquidateSetting, LevelStatus, auto_liquidate_levels, level_reason
from accounts.rules.readiness import ReadinessCheck, ReadinessFacts, is_ready, readiness
from accounts.selectors import connections_of, lineage_ids, subtree_ids, working_orders
from accounts.selectors.figures import TreeFigures, figures_of, tree_exposures

BALANCE_TYPES = {
    CreditRule.PNL: "Apply P/L",
    CreditRule.MARGIN: "Apply Margin",
    CreditRule.PNL_AND_MARGIN: "Apply P/L and Margin",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One labeled figure; `tone` is a label's color where it should be noticed."""

    label: str
    text: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Readout:
    """All that the SOD/Credit tab says about what its settings come to."""

    figures: Sequence[Figure]
    gaps: Sequence[str]
    checks: Sequence[ReadinessCheck]
    is_ready: bool
    level: str
    acts_here: bool

    @property
    def passed(self) -> int:
        return sum(check.passed for check in self.checks)


def readout_of(account: Account, now: datetime) -> Readout:
    """Return the account's readout at this moment."""
    credit = AccountCredit.objects.filter(account=account).first() or AccountCredit(account=account)
    tree = subtree_ids(account.pk)
    exposures = tree_exposures(tree)
    figures = figures_of(exposures, currency=credit.currency, now=now)
    held = {exposure.instrument.exchange for exposure in exposures.values() if any(p.net for p in exposure.positions)}
    working = set(working_orders(tree).values_list("instrument__exchange", flat=True))
    level, acting = _level(account)
    checks = readiness(_facts(account, credit, frozenset(held | working), acting))
    return Readout(
        figures=_figures(account, credit, figures),
        gaps=figures.gaps,
        checks=checks,
        is_ready=is_ready(checks),
        level=level,
        acts_here=acting is None and level.startswith("Auto-liquidate on this account"),
    )


def _facts(
    account: Account, credit: AccountCredit, exchanges_held: frozenset[str], acting: str | None
) -> ReadinessFacts:
    user = _closing_user(account, credit)
    return ReadinessFacts(
        post_trade_risk_enabled=account.company.post_trade_risk_enabled,
        liquidation_user=user.get_username() if user else None,
        liquidation_user_is_active=bool(user and user.is_active),
        operator_ids=operator_ids(user),
        exchanges_held=exchanges_held,
        connected_exchanges=frozenset(connections_of(account)),
        check_credit=credit.check_credit,
        daily_limit=credit.daily_limit,
        account_type=AccountType(account.type),
        credit_loss_action=CreditLossAction(credit.credit_loss_action),
        credit_loss_pct=credit.credit_loss_pct,
        active_ancestor=acting,
    )


def _closing_user(account: Account, credit: AccountCredit) -> User | None:
    """Return in whose name positions are closed: of the company that switched the action on, else the owner's."""
    company = credit.credit_loss_company or account.company
    return company.auto_liquidation_user or account.company.auto_liquidation_user


def operator_ids(user: User | None) -> dict[str, str]:
    """Return by exchange the id by which it knows the user."""
    return dict(user.exchange_settings.values_list("exchange", "operator_id")) if user else {}


def _level(account: Account) -> tuple[str, str | None]:
    """Return the sentence about the level that acts, and the ancestor's name where one does."""
    lineage = lineage_ids(account.pk)
    rows = {row.pk: row for row in Account.objects.filter(pk__in=lineage).select_related("credit")}
    parents = {pk: row.parent_id for pk, row in rows.items()}
    verdict = auto_liquidate_levels({pk: _setting(row) for pk, row in rows.items()}, parents)[account.pk]
    names = {pk: row.name for pk, row in rows.items()}
    acting = verdict.effective_account_id
    ancestor = names[acting] if acting is not None and verdict.status is not LevelStatus.EFFECTIVE else None
    return level_reason(verdict, names), ancestor


def _setting(account: Account) -> AutoLiquidateSetting:
    credit = getattr(account, "credit", None)
    is_on = credit is not None and credit.credit_loss_action == CreditLossAction.AUTO_LIQUIDATE
    return AutoLiquidateSetting(account.pk, is_on=is_on, is_routing=account.is_routing)


def _figures(account: Account, credit: AccountCredit, figures: TreeFigures) -> list[Figure]:
    session = AccountSession.objects.filter(account=account).first()
    base = session.base if session is not None else None
    money = _credit_figures(credit, figures) + _loss_figures(credit, base, figures)
    money.append(Figure("P/L", _money(figures.pnl, credit.currency)))
    money.append(Figure("Margin", _money(figures.margin, credit.currency)))
    money.append(_age(figures))
    return money


def _credit_figures(credit: AccountCredit, figures: TreeFigures) -> list[Figure]:
    rule = CreditRule(credit.rule)
    left = used = None
    if credit.check_credit and credit.daily_limit is not None and _is_known(rule, figures):
        pnl, margin = figures.pnl or Decimal(0), figures.margin or Decimal(0)
        left = balance(daily_limit=credit.daily_limit, pnl=pnl, margin=margin, rule=rule)
        used = balance_used_pct(daily_limit=credit.daily_limit, balance=left)
    return [
        Figure("Balance", _money(left, credit.currency), "danger" if left is not None and left < 0 else ""),
        Figure("BalanceUsed %", amount_text(used), _used_tone(used)),
        Figure("BalanceType", BALANCE_TYPES[rule] if credit.check_credit else NOTHING),
    ]


def _is_known(rule: CreditRule, figures: TreeFigures) -> bool:
    needs_pnl = rule is not CreditRule.MARGIN
    needs_margin = rule is not CreditRule.PNL
    return not (needs_pnl and figures.pnl is None) and not (needs_margin and figures.margin is None)


def _loss_figures(credit: AccountCredit, base: Decimal | None, figures: TreeFigures) -> list[Figure]:
    pnl, pct = figures.pnl, credit.credit_loss_pct
    is_on = credit.credit_loss_action != CreditLossAction.NONE
    net = lost = room = None
    if base is not None and pnl is not None:
        net = net_liquidation(starting_balance=base, pnl=pnl)
        lost = curr_liq_pct(base=base, pnl=pnl)
        room = bal_to_liq(base=base, credit_loss_pct=pct, pnl=pnl) if pct is not None else None
    return [
        Figure("Net Liquidation", _money(net, credit.currency)),
        Figure("AutoLiq %", amount_text(pct if is_on else None)),
        Figure("CurrLiq %", amount_text(lost), "danger" if room is not None and room <= 0 else ""),
        Figure("BalToLiq", _money(room, credit.currency), "danger" if room is not None and room <= 0 else ""),
    ]


def _used_tone(used: Decimal | None) -> str:
    if used is None or used < 80:
        return ""
    return "danger" if used >= 100 else "warning"


def _money(amount: Decimal | None, currency: str) -> str:
    return NOTHING if amount is None else f"{amount_text(amount)} {currency}"


def _age(figures: TreeFigures) -> Figure:
    seconds = figures.price_age_seconds
    if seconds is None:
        return Figure("Age of prices", NOTHING)
    text = f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:,.0f} min"
    return Figure("Age of prices", text, "warning" if figures.gaps else "")
