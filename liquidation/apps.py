"""Registers the app."""

from django.apps import AppConfig


class LiquidationConfig(AppConfig):
    """What is done when a limit is breached."""

    name = "liquidation"
    verbose_name = "Liquidation"
