"""The live update: all visible tasks in one answer, which is not sent again while nothing has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified, JsonResponse
from django.utils.translation import get_language

from taskcore.contrib.django.admin._base import StoreAdmin
from taskcore.contrib.django.admin._looks import (
    BADGES,
    attempt_of,
    badge_of,
    duration_cell,
    now,
    phase_of,
    progress_cell,
    progress_of,
)
from taskcore.protocol import Phase
from taskcore.records.columns import RUNNING

__all__ = ["MOST_IDS", "live_cells", "live_response"]

MOST_IDS = 200
"""As many tasks as are asked for at once."""


def live_cells(model_admin: StoreAdmin, request: HttpRequest, row: Any) -> dict[str, str]:
    """Return the cells of a row that change."""
    return {
        "state": str(badge_of(row)),
        "progress": str(progress_cell(progress_of(row))),
        "duration": str(duration_cell(row)),
        "attempt": str(attempt_of(row)),
        "buttons": str(model_admin.buttons(request, row)),
    }


def _tag(request: HttpRequest, rows: Sequence[Any], phases: Sequence[Phase]) -> str:
    seen = [
        (row.pk, row.version, row.cancel, row.progress, phase.value) for row, phase in zip(rows, phases, strict=True)
    ]
    text = json.dumps([get_language(), request.user.pk, seen], default=str)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def live_response(model_admin: StoreAdmin, request: HttpRequest, rows: Sequence[Any]) -> HttpResponse:
    """Return the cells of these rows, or that nothing has changed."""
    moment = now()
    phases = [phase_of(row, moment) for row in rows]
    tag = _tag(request, rows, phases)
    if tag in request.headers.get("If-None-Match", ""):
        response: HttpResponse = HttpResponseNotModified()
    else:
        response = JsonResponse(
            {
                "tasks": {
                    row.pk: {
                        "cells": live_cells(model_admin, request, row),
                        "title": str(row.label or row.name),
                        "word": str(BADGES[phase].word),
                        "finished": row.code > RUNNING,
                    }
                    for row, phase in zip(rows, phases, strict=True)
                }
            }
        )
    response["ETag"] = tag
    response["Cache-Control"] = "private, no-cache"
    return response
