"""Tasks in Redis or Valkey."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode, urlsplit

from taskcore.errors import InvalidOption
from taskcore_backends.redis._backend import RedisBackend
from taskcore_backends.redis._link import unsplit

__all__ = ["RedisBackend", "from_url"]


def from_url(url: str) -> RedisBackend:
    """Return the backend of ``redis://…``, ``rediss://…``, ``unix://…`` or ``valkey://…``, ``?namespace=`` if wanted.

    Other options of the query are redis-py's. Raises ``InvalidOption`` for any other URL, and what ``RedisBackend``
    raises.
    """
    parts = urlsplit(url)
    options = parse_qs(parts.query, keep_blank_values=True)
    namespaces = options.pop("namespace", ["taskcore"])
    if len(namespaces) != 1:
        raise InvalidOption(f"One namespace= is enough, not {len(namespaces)}.")
    query = urlencode([(name, value) for name, values in options.items() for value in values])
    return RedisBackend(unsplit(parts._replace(query=query)), namespace=namespaces[0])
