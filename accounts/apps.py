"""Registers the app."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Who may trade, how much, and whether they are locked."""

    name = "accounts"
    verbose_name = "Accounts"
