"""Which gateway carries the orders of which venue."""

from liquidation.gateways.base import Gateway
from liquidation.gateways.simulated import SimulatedExchange

GATEWAYS: dict[str, Gateway] = {SimulatedExchange.name: SimulatedExchange()}


def gateway(name: str) -> Gateway:
    """Return the gateway of this name.

    Raises:
        LookupError: no such gateway is installed.
    """
    if name not in GATEWAYS:
        raise LookupError(f"No gateway named {name} is installed.")
    return GATEWAYS[name]
