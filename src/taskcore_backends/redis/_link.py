"""``Link``: one namespace of one server, how scripts are run there, and what its errors mean.

A cluster is spoken to through redis-py's ``RedisCluster``, which follows the slot of the namespace wherever it goes;
what blocks has a connection of its own to the node that serves that slot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import attrs
import redis
import redis.exceptions
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.retry import Retry

from taskcore.errors import BackendError, BackendUnavailable, InvalidOption
from taskcore.protocol import Clock
from taskcore.records import ServerClock
from taskcore_backends.redis._connections import Connections
from taskcore_backends.redis._errors import translate
from taskcore_backends.redis._packing import EPOCH, micros
from taskcore_backends.redis._scripts import Script, script
from taskcore_backends.redis._urls import Client, check_parts, hidden, unsplit

__all__ = ["Link", "Replicas", "connect"]

_SCHEMES: Final = {"valkey": "redis", "valkeys": "rediss"}

_OPTIONS: Final[dict[str, Any]] = {
    # A call is one script of a few milliseconds. A server that says nothing for so long is not there.
    "socket_timeout": 30.0,
    "socket_connect_timeout": 10.0,
    "socket_keepalive": True,
    "health_check_interval": 30,
}


@attrs.frozen
class Replicas:
    """How many replicas have to have a write before the call returns, and how long it waits for them."""

    number: int
    timeout: timedelta


def connect(url: str) -> Client:
    """Return a client for a URL: of a cluster when the server is one of its nodes."""
    if not isinstance(url, str):
        raise InvalidOption(
            f"The URL of a Redis store is a text, not a {type(url).__name__}: give a client as client=…."
        )
    parts = urlsplit(url)
    if parts.scheme not in {"redis", "rediss", "unix", *_SCHEMES}:
        raise InvalidOption(f"A Redis store is redis://host:6379/0, rediss://… or unix:///path, not {hidden(url)!r}.")
    if parts.scheme != "unix":
        check_parts(url)
    if "decode_responses" in parse_qs(parts.query, keep_blank_values=True):
        raise InvalidOption(f"{hidden(url)!r} decodes responses, which a store cannot do with: leave that out.")
    url = unsplit(parts._replace(scheme=_SCHEMES.get(parts.scheme, parts.scheme)))
    # A call that failed may have been done: who made it repeats it, with the same ids and nonces.
    options = {**_OPTIONS, "retry": Retry(NoBackoff(), 0)}
    if parts.scheme == "unix":
        del options["socket_keepalive"]
    try:
        client = redis.Redis.from_url(url, **options)
    except (ValueError, TypeError) as error:
        raise InvalidOption(f"{hidden(url)!r} is no URL of a Redis store: {error}") from None
    try:
        if _mode(client) == "cluster":
            client.close()
            return RedisCluster.from_url(url, **options)
    except (TypeError, ValueError) as error:  # an option that connections do not have
        raise InvalidOption(f"{hidden(url)!r} is no URL of a Redis store: {error}") from None
    except redis.exceptions.NoPermissionError:
        pass  # a user that may not ask
    except (redis.exceptions.RedisError, OSError) as error:
        raise translate(error, hidden(url)) from error
    return client


def _mode(client: redis.Redis) -> str:
    found: Any = client.info("server")
    return str(found.get("redis_mode") or found.get("server_mode") or "standalone")


class Link:
    """One namespace of one server."""

    def __init__(
        self, client: Client, *, url: str, namespace: str, clock: Clock | None, replicas: Replicas | None, is_own: bool
    ) -> None:
        self.client = client
        self._is_own = is_own
        self._connections = Connections(client) if is_own and isinstance(client, redis.Redis) else None
        execute: Callable[..., Any] = client.execute_command
        self._execute = execute if self._connections is None else self._connections.execute
        self.url = url
        self.prefix = f"{{{namespace}}}:"
        self._layout_key = f"{self.prefix}layout"
        # Scripts name two keys, one that is there and one that never is: while a cluster moves their slot from node to
        # node neither node runs any, so none sees half of the keys. Until it is moved the store is not available.
        self._keys = (2, self._layout_key, f"{self.prefix}room")
        self._clock = clock
        self._replicas = replicas
        self._scripts: dict[str, Script] = {}
        self._server_clock = ServerClock(self._ask_server)

    def now(self) -> datetime:
        """Return the injected clock's moment, or else the server's, as it was asked for a second ago at most."""
        return self._server_clock.now() if self._clock is None else self._clock.now()

    def _ask_server(self) -> datetime:
        seconds, rest = self.execute("TIME")
        return EPOCH + timedelta(0, int(seconds), int(rest))

    def execute(self, *command: str | bytes | float) -> Any:  # noqa: ANN401 - what the server answers
        """Execute one command."""
        return self.guarded(lambda: self._execute(*command))

    def read(self, name: str, *arguments: str | bytes | float) -> Any:  # noqa: ANN401 - what the script answers
        """Run a script that only reads, or whose writes need no replica."""
        return self.guarded(lambda: self._run(self._execute, name, arguments))

    def write(self, name: str, *arguments: str | bytes | float) -> Any:  # noqa: ANN401
        """Run a script that writes; with ``wait_replicas`` wait for those, and raise when too few answer in time."""
        replicas = self._replicas
        if replicas is None:
            return self.guarded(lambda: self._run(self._execute, name, arguments))
        answer, reached = self.guarded(lambda: self._run(self._execute_and_wait, name, arguments))
        if reached < replicas.number:
            raise BackendUnavailable(
                f"{self.url}: the write is on the primary, and within {replicas.timeout} on {reached} of "
                f"{replicas.number} replicas: a failover may lose it. Repeating the call is safe."
            )
        return answer

    def guarded(self, call: Callable[[], Any]) -> Any:  # noqa: ANN401
        """Make a call; raise what its error means."""
        try:
            return call()
        except (redis.exceptions.RedisError, OSError) as error:
            raise translate(error, self.url) from error

    def _run(self, execute: Callable[..., Any], name: str, arguments: Sequence[str | bytes | float]) -> Any:  # noqa: ANN401
        found = self._scripts.get(name)
        if found is None:
            found = self._scripts[name] = script(name)
        now = b"" if self._clock is None else b"%d" % micros(self._clock.now())
        try:
            return execute("EVALSHA", found.digest, *self._keys, now, *arguments)
        except redis.exceptions.NoScriptError:  # the first call, SCRIPT FLUSH, a restart, a failover
            return execute("EVAL", found.text, *self._keys, now, *arguments)

    def _execute_and_wait(self, *command: str | bytes | float) -> tuple[Any, int]:
        """Execute a command, and on the same connection wait for replicas; return the answer and how many have it."""
        try:
            return self._wait_at_node(*command)
        except redis.exceptions.MovedError:  # not done there: another node of the cluster has the slot now
            self.forget_node()
            return self._wait_at_node(*command)
        except redis.exceptions.ConnectionError:
            with suppress(BackendError):
                self.forget_node()
            raise

    def _wait_at_node(self, *command: str | bytes | float) -> tuple[Any, int]:
        replicas = self._replicas
        assert replicas is not None
        pipeline: Any = self.node().pipeline(transaction=False)
        pipeline.execute_command(*command)
        # WAIT is about what its own connection has written: a repeat that finds all done has written nothing.
        pipeline.execute_command("EVAL", script("touch").text, 1, f"{self.prefix}room")
        pipeline.execute_command("WAIT", replicas.number, max(1, replicas.timeout // timedelta(milliseconds=1)))
        answer, touched, reached = pipeline.execute(raise_on_error=False)
        for one in (answer, touched, reached):
            if isinstance(one, Exception):
                raise one
        return answer, int(reached)

    def node(self) -> redis.Redis:
        """Return the client of the node that serves the namespace."""
        client: Any = self.client
        if isinstance(client, RedisCluster):
            client = client.get_redis_connection(client.get_node_from_key(self._layout_key))  # type: ignore[no-untyped-call]
        assert isinstance(client, redis.Redis)
        return client

    def info(self) -> dict[str, Any]:
        """Return what the server says of itself; nothing when it does not let us ask."""
        try:
            found: Any = self.node().info()
        except (redis.exceptions.NoPermissionError, redis.exceptions.ResponseError):
            return {}
        except (redis.exceptions.RedisError, OSError) as error:
            raise translate(error, self.url) from error
        return dict(found)

    def forget_node(self) -> None:
        """Ask anew which node serves the namespace: the one that did does not answer."""
        client = self.client
        if isinstance(client, RedisCluster):
            self.guarded(client.nodes_manager.initialize)

    def close(self) -> None:
        """Give back all connections."""
        if self._connections is not None:
            self._connections.close()
        elif self._is_own:
            self.client.close()
