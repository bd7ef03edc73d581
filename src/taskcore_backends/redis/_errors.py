"""What Redis and its client say when something is wrong, as the errors of taskcore."""

from __future__ import annotations

import redis.exceptions

from taskcore.errors import (
    BackendCorrupt,
    BackendError,
    BackendFull,
    BackendReadOnly,
    BackendUnavailable,
    BackendVersionError,
)
from taskcore_backends.redis._layout import LAYOUT

__all__ = ["translate"]

_MOVING = (redis.exceptions.AskError, redis.exceptions.TryAgainError, redis.exceptions.MovedError)

_LAYOUT_WORD = "TASKCORELAYOUT"


def translate(error: redis.exceptions.RedisError | OSError, store: str) -> BackendError:
    """Return the error to raise in the place of one of the client's; ``store`` is what people call the place."""
    text = str(error)
    if _LAYOUT_WORD in text:
        version = text.partition(_LAYOUT_WORD)[2].strip().split(" ")[0]
        return BackendVersionError(
            f"{store} has key layout {version}, this taskcore knows layout {LAYOUT}: upgrade taskcore. "
            "Nothing was changed."
        )
    if isinstance(error, redis.exceptions.OutOfMemoryError) or "OOM command not allowed" in text:
        return BackendFull(
            f"{store}: the server is at its maxmemory. Nothing was written; what is stored goes on to be worked off. "
            "Purge what has finished, or raise maxmemory, then repeat."
        )
    if isinstance(error, redis.exceptions.ReadOnlyError) or "READONLY" in text:
        return BackendReadOnly(f"{store} is a replica, which cannot be written: connect to the primary.")
    if "MISCONF" in text:
        return BackendReadOnly(f"{store} cannot save to its disk and refuses writes ({text}): see the server's log.")
    if isinstance(error, (redis.exceptions.AuthenticationError, redis.exceptions.NoPermissionError)):
        return BackendUnavailable(f"{store} does not let us in ({text}): see user, password and ACL.")
    if isinstance(error, _MOVING) or "TTL exhausted" in text:
        return BackendUnavailable(
            f"{store}: the cluster is moving the namespace to another node ({text or type(error).__name__}). "
            "Nothing was done; repeat when it is there."
        )
    if "WRONGTYPE" in text or "Wrong number of args" in text or "user_script" in text or "script:" in text:
        return BackendCorrupt(f"{store} holds keys that are not taskcore's, or is damaged ({text}).")
    text = text.partition(" : <")[0]  # Sentinel's goes on with all that it knows of itself
    return BackendUnavailable(f"{store} does not answer: {text or type(error).__name__}.")
