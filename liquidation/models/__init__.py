"""One file per noun."""

from liquidation.models.evaluation import Alert, Evaluation
from liquidation.models.run import LiquidationRun, RunOrder, RunStep
from liquidation.models.venue import VenueExecution, VenueOrder, VenuePosition, VenuePrice

__all__ = [
    "Alert",
    "Evaluation",
    "LiquidationRun",
    "RunOrder",
    "RunStep",
    "VenueExecution",
    "VenueOrder",
    "VenuePosition",
    "VenuePrice",
]
