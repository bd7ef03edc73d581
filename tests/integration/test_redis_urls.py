"""How a store on Redis is named: URLs open it, show nothing secret, and tell where a client of somebody else's goes."""

from __future__ import annotations

import shutil
import subprocess
from datetime import timedelta

import pytest
import redis
import redis.asyncio
from redis.cluster import RedisCluster

from taskcore.errors import BackendUnavailable, InvalidOption
from taskcore_backends.redis import RedisBackend, from_url
from tests.integration.redis_calls import spec
from tests.servers.redis_server import Server, Stores, free_port
from tests.waiting import eventually

pytestmark = pytest.mark.integration

NODE = ("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf")


def test_urls():
    """A URL keeps host, database and namespace, and loses what is secret; what is none is refused."""
    stores = Stores()
    backend = from_url(f"{stores.url}?namespace={stores.namespace}")
    assert f"{stores.url}?namespace={stores.namespace}" == backend.url
    backend.close()
    for url in (
        "http://localhost",
        "redis://localhost/0?nonsense=1",
        "redis://localhost?namespace=a{b",
        f"{stores.url}?decode_responses=True",
    ):
        with pytest.raises(InvalidOption):
            from_url(url)
    with pytest.raises(BackendUnavailable) as raised:
        from_url("redis://ada:secret@127.0.0.1:1/0")
    assert "secret" not in str(raised.value)


def test_what_is_no_client_is_refused(stores):
    """A client as the URL, one of asyncio, a pipeline, replicas that are no number: told at the door."""
    asynchronous = redis.asyncio.Redis.from_url(stores.url)
    with redis.Redis.from_url(stores.url) as client:
        for options in (
            {"url": client},
            {"client": asynchronous},
            {"client": client.pipeline()},
            {"client": client, "url": stores.url},
            {"client": client, "wait_replicas": 1},
            {"client": client, "wait_replicas": (0, timedelta(seconds=1))},
        ):
            with pytest.raises(InvalidOption):
                RedisBackend(**options)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:sec/ret@127.0.0.1:1/0",
        "redis://:sec#ret@127.0.0.1:1/0",
        "redis://:sec?ret@127.0.0.1:1/0",
        "redis://127.0.0.1:1/0?password=secret",
        "redis://127.0.0.1:1/0?password=secret&nonsense=1",
        "unix:///nowhere.sock?password=secret",
        "http://ada:secret@127.0.0.1",
    ],
)
def test_wrong_urls_do_not_show_what_is_secret(url):
    """Whatever is wrong with a URL, the error shows nothing of a password, also of one that is not quoted."""
    with pytest.raises((InvalidOption, BackendUnavailable)) as raised:
        from_url(url)
    assert "sec" not in str(raised.value)
    assert "ret" not in str(raised.value)


def test_secrets_do_not_show(server):
    """User and password are used, and are neither in ``url`` nor in an error."""
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "ada", "on", ">secret", "~*", "&*", "+@all")
    backend = from_url(server.url.replace("redis://", "redis://ada:secret@"))
    assert server.url == backend.url
    assert "secret" not in repr(backend)
    backend.close()
    with pytest.raises(BackendUnavailable, match="does not let us in"):
        from_url(server.url.replace("redis://", "redis://ada:wrong@"))


def test_a_unix_socket(tmp_path):
    """``unix://`` opens the socket of a server."""
    path = tmp_path / "s"
    server = Server(tmp_path / "server", "--unixsocket", str(path), "--save", "")
    try:
        backend = from_url(f"unix://{path}?db=0")
        backend.add([spec(1)])
        assert f"unix://{path}?db=0" == backend.url
        backend.close()
    finally:
        server.stop()


def test_a_client_that_is_given(stores):
    """A client of the caller's is used, stays open, and must not decode responses."""
    with redis.Redis.from_url(stores.url) as client:
        backend = RedisBackend(client=client, namespace=stores.namespace)
        backend.add([spec(1)])
        backend.close()
        assert client.ping()
    with redis.Redis.from_url(stores.url, decode_responses=True) as client, pytest.raises(InvalidOption):
        RedisBackend(client=client)


def speaks_tls(folder):
    server = Server(folder)
    try:
        with server.client() as client:
            return bool(client.config_get("tls-port"))
    finally:
        server.stop()


