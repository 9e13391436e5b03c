"""Active checks and passive ejection: who may get traffic, and when."""

import select
import signal
import threading

import pytest

from support.scripted_server import OK, always, close, response
from support.waiting import wait_until

FAST = {"interval": "100ms", "fast_interval": "50ms", "timeout": "300ms", "rise": 2, "fall": 2}


class Switch:
    """A server whose /health answers what `status` says, and that counts the other requests it gets."""

    def __init__(self, scripted, status=200, body=b"fine", **more):
        self.status, self.body, self.checks, self.others = status, body, [], []
        self.server = scripted(self.handle, **more)
        self.name = self.server.name

    def handle(self, peer):
        while True:
            request = peer.read_request()
            if request.target.startswith("/health"):
                self.checks.append(request)
                peer.send(response(self.status, self.body))
            else:
                self.others.append(request)
                peer.send(OK)


def test_checks_are_made_as_configured(azulb, scripted):
    server = Switch(scripted)
    proxy = azulb(
        server.name,
        upstream={
            "health": {
                **FAST,
                "path": "/health/deep?x=1",
                "method": "HEAD",
                "host": "checks.test",
                "headers": {"X-Check": "yes"},
            }
        },
    )
    wait_until(lambda: len(server.checks) >= 3, what="three checks")
    check = server.checks[0]
    assert (check.method, check.target, check.header("host"), check.header("x-check")) == (
        "HEAD",
        "/health/deep?x=1",
        "checks.test",
        "yes",
    )
    proxy.wait_health(server.name, "up")


def test_no_traffic_before_the_first_pass(azulb, scripted):
    good, bad = Switch(scripted), Switch(scripted, status=503)
    proxy = azulb(good.name, bad.name, upstream={"health": FAST})
    for _ in range(10):
        assert proxy.fetch().status == 200
    assert bad.others == [] and len(good.others) == 10


def test_requests_wait_for_the_first_verdict(azulb, scripted):
    allow = threading.Event()

    def handler(peer):
        while True:
            if peer.read_request().target == "/health":
                assert allow.wait(20)
            peer.send(OK)

    server = scripted(handler)
    proxy = azulb(server, upstream={"health": {**FAST, "timeout": "10s"}, "queue_timeout": "10s"})
    with proxy.client() as client:
        client.send_request("GET", "/early")
        wait_until(lambda: len(server.requests) >= 1, what="the first check")
        wait_until(
            lambda: proxy.metrics().total("azulb_http_requests_in_flight") == 1, what="the request being read"
        )
        allow.set()
        assert client.read_response().status == 200
    assert proxy.access_record(target="/early")["queue_ms"] > 0


def test_the_wait_ends_with_queue_timeout(azulb, scripted):
    def silent(peer):
        peer.read_request()
        peer.wait_closed()

    proxy = azulb(scripted(silent), upstream={"health": {**FAST, "timeout": "20s"}, "queue_timeout": "300ms"})
    answer = proxy.fetch(target="/never")
    assert answer.status == 503
    assert int(answer.header("retry-after")) >= 1
    assert proxy.access_record(target="/never")["error"] in ("queue_timeout", "no_server")


@pytest.mark.parametrize("initial,served", [("up", True), ("down", False)])
def test_initial_state(azulb, scripted, initial, served):
    blocked = threading.Event()

    def handler(peer):
        while True:
            if peer.read_request().target == "/health":
                blocked.wait(20)
                return
            peer.send(OK)

    proxy = azulb(
        scripted(handler),
        upstream={"health": {**FAST, "timeout": "20s", "initial": initial}, "queue_timeout": "200ms"},
    )
    assert proxy.fetch().status == (200 if served else 503)
    blocked.set()


def test_fall_and_rise_count_in_a_row(azulb, scripted):
    server, other = Switch(scripted), Switch(scripted)
    proxy = azulb(server.name, other.name, upstream={"health": {**FAST, "rise": 3, "fall": 3}})
    proxy.wait_health(server.name, "up")
    server.status = 500
    proxy.wait_health(server.name, "down")
    before = len(server.others)
    for _ in range(6):
        assert proxy.fetch().status == 200
    assert len(server.others) == before
    server.status = 200
    proxy.wait_health(server.name, "up")
    for _ in range(6):
        assert proxy.fetch().status == 200
    assert len(server.others) > before


