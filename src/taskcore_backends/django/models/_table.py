"""What all tables share."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage
from django.db import models

__all__ = ["Table"]

_CONDITIONS_IGNORED = "models.W037"


class Table(models.Model):
    """What all tables here share: they know that MySQL leaves conditions of indexes out."""

    class Meta:
        abstract = True

    @classmethod
    def check(cls, **kwargs: Any) -> list[CheckMessage]:  # noqa: ANN401 - as in Django
        """Return what Django has to say, but for the conditions: the indexes are right without them."""
        return [message for message in super().check(**kwargs) if message.id != _CONDITIONS_IGNORED]
