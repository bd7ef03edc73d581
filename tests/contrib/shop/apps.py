"""The app."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """The shop: its tables are made without migrations."""

    name = "tests.contrib.shop"
    label = "shop"
    default_auto_field = "django.db.models.BigAutoField"
