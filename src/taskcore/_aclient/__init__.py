"""The client for asyncio: ``_client`` is the facade, ``_lane`` and ``_waiter`` the threads behind it."""

from __future__ import annotations

from taskcore._aclient._client import AsyncClient
from taskcore._aclient._handles import AsyncGroupHandle, AsyncHandle

__all__ = ["AsyncClient", "AsyncGroupHandle", "AsyncHandle"]
