"""Build the nodes of whole trees from their rows."""

import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from accounts.models import Account, AccountAutoLiq, Instrument
from accounts.rules.credit import CreditLossAction
from accounts.rules.hierarchy import AutoLiquidateSetting, LevelStatus, LevelVerdict, auto_liquidate_levels
from accounts.rules.locks import AdminAction, LockCause, LockMode, admin_effect
from accounts.rules.margin import ContractExposure, MarginMissing, ProductMarginRate
from accounts.rules.money import RateMissing, convert, value_to_money
from accounts.rules.pnl import Side
from accounts.selectors.figures import margin_of
from liquidation.engine.faults import OUTAGES
from liquidation.engine.nodes import ZERO, Node
from liquidation.engine.snapshot import Snapshot
from liquidation.rules.autoliq import AutoLiqLimits, DrawdownMode, SessionFigures
from liquidation.rules.limits import Action, Trigger, credit_loss_trigger
from liquidation.selectors import ACTIVE_STATES

logger = logging.getLogger(__name__)

Rates = Mapping[tuple[str, str], Decimal]


@dataclass(slots=True)
class Held:
    """One contract in one tree: net contracts, their cost (price times quantity), and what works on each side."""

    instrument: Instrument
    net: int = 0
    cost_value: Decimal = ZERO
    buys: int = 0
    sells: int = 0

    def add(self, other: "Held") -> None:
        self.net += other.net
        self.cost_value += other.cost_value
        self.buys += other.buys
        self.sells += other.sells


@dataclass(frozen=True, slots=True)
class Tables:
    """Rates and margins, the same for every node."""

    rates: Rates
    margins: Mapping[str, ProductMarginRate]


@dataclass(slots=True)
class _Tree:
    snapshot: Snapshot
    tables: Tables
    held: dict[int, dict[str, Held]] = field(default_factory=dict)
    levels: dict[int, LevelVerdict] = field(default_factory=dict)


@dataclass(slots=True)
class Built:
    """The nodes by account id, and what is wrong with the accounts of which none could be built."""

    nodes: dict[int, Node] = field(default_factory=dict)
    faults: dict[int, str] = field(default_factory=dict)


def build_nodes(snapshot: Snapshot, tables: Tables) -> Built:
    """Return a node for every account that has a limit to watch; one that is broken stops no other."""
    built = Built()
    settings = {pk: _setting(account, built) for pk, account in snapshot.accounts.items()}
    levels = auto_liquidate_levels(settings, snapshot.parents)
    tree = _Tree(snapshot, tables, held=_rolled_up(snapshot), levels=levels)
    for pk, account in snapshot.accounts.items():
        try:
            node = _node(account, tree)
        except OUTAGES:
            raise
        except Exception as error:
            logger.exception("No watch can be kept on account %s", pk)
            built.faults[pk] = f"{type(error).__name__}: {error}"
            continue
        if node is not None and pk not in built.faults:
            built.nodes[pk] = node
    return built


def _rolled_up(snapshot: Snapshot) -> dict[int, dict[str, Held]]:
    held: dict[int, dict[str, Held]] = {pk: _own(pk, snapshot) for pk in snapshot.accounts}
    for account_id in _bottom_up(snapshot.parents):
        parent = snapshot.parents[account_id]
        if parent is not None:
            for symbol, part in held[account_id].items():
                held[parent].setdefault(symbol, Held(part.instrument)).add(part)
    return held


def _own(account_id: int, snapshot: Snapshot) -> dict[str, Held]:
    found: dict[str, Held] = {}
    for position in snapshot.positions.get(account_id, ()):
        held = found.setdefault(position.instrument.symbol, Held(position.instrument))
        held.add(Held(position.instrument, position.net, position.holding.cost))
    for order in snapshot.orders.get(account_id, ()):
        held = found.setdefault(order.instrument.symbol, Held(order.instrument))
        is_buy = order.side == Side.BUY
        held.add(Held(order.instrument, buys=order.leaves_qty * is_buy, sells=order.leaves_qty * (not is_buy)))
    return found


def _bottom_up(parents: Mapping[int, int | None]) -> list[int]:
    children: dict[int | None, list[int]] = defaultdict(list)
    for account_id, parent in parents.items():
        children[parent].append(account_id)
    order = list(children[None])
    for account_id in order:  # grows while it is walked: parents before children
        order.extend(children[account_id])
    return order[::-1]


def _setting(account: Account, built: Built) -> AutoLiquidateSetting:
    try:
        is_on = _acts(account)
    except OUTAGES:
        raise
    except Exception as error:
        logger.exception("The limits of account %s cannot be read", account.pk)
        built.faults[account.pk] = f"{type(error).__name__}: {error}"
        is_on = False
    return AutoLiquidateSetting(account_id=account.pk, is_on=is_on, is_routing=account.is_routing)