def test_one_failure_does_not_fell_a_server(azulb, scripted):
    """fall = 3: single failures between passes change nothing."""
    count, results = [0], []

    def handler(peer):
        while True:
            peer.read_request()
            count[0] += 1
            peer.send(response(500 if count[0] % 3 == 0 else 200))
            results.append(count[0])

    proxy = azulb(scripted(handler), upstream={"health": {**FAST, "rise": 1, "fall": 3}})
    wait_until(lambda: len(results) > 12, what="a dozen checks")
    assert "down" not in proxy.stderr().lower().replace("shutting down", "")


def test_changes_are_logged_once_with_the_reason(azulb, scripted):
    server = Switch(scripted)
    proxy = azulb(server.name, upstream={"health": FAST})
    proxy.wait_health(server.name, "up")
    server.status = 503
    proxy.wait_health(server.name, "down")
    checks = len(server.checks)
    wait_until(lambda: len(server.checks) > checks + 3, what="more failing checks")
    lines = [line for line in proxy.stderr().splitlines() if server.name in line and "down" in line]
    assert len(lines) == 1, lines
    assert "503" in lines[0]


@pytest.mark.parametrize(
    "setting,status,up",
    [
        ("200", 200, True),
        ("200", 204, False),
        ("200,204", 204, True),
        ("200-399", 302, True),
        ("200-399", 404, False),
    ],
)
def test_expect_status(azulb, scripted, setting, status, up):
    server = Switch(scripted, status=status, body=b"")
    if status == 204:
        server.server.handler = always(b"HTTP/1.1 204 No Content\r\n\r\n")
    proxy = azulb(server.name, upstream={"health": {**FAST, "expect_status": setting}})
    proxy.wait_health(server.name, "up" if up else "down")


@pytest.mark.parametrize(
    "body,up",
    [(b"x" * 5000 + b"ready" + b"y" * 100, True), (b"not yet", False), (b"x" * 70000 + b"ready", False)],
)
def test_expect_body(azulb, scripted, body, up):
    server = Switch(scripted, body=body)
    proxy = azulb(server.name, upstream={"health": {**FAST, "expect_body": "ready"}})
    proxy.wait_health(server.name, "up" if up else "down")


def test_checks_on_another_port(azulb, scripted):
    server, checks = Switch(scripted, status=500), Switch(scripted)
    proxy = azulb(server.name, upstream={"health": {**FAST, "port": checks.server.address[1]}})
    proxy.wait_health(server.name, "up")
    assert server.checks == []


@pytest.mark.parametrize("fault", ["refused", "silent", "rubbish", "closed"])
def test_every_kind_of_failure_counts(azulb, scripted, fault):
    handlers = {
        "silent": lambda peer: peer.wait_closed(),
        "closed": close,
        "rubbish": lambda peer: (peer.read_request(), peer.send(b"rubbish\r\n\r\n")),
    }
    server = scripted(handlers.get(fault, close))
    if fault == "refused":
        server.close()
    proxy = azulb(server.name, upstream={"health": FAST, "queue_timeout": "100ms"})
    proxy.wait_health(server.name, "down")
    assert proxy.fetch().status == 503


def test_a_frozen_replica_is_noticed(azulb, crystal_apps):
    apps = crystal_apps(2)
    proxy = azulb(*apps, upstream={"health": FAST})
    for app in apps:
        proxy.wait_health(app, "up")
    apps[0].signal(signal.SIGSTOP)
    proxy.wait_health(apps[0], "down")
    apps[0].signal(signal.SIGCONT)
    proxy.wait_health(apps[0], "up")


def test_no_server_is_503_with_retry_after(azulb, scripted):
    server = Switch(scripted, status=503)
    proxy = azulb(server.name, upstream={"health": FAST, "queue_timeout": "200ms"})
    proxy.wait_health(server.name, "down")
    answer = proxy.fetch(target="/nobody")
    assert answer.status == 503 and int(answer.header("retry-after")) >= 1
    assert proxy.access_record(target="/nobody")["error"] in ("no_server", "queue_timeout")
    assert server.others == []


def test_a_queued_request_is_served_when_a_server_comes_back(azulb, scripted):
    server = Switch(scripted, status=503)
    proxy = azulb(server.name, upstream={"health": FAST, "queue_timeout": "10s"})
    proxy.wait_health(server.name, "down")
    with proxy.client() as client:
        client.send_request("GET", "/patient")
        wait_until(lambda: len(server.checks) > 4, what="more checks")
        server.status = 200
        assert client.read_response().status == 200