class Secured:
    """A server that speaks TLS, with a certificate of its own making; as the only node of a cluster if wanted."""

    def __init__(self, folder, *options):
        folder.mkdir()
        self.certificate, key = folder / "certificate.pem", folder / "key.pem"
        program = shutil.which("openssl")
        if program is None or not speaks_tls(folder / "probe"):
            pytest.skip("no openssl, or a server that was built without it")
        subprocess.run(
            [
                *(program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
                *("-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"),
                *("-keyout", str(key), "-out", str(self.certificate)),
            ],
            check=True,
            capture_output=True,
        )
        self.port = free_port()
        files = ("--tls-cert-file", str(self.certificate), "--tls-key-file", str(key))
        authority = ("--tls-ca-cert-file", str(self.certificate), "--tls-auth-clients", "no")
        self.server = Server(
            folder / "server", "--tls-port", str(self.port), *files, *authority, "--save", "", *options
        )

    @property
    def options(self):
        return {"host": "127.0.0.1", "port": self.port, "ssl": True, "ssl_ca_certs": str(self.certificate)}


@pytest.fixture
def secured(tmp_path):
    found = Secured(tmp_path / "secured")
    yield found
    found.server.stop()


def test_the_url_of_a_client_with_tls_opens_what_it_opens(secured):
    """``url`` says rediss://, and by which certificates the server is known; not the password."""
    with secured.server.client() as client:
        client.execute_command("ACL", "SETUSER", "ada", "on", ">secret", "~*", "&*", "+@all")
    given = redis.Redis(**secured.options, username="ada", password="secret", db=2)
    backend = RedisBackend(client=given, namespace="shop")
    backend.add([spec(1)])
    query = f"?ssl_ca_certs={str(secured.certificate).replace('/', '%2F')}&ssl_cert_reqs=required"
    assert backend.url.startswith(f"rediss://127.0.0.1:{secured.port}/2{query}&ssl_check_hostname=True")
    assert backend.url.endswith("&namespace=shop")
    other = from_url(backend.url)
    assert [spec(1).id] == [task.id for task in other.get([spec(1).id])]
    assert backend.url == other.url
    other.close()
    backend.close()
    given.close()


def test_a_server_whose_certificate_nobody_knows_is_not_spoken_to(secured):
    """Over TLS the server has to be known; it is told when it is not."""
    with pytest.raises(BackendUnavailable, match="certificate"):
        from_url(f"rediss://127.0.0.1:{secured.port}/0")
    from_url(f"rediss://127.0.0.1:{secured.port}/0?ssl_cert_reqs=none&ssl_check_hostname=False").close()


def become_a_cluster(server):
    """Have a server that was started as a node serve all slots alone."""
    with server.client() as client:
        client.execute_command("CLUSTER", "ADDSLOTS", *range(16384))
        eventually(lambda: client.execute_command("CLUSTER INFO")["cluster_state"] == "ok")


def test_the_url_of_a_client_of_a_cluster_with_tls_opens_it(tmp_path):
    """``url`` names a node of the cluster, over TLS; any node opens it."""
    secured = Secured(tmp_path / "secured", *NODE, "--tls-cluster", "yes")
    try:
        become_a_cluster(secured.server)
        with RedisCluster(**secured.options) as given:
            backend = RedisBackend(client=given, namespace="shop")
            backend.add([spec(1)])
            assert backend.url.startswith(f"rediss://127.0.0.1:{secured.port}/0?ssl_ca_certs=")
            other = from_url(backend.url)
            assert [spec(1).id] == [task.id for task in other.get([spec(1).id])]
            other.close()
            backend.close()
    finally:
        secured.server.stop()


def test_the_url_of_a_client_of_a_cluster_names_a_node(tmp_path):
    """Without TLS, too, ``url`` is that of a node, not of localhost."""
    server = Server(tmp_path / "server", *NODE, "--save", "")
    try:
        become_a_cluster(server)
        with RedisCluster(host="127.0.0.1", port=server.port) as given:
            backend = RedisBackend(client=given)
            assert server.url == backend.url
            from_url(backend.url).close()
            backend.close()
    finally:
        server.stop()


def test_the_url_of_a_client_of_a_socket_opens_it(tmp_path):
    """A path is quoted, so that one with a space or a question mark in it is opened again."""
    folder = tmp_path / "a b?"
    folder.mkdir()
    path = folder / "s"
    server = Server(tmp_path / "server", "--unixsocket", str(path), "--save", "")
    try:
        with redis.Redis(unix_socket_path=str(path), db=1) as given:
            backend = RedisBackend(client=given)
            backend.add([spec(1)])
            other = from_url(backend.url)
            assert [spec(1).id] == [task.id for task in other.get([spec(1).id])]
            assert backend.url == other.url
            other.close()
            backend.close()
    finally:
        server.stop()
