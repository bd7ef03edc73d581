"""Opening a store by its URL: the scheme names an entry point, so that third parties' stores are found as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskcore._naming import shown
from taskcore.errors import InvalidOption
from taskcore.protocol import Backend

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["backend_from_url"]

_ENTRY_POINTS = "taskcore.backends"


def _found() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # noqa: PLC0415  # 15 ms that most programs never need

    return {one.name: one for one in entry_points(group=_ENTRY_POINTS)}


def backend_from_url(url: str) -> Backend:
    """Open the store that ``url`` names: ``memory:``, ``sqlite:///tasks.db``, or what another adapter answers to.

    The scheme is looked up among the entry points ``taskcore.backends``, each a function of the URL. A scheme with
    more in it (``redis+tls``) falls to the adapter of its first part if it has none of its own. Raises InvalidOption
    for a URL that no installed adapter knows, and BackendError when the store cannot be opened.
    """
    if not isinstance(url, str):
        raise InvalidOption(f"The URL of a store is a text, not {shown(url)}.")
    scheme, colon, _ = url.partition(":")
    scheme = scheme.lower()
    found = _found()
    entry_point = found.get(scheme) or found.get(scheme.partition("+")[0])
    if not colon or entry_point is None:
        raise InvalidOption(
            f"No adapter for the store {_shown(url)!r}: a URL begins with one of "
            f"{', '.join(f'{name}:' for name in sorted(found)) or '(no adapter is installed)'}."
        )
    try:
        open_store = entry_point.load()
    except ImportError as error:
        raise InvalidOption(
            f"The adapter for {scheme}: cannot be imported ({error}): install taskcore[{entry_point.name}]."
        ) from error
    backend: Backend = open_store(url)
    return backend


def _shown(url: str) -> str:
    """Return the URL without a password."""
    before, at, after = url.rpartition("@")
    if not at:
        return url
    scheme, slashes, login = before.partition("://")
    return f"{scheme}{slashes}{login.partition(':')[0]}:…@{after}"
