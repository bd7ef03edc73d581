"""Moments as the store has them (aware, in UTC) and as the site has them (naive local ones without ``USE_TZ``)."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import overload

from django.conf import settings
from django.utils.timezone import get_default_timezone, is_naive, make_aware, make_naive

__all__ = ["site_moment", "store_moment"]


@overload
def site_moment(moment: datetime) -> datetime: ...
@overload
def site_moment(moment: None) -> None: ...
def site_moment(moment: datetime | None) -> datetime | None:
    """Return a moment of the store as the site wants it."""
    if moment is None or settings.USE_TZ:
        return moment
    return make_naive(moment, get_default_timezone())


def store_moment(moment: datetime) -> datetime:
    """Return a moment of the site as the store wants it."""
    aware = make_aware(moment, get_default_timezone()) if is_naive(moment) else moment
    return aware.astimezone(timezone.utc)
