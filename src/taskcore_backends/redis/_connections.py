"""Connections that are kept at hand: a call takes one and gives it back, which is cheaper than a pool of redis-py's.

They come from the pool of the client, so they are made, secured and logged in as the client says. Whoever took one
that was idle for a while looks first whether the server has closed it.
"""

from __future__ import annotations

import os
import time
from collections import deque
from typing import Any, Final

import redis
import redis.exceptions

__all__ = ["Connections", "take"]

_IDLE: Final = 1.0
"""Seconds after which a connection may have been closed meanwhile."""

_KEPT: Final = 64
"""How many idle connections are kept; more go back to the pool."""


def take(pool: Any) -> Any:  # noqa: ANN401 - connections of redis-py have no types
    """Return a connection of a pool."""
    try:
        return pool.get_connection()
    except TypeError:  # redis-py before 5.3 wants to know what for
        return pool.get_connection("EVALSHA")


class Connections:
    """Idle connections of one process to one server."""

    def __init__(self, client: redis.Redis) -> None:
        self._pool: Any = client.connection_pool
        self._idle: deque[tuple[Any, float]] = deque()
        self._pid = os.getpid()
        self._is_closed = False

    def execute(self, *command: str | bytes | float) -> Any:  # noqa: ANN401 - what the server answers
        """Send a command and return its answer; a connection that fails is not used again."""
        connection = self._take()
        try:
            connection.send_command(*command)
            answer = connection.read_response()
        except redis.exceptions.ResponseError as error:
            if isinstance(error, redis.exceptions.ReadOnlyError):  # a primary that is none any more
                self._drop(connection)
            else:
                self._give_back(connection)
            raise
        except BaseException:
            self._drop(connection)
            raise
        self._give_back(connection)
        return answer

    def _take(self) -> Any:  # noqa: ANN401
        if self._pid != os.getpid():  # the other process goes on with them
            self._idle = deque()
            self._pid = os.getpid()
        while True:
            try:
                connection, used_at = self._idle.pop()
            except IndexError:
                return take(self._pool)
            if time.monotonic() - used_at < _IDLE or not _is_closed(connection):
                return connection
            self._drop(connection)

    def _give_back(self, connection: Any) -> None:  # noqa: ANN401
        if self._is_closed:
            self._drop(connection)
        elif len(self._idle) < _KEPT:
            self._idle.append((connection, time.monotonic()))
        else:
            self._pool.release(connection)

    def _drop(self, connection: Any) -> None:  # noqa: ANN401
        connection.disconnect()
        self._pool.release(connection)

    def close(self) -> None:
        """Close all idle ones; those in use are closed when their calls are answered."""
        self._is_closed = True
        while self._idle:
            connection, _used_at = self._idle.pop()
            self._drop(connection)
        self._pool.disconnect(inuse_connections=False)


def _is_closed(connection: Any) -> bool:  # noqa: ANN401
    """Return whether an idle connection was closed, or has an answer that nobody asked for."""
    try:
        return bool(connection.can_read(timeout=0))
    except (redis.exceptions.RedisError, OSError):
        return True
