"""The client: enqueueing, waiting, looking, operating. ``_client`` is the facade, each other module one thing."""

from __future__ import annotations

from taskcore._client._amending import JSONValue
from taskcore._client._asking import Filters
from taskcore._client._backends import backend_from_url
from taskcore._client._bulk import BulkCount, PurgeFilters
from taskcore._client._client import Client
from taskcore._client._explain import Explanation, Hindrance, Reason
from taskcore._client._group import GroupHandle
from taskcore._client._handle import Handle
from taskcore._client._planning import ScheduleOptions
from taskcore._client._waiting import Waited

__all__ = [
    "BulkCount",
    "Client",
    "Explanation",
    "Filters",
    "GroupHandle",
    "Handle",
    "Hindrance",
    "JSONValue",
    "PurgeFilters",
    "Reason",
    "ScheduleOptions",
    "Waited",
    "backend_from_url",
]
