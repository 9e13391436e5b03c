"""Fixtures of the black-box tests. Every process, thread and socket that a test makes ends with it."""

import os
import signal

import pytest

from support.azulb import BINARY, ROOT, Azulb
from support.certificates import Certificates
from support.dnsmasq import Dnsmasq
from support.http2 import Http2Client
from support.programs import CrystalApp, HAProxy, Nginx, build_crystal_app
from support.scripted_server import ScriptedServer
from support.waiting import wait_until

TEST_TIME_LIMIT = int(os.environ.get("AZULB_TEST_TIME_LIMIT", "90"))  # seconds, each test


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: moves hundreds of megabytes or works for many seconds")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item, nextitem):
    """A test that hangs is ended, and says where it hung."""

    def expire(number, frame):
        raise TimeoutError(f"the test ran for more than {TEST_TIME_LIMIT} s")

    previous = signal.signal(signal.SIGALRM, expire)
    signal.alarm(TEST_TIME_LIMIT)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


@pytest.fixture(scope="session", autouse=True)
def binary():
    if not BINARY.exists():
        pytest.exit(f"{BINARY} does not exist: build azulb first, or set AZULB_BINARY", returncode=3)
    return BINARY


class _Closer:
    """Closes in reverse order, all of them, and raises the first error."""

    def __init__(self):
        self.actions = []

    def close(self):
        first = None
        while self.actions:
            try:
                self.actions.pop()()
            except BaseException as error:
                first = first or error
        if first:
            raise first


def _azulb_factory(tmp_path):
    closer, count = _Closer(), [0]

    def start(*servers, wait=True, **more):
        """azulb over `servers`; keywords process, listener, upstream, … are laid over the default configuration.

        `upstream` and `listener` are the tables of the default upstream "app" and listener "http".
        """
        count[0] += 1
        options = {key: more.pop(key) for key in ("config_text", "arguments", "environment", "binary") if key in more}
        extra = dict(more.pop("extra", {}))
        if "upstream" in more:
            extra["upstream"] = {**extra.get("upstream", {}), "app": more.pop("upstream")}
        if "listener" in more:
            extra["listener"] = {**extra.get("listener", {}), "http": more.pop("listener")}
        if "routes" in more:
            extra["route"] = more.pop("routes")
        extra.update(more)
        process = Azulb(tmp_path / f"azulb{count[0]}", servers, extra, **options)
        closer.actions.append(process.stop)
        return process.start(wait)

    return start, closer


@pytest.fixture
def azulb(tmp_path):
    """Factory: azulb(server, …, upstream={…}, listener={…}, process={…}, routes=[…]) starts a process."""
    start, closer = _azulb_factory(tmp_path)
    yield start
    closer.close()


@pytest.fixture(scope="module")
def module_azulb(tmp_path_factory):
    """As azulb, for a process that all tests of a file share."""
    start, closer = _azulb_factory(tmp_path_factory.mktemp("azulb"))
    yield start
    closer.close()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """A CA and certificates of every kind, right and wrong: support/certificates.py."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def tls_azulb(azulb, certificates):
    """As azulb, with a TLS listener: tls_azulb(server, …, tls={…}); its certificate is certificates.ec."""

    def start(*servers, tls=None, **more):
        table = {"certificates": [certificates.ec.pair], **(tls or {})}
        proxy = azulb(*servers, listener={**more.pop("listener", {}), "tls": table}, **more)
        # The connection that showed that it accepts has ended within its handshake.
        wait_until(lambda: proxy.metrics().total("azulb_tls_failures_total") == 1, what="the first look")
        return proxy

    return start


def _scripted_factory():
    closer = _Closer()

    def start(handler, **more):
        server = ScriptedServer(handler, **more)
        closer.actions += [server.check, server.close]
        return server

    return start, closer


@pytest.fixture
def scripted():
    """Factory: scripted(handler) starts a server that follows the handler."""
    start, closer = _scripted_factory()
    yield start
    closer.close()


@pytest.fixture(scope="module")
def module_scripted():
    start, closer = _scripted_factory()
    yield start
    closer.close()


@pytest.fixture(scope="session")
def crystal_binary():
    cache = os.environ.get("AZULB_TEST_CACHE")
    return build_crystal_app((ROOT / "build" if not cache else type(ROOT)(cache)) / "blackbox")


@pytest.fixture
def crystal_apps(crystal_binary, tmp_path):
    """Factory: crystal_apps(3) starts replicas app1, app2, app3 that share one record of executed POSTs."""
    closer = _Closer()

    def start(count=1):
        apps = [
            CrystalApp(crystal_binary, tmp_path, f"app{number}", tmp_path / "executed")
            for number in range(1, count + 1)
        ]
        for app in apps:
            closer.actions.append(app.kill)
            app.start()
        return apps

    yield start
    closer.close()


def _program_factory(program, tmp_path):
    closer = _Closer()

    def start(body, **more):
        server = program(tmp_path, body, **more)
        closer.actions.append(server.kill)
        return server.start()

    return start, closer


@pytest.fixture
def nginx(tmp_path):
    """Factory: nginx(locations) starts an nginx with that server block."""
    start, closer = _program_factory(Nginx, tmp_path)
    yield start
    closer.close()


@pytest.fixture
def haproxy(tmp_path):
    """Factory: haproxy("server a 127.0.0.1:1 send-proxy") starts a HAProxy with that server."""
    start, closer = _program_factory(HAProxy, tmp_path)
    yield start
    closer.close()


@pytest.fixture
def dnsmasq(tmp_path):
    """Factory: dnsmasq({"app.test": ["127.0.0.2"]}, ttl=1, options=["srv-host=…"]) starts a DNS server."""
    start, closer = _program_factory(Dnsmasq, tmp_path)
    yield start
    closer.close()


@pytest.fixture
def http2_client():
    """Factory: http2_client(proxy) is an Http2Client of its listener."""
    closer = _Closer()

    def start(proxy, **more):
        client = Http2Client(proxy.address, **more)
        closer.actions.append(client.sock.close)
        return client

    yield start
    closer.close()