# ---- the queue
def test_a_full_queue_is_503_at_once(azulb, scripted):
    allow = threading.Event()

    def handler(peer):
        while True:
            if peer.read_request().target == "/health":
                assert allow.wait(20)
            peer.send(OK)

    proxy = azulb(
        scripted(handler), upstream={"health": {**FAST, "timeout": "20s"}, "queue": 2, "queue_timeout": "20s"}
    )
    clients = [proxy.client() for _ in range(3)]
    for client in clients:
        client.send_request()
    ready, _, _ = select.select([client.sock for client in clients], [], [], 10)
    refused = next(client for client in clients if client.sock in ready)
    answer = refused.read_response()
    assert answer.status == 503 and int(answer.header("retry-after")) >= 1
    assert proxy.access_record(status=503)["error"] == "queue_full"
    allow.set()
    for client in clients:
        if client is not refused:
            assert client.read_response().status == 200
        client.close()


def test_a_client_that_leaves_the_queue_makes_room(azulb, scripted):
    allow = threading.Event()

    def handler(peer):
        while True:
            if peer.read_request().target == "/health":
                assert allow.wait(20)
            peer.send(OK)

    server = scripted(handler)
    proxy = azulb(server, upstream={"health": {**FAST, "timeout": "20s"}, "queue": 1, "queue_timeout": "20s"})
    gone = proxy.client()
    gone.send_request("GET", "/gone")
    wait_until(lambda: proxy.fetch().status == 503, what="the queue being full")
    gone.reset()
    proxy.access_record(target="/gone")
    with proxy.client() as next_one:
        next_one.send_request("GET", "/next")
        allow.set()
        assert next_one.read_response().status == 200
    assert "/gone" not in [request.target for request in server.requests]


# ---- passive
def test_consecutive_errors_eject(azulb, scripted):
    bad, good = scripted(lambda peer: (peer.read_request(), peer.reset())), scripted(always(OK))
    proxy = azulb(
        bad, good, upstream={"outlier": {"consecutive_errors": 3, "ejection": "1m", "max_ejected": 0.5}}
    )
    for _ in range(30):
        assert proxy.fetch().status == 200, "GETs are tried at the other server"
    assert len(bad.requests) == 3
    assert any(server["ejected"] for server in proxy.servers_state().values())


def test_an_answer_in_between_starts_the_count_anew(azulb, scripted):
    count = [0]

    def handler(peer):
        while True:
            peer.read_request()
            count[0] += 1
            if count[0] % 3 == 0:
                peer.send(OK)
            else:
                peer.reset()
                return

    flaky, good = scripted(handler), scripted(always(OK))
    proxy = azulb(flaky, good, upstream={"outlier": {"consecutive_errors": 3, "ejection": "1m"}})
    for _ in range(40):
        assert proxy.fetch().status == 200
    assert len(flaky.requests) >= 15


def test_consecutive_5xx_eject(azulb, scripted):
    bad, good = scripted(always(response(500))), scripted(always(OK))
    proxy = azulb(bad, good, upstream={"outlier": {"consecutive_5xx": 4, "ejection": "1m"}})
    statuses = [proxy.fetch().status for _ in range(30)]
    assert statuses.count(500) == 4
    assert len(bad.requests) == 4


def test_an_ejected_server_comes_back(azulb, scripted):
    broken = [True]

    def handler(peer):
        while True:
            peer.read_request()
            if broken[0]:
                peer.reset()
                return
            peer.send(OK)

    server, good = scripted(handler), scripted(always(OK))
    proxy = azulb(server, good, upstream={"outlier": {"consecutive_errors": 1, "ejection": "300ms"}})
    wait_until(lambda: proxy.fetch().status == 200 and server.requests, what="the first error")
    broken[0] = False
    before = len(server.requests)
    wait_until(
        lambda: proxy.fetch().status == 200 and len(server.requests) > before + 3,
        what="traffic after the ejection",
    )


def test_never_more_than_max_ejected(azulb, scripted):
    servers = [scripted(lambda peer: (peer.read_request(), peer.reset())) for _ in range(4)]
    proxy = azulb(
        *servers,
        upstream={
            "outlier": {"consecutive_errors": 1, "ejection": "1m", "max_ejected": 0.5},
            "retry": {"on": ["off"]},
        }
    )
    for _ in range(30):
        assert proxy.fetch().status == 502
    assert sum(bool(server["ejected"]) for server in proxy.servers_state().values()) == 2
