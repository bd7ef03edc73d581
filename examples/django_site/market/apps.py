"""The app."""

from __future__ import annotations

from django.apps import AppConfig


class MarketConfig(AppConfig):
    """The market."""

    name = "market"
