"""One account's verdict: its P/L against every limit, and how far prices may go before it must be looked at again."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from accounts.rules.money import money_text, round_money
from liquidation.engine.nodes import Node
from liquidation.rules.drawdown import raised_peak
from liquidation.rules.limits import Action, Bound, Trigger, reached
from liquidation.rules.watch import Band, bands

# An alert that stands is armed again once the P/L is better than its level by any amount that can be booked.
SMALLEST_AMOUNT = Decimal("0.000001")


@dataclass(slots=True)
class Judgment:
    """What a look at one account found.

    `alerts` are the alerts that should stand, code to text. `missing` are the contracts without a usable price.
    """

    pnl: Decimal | None = None
    breach: Trigger | None = None
    peak: Decimal | None = None
    bands: Mapping[str, Band] = field(default_factory=dict)
    alerts: dict[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


def judge(node: Node, ticks: Mapping[str, int], stale: Collection[str]) -> Judgment:
    """Return the verdict on one account; what cannot be priced is NOT_EVALUABLE, never fine and never a breach.

    A higher net liquidation value raises the node's peak before its floor is compared.
    """
    judgment = Judgment()
    judgment.missing = tuple(symbol for symbol in node.symbols() if symbol not in ticks or symbol in stale)
    for fault in node.faults:
        judgment.alerts[f"NOT_EVALUABLE:{fault}"] = (
            f"{node.name} cannot be evaluated: {fault.lower().replace('_', ' ')}"
        )
    unpriced = ", ".join(symbol for symbol in judgment.missing if symbol not in ticks)
    if unpriced:
        judgment.alerts["NOT_EVALUABLE:PRICE"] = f"{node.name} cannot be evaluated: there is no price of {unpriced}"
    if judgment.missing:
        return judgment  # a price that grew old is told once for its contract or its source, not for every account
    if "RATE_MISSING" in node.faults:
        return judgment
    judgment.pnl = node.pnl(ticks)
    _raise_peak(node, judgment)
    _decide(node, judgment, ticks)
    return judgment


def _raise_peak(node: Node, judgment: Judgment) -> None:
    if judgment.pnl is None or node.limits.trailing_max_drawdown is None:
        return
    net_liq = node.starting_balance + judgment.pnl
    peak = raised_peak(node.limits, net_liq=net_liq, max_net_liq=node.peak)
    if peak > node.peak or node.figures.max_net_liq is None:
        node.figures = replace(node.figures, max_net_liq=round_money(peak))
        judgment.peak = round_money(peak)


def _decide(node: Node, judgment: Judgment, ticks: Mapping[str, int]) -> None:
    pnl = judgment.pnl or Decimal(0)
    triggers, gaps = node.triggers()
    for gap in gaps:
        code = f"NOT_EVALUABLE:{gap.kind}"
        judgment.alerts[code] = f"{gap.kind} of {node.name} cannot be evaluated: {gap.code.lower().replace('_', ' ')}"
    open_triggers = [trigger for trigger in triggers if _may_act(node, trigger)]
    found = reached(open_triggers, pnl)
    judgment.breach = found[0] if found else None
    watched = [
        trigger for trigger in open_triggers if trigger not in found and not _is_covered(trigger, judgment.breach)
    ]
    watched += _alert(node, judgment, triggers, pnl)
    judgment.bands = _bands(node, watched, pnl, ticks)


def _may_act(node: Node, trigger: Trigger) -> bool:
    """Return whether this limit could act now: more severe than what stands, and not on hold."""
    if trigger.action is Action.ALERT:
        return False
    if node.is_held and trigger.action is Action.AUTO_LIQUIDATE:
        return False
    return node.acted is None or trigger.action.severity > node.acted.severity


def _is_covered(trigger: Trigger, breach: Trigger | None) -> bool:
    return breach is not None and trigger.action.severity <= breach.action.severity


def _alert(node: Node, judgment: Judgment, triggers: Collection[Trigger], pnl: Decimal) -> list[Trigger]:
    """Set the alerts that should stand; return the levels at which that changes."""
    alerting = [(trigger, f"{trigger.kind}_ALERT") for trigger in triggers if trigger.action is Action.ALERT]
    if node.inactive_trigger is not None:
        alerting.append((node.inactive_trigger, "CREDIT_LOSS_ACTION_INACTIVE"))
    levels = []
    for trigger, code in alerting:
        if trigger.is_reached(pnl):
            level = money_text(round_money(trigger.pnl_level))
            judgment.alerts[code] = f"{node.name}: P/L {money_text(round_money(pnl))} reached {trigger.kind} at {level}"
            levels.append(_rearming(trigger))
        else:
            levels.append(trigger)
    return levels


def _rearming(trigger: Trigger) -> Trigger:
    if trigger.bound is Bound.FLOOR:
        return replace(trigger, bound=Bound.CEILING, pnl_level=trigger.pnl_level + SMALLEST_AMOUNT)
    return replace(trigger, bound=Bound.FLOOR, pnl_level=trigger.pnl_level - SMALLEST_AMOUNT)


def _bands(node: Node, watched: Collection[Trigger], pnl: Decimal, ticks: Mapping[str, int]) -> Mapping[str, Band]:
    floors = [trigger.pnl_level for trigger in watched if trigger.bound is Bound.FLOOR]
    ceilings = [trigger.pnl_level for trigger in watched if trigger.bound is Bound.CEILING]
    follows = node.follows_peak() and any(trigger.kind == "TRAILING_DRAWDOWN" for trigger in watched)
    return bands(
        node.per_tick,
        ticks,
        room_down=pnl - max(floors) if floors else None,
        room_up=min(ceilings) - pnl if ceilings else None,
        peak_room=node.peak - (node.starting_balance + pnl) if follows else None,
    )