def _acts(account: Account) -> bool:
    """Return whether the account's auto-liquidation can act; one that cannot must not silence those below it."""
    credit = account.credit
    return (
        account.company.post_trade_risk_enabled
        and credit.check_credit
        and credit.credit_loss_action == CreditLossAction.AUTO_LIQUIDATE
        and credit.credit_loss_pct is not None
        and account.session.base is not None
    )


def _node(account: Account, tree: _Tree) -> Node | None:
    if not account.company.post_trade_risk_enabled:
        return None
    limits = limits_of(account.auto_liq)
    trigger, inactive, faults = _credit_trigger(account, tree.levels[account.pk])
    if trigger is None and inactive is None and not faults and limits == AutoLiqLimits():
        return None
    node = Node(
        account_id=account.pk,
        name=account.name,
        currency=account.credit.currency,
        limits=limits,
        figures=SessionFigures(None, None, ZERO, None, None),
        credit_trigger=trigger,
        inactive_trigger=inactive,
        do_not_unlock=limits.do_not_unlock,
    )
    margin = _price_exposure(node, tree.held[account.pk], tree.tables, faults)
    node.figures = _figures(account, margin)
    node.faults = tuple(faults)
    _note_history(node, tree.snapshot)
    return node


def limits_of(row: AccountAutoLiq) -> AutoLiqLimits:
    """Return the account's limits as the rules know them."""
    values = {name: getattr(row, name) for name in AutoLiqLimits.__dataclass_fields__}
    mode = row.trailing_max_drawdown_mode
    return AutoLiqLimits(**(values | {"trailing_max_drawdown_mode": DrawdownMode(mode) if mode else None}))


def _credit_trigger(account: Account, level: LevelVerdict) -> tuple[Trigger | None, Trigger | None, list[str]]:
    """Return the credit-loss trigger that acts, the one that is set but inactive, and what is missing."""
    credit, base = account.credit, account.session.base
    action = CreditLossAction(credit.credit_loss_action)
    if action is CreditLossAction.NONE or not credit.check_credit:
        return None, None, []
    if base is None or credit.credit_loss_pct is None:
        return None, None, ["LIMIT_MISSING"]
    trigger = credit_loss_trigger(action=action, base=base, credit_loss_pct=credit.credit_loss_pct)
    if action is not CreditLossAction.AUTO_LIQUIDATE or level.status is LevelStatus.EFFECTIVE:
        return trigger, None, []
    return None, trigger if level.status is LevelStatus.INACTIVE_NOT_ROUTING else None, []


def _price_exposure(node: Node, held: Mapping[str, Held], tables: Tables, faults: list[str]) -> Decimal | None:
    """Set the node's money per tick and its cost; return the tree's margin, None where it cannot be known."""
    try:
        for symbol, part in sorted(held.items()):
            instrument = part.instrument
            one_tick = convert(
                instrument.tick_value, source=instrument.currency, target=node.currency, rates=tables.rates
            )
            cost = value_to_money(part.cost_value, tick_size=instrument.tick_size, tick_value=one_tick)
            node.per_tick[symbol] = part.net * one_tick
            node.nets[symbol] = part.net
            node.cost += cost
        return _margin(held, node.currency, tables)
    except RateMissing:
        faults.append("RATE_MISSING")
    return None


def _margin(held: Mapping[str, Held], currency: str, tables: Tables) -> Decimal | None:
    contracts = [
        (part.instrument, ContractExposure(symbol, part.net, part.buys, part.sells)) for symbol, part in held.items()
    ]
    try:
        return margin_of(contracts, currency=currency, margins=tables.margins, rates=tables.rates)
    except MarginMissing:
        return None  # a margin limit becomes a gap and is alerted


def _figures(account: Account, margin: Decimal | None) -> SessionFigures:
    session = account.session
    return SessionFigures(
        starting_balance=session.starting_balance,
        original_balance=session.original_balance,
        week_pnl_before=session.week_pnl_before,
        margin=margin,
        max_net_liq=session.max_net_liq,
    )


def _note_history(node: Node, snapshot: Snapshot) -> None:
    """Set what stands already: the action whose lock is open, and a hold."""
    locks = {(LockCause(lock.cause), LockMode(lock.mode)) for lock in snapshot.locks.get(node.account_id, ())}
    run = snapshot.last_runs.get(node.account_id)
    if (LockCause.AUTO_LIQ, LockMode.LOCKED) in locks:
        node.acted = Action.AUTO_LIQUIDATE
    elif (LockCause.CREDIT_LOSS, LockMode.LOCKED) in locks:
        evaluation = snapshot.last_evaluations.get(node.account_id)
        node.acted = Action(evaluation.action) if evaluation else Action.DISABLE
    elif (LockCause.AUTO_LIQ, LockMode.LIQUIDATE_ONLY) in locks:
        node.acted = Action.LIQUIDATE_ONLY
    if run is not None and run.state in ACTIVE_STATES:
        node.acted = Action.AUTO_LIQUIDATE
    record = snapshot.actions.get(node.account_id)
    if record is not None and admin_effect(AdminAction(record.action)).suppresses_auto_liq:
        node.is_held, node.hold_until = True, record.expires_at
