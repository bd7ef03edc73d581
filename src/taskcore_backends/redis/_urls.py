"""How a store is named: URLs without what is secret, and those of clients that somebody else has made."""

from __future__ import annotations

import os
from typing import Any, Final, TypeAlias
from urllib.parse import SplitResult, parse_qs, quote, urlencode, urlsplit

import redis
from redis.client import Pipeline
from redis.cluster import RedisCluster

from taskcore.errors import InvalidOption

__all__ = ["Client", "check_namespace", "check_parts", "hidden", "public_url", "unsplit", "url_of"]

Client: TypeAlias = "redis.Redis | RedisCluster"


def unsplit(parts: SplitResult) -> str:
    """Return the URL of its parts, with both slashes also where no host stands between them and the path."""
    return f"{parts.scheme}://{parts.netloc}{parts.path}{'?' if parts.query else ''}{parts.query}"


def check_namespace(namespace: object) -> str:
    """Return a namespace that can be the hash tag of keys; raise ``InvalidOption`` for any other."""
    if not isinstance(namespace, str) or not namespace or not namespace.isprintable() or set("{} ") & set(namespace):
        raise InvalidOption(f"A namespace is a text without braces and spaces, such as 'taskcore', not {namespace!r}.")
    return namespace


_SECRETS: Final = frozenset({"password", "username", "ssl_password", "credential_provider"})


def hidden(url: str) -> str:
    """Return a URL without user and password, and without what is secret in its query."""
    parts = urlsplit(url)
    options = [(name, value) for name, values in parse_qs(parts.query).items() for value in values]
    kept = urlencode([(name, value) for name, value in options if name not in _SECRETS])
    return unsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=kept))


def check_parts(url: str) -> None:
    """Raise ``InvalidOption`` when what stands before an @ is not where user and password are, without showing it."""
    parts = urlsplit(url)
    try:
        is_whole = parts.port is None or parts.port > 0
    except ValueError:
        is_whole = False
    if not is_whole or parts.fragment or "@" in parts.path:
        raise InvalidOption(
            "A Redis store is redis://user:password@host:6379/0: in this URL the host, or its port, is none. "
            "Characters such as / # ? @ in a user or a password are written as %2F %23 %3F %40."
        )


def public_url(url: str, namespace: str) -> str:
    """Return the URL that ``from_url`` takes, without what is secret, with the namespace."""
    parts = urlsplit(hidden(url))
    options = [(name, value) for name, values in parse_qs(parts.query).items() for value in values]
    kept = [(name, value) for name, value in options if name != "namespace"]
    if namespace != "taskcore":
        kept.append(("namespace", namespace))
    return unsplit(parts._replace(query=urlencode(kept)))


_OF_TLS: Final = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname")
"""Options of a client without which a URL would not open the server, as far as they fit into one and are not secret."""


def url_of(client: Client) -> str:
    """Return the URL of the server that a client was made for; of a cluster that of one of its nodes.

    What a Sentinel gives has none: it is named ``redis+sentinel://service/database``, which opens nothing.
    """
    node: Any = client
    if not isinstance(client, (redis.Redis, RedisCluster)) or isinstance(client, Pipeline):
        kind = f"{type(node).__module__}.{type(node).__name__}"
        raise InvalidOption(f"client= is a redis.Redis or a redis.cluster.RedisCluster, not a {kind}.")
    if isinstance(client, RedisCluster):
        node = client.get_redis_connection(client.get_default_node())  # type: ignore[no-untyped-call]
    pool = node.connection_pool
    options: dict[str, Any] = pool.connection_kwargs
    if options.get("decode_responses"):
        raise InvalidOption("The client decodes responses, which a store cannot do with: make one without.")
    database = options.get("db") or 0
    service: str | None = getattr(pool, "service_name", None)
    if service is not None:
        return f"redis+sentinel://{service}/{database}"
    path = options.get("path")
    if path is not None:
        return f"unix://{quote(os.path.abspath(path))}?db={database}"  # noqa: PTH100 - a text is what is wanted
    host = options.get("host", "localhost")
    place = f"{f'[{host}]' if ':' in host else host}:{options.get('port', 6379)}/{database}"
    if not issubclass(pool.connection_class, redis.SSLConnection):
        return f"redis://{place}"
    query = urlencode([(name, _as_text(options[name])) for name in _OF_TLS if options.get(name) is not None])
    return f"rediss://{place}{'?' if query else ''}{query}"


def _as_text(option: object) -> str:
    """Return an option as it stands in a URL: ``ssl.CERT_NONE`` is "none" there."""
    name = getattr(option, "name", None)
    return str(option) if name is None else str(name).removeprefix("CERT_").lower()
