"""The loop's memory and judgment: which account a price concerns, and what its limits say."""

from liquidation.engine.engine import RiskEngine

__all__ = ["RiskEngine"]
