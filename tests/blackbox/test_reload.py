"""SIGHUP: another configuration takes effect, and nobody notices."""

import contextlib
import os
import re
import signal
import subprocess
import threading

import pytest

from support.azulb import is_sanitized
from support.client import Client, connect, fetch
from support.http2 import get
from support.live_websockets import LiveWebSockets
from support.ports import free_port
from support.scripted_server import OK, always, per_request, response, send
from support.tls import TlsClient, client_context, tls_fetch
from support.waiting import wait_until
from support.websocket import echo_bytes, handshake, upgrading
from test_health import FAST, Switch


def named(name):
    return always(response(200, name.encode()))


@pytest.fixture
def two(scripted):
    return scripted(named("one")), scripted(named("two"))


def refused(address):
    """Nobody listens there."""
    try:
        connect(address).close()
    except ConnectionRefusedError:
        return True
    return False


# ---- what changes
def test_routes_and_upstreams_come_and_go(azulb, two):
    one, other = two
    proxy = azulb(one)
    report = proxy.reload({
        "upstream": {"other": {"servers": [other.name]}},
        "route": [
            {"name": "special", "path_prefix": "/special", "upstream": "other"},
            {"name": "rest", "upstream": "app"},
        ],
    })
    assert "route special: added" in report and "upstream other: added" in report
    assert proxy.fetch(target="/special").body == b"two" and proxy.fetch().body == b"one"
    report = proxy.reload()
    assert "route special: removed" in report and "upstream other: removed" in report
    assert proxy.fetch(target="/special").body == b"one"


def test_servers_come_and_go_and_nothing_goes_to_one_that_went(azulb, two):
    one, other = two
    proxy = azulb(one)
    report = proxy.reload({"upstream": {"app": {"servers": [one.name, other.name]}}})
    assert f"server app/{other.name}: added" in report
    assert {proxy.fetch().body for _ in range(4)} == {b"one", b"two"}
    report = proxy.reload({"upstream": {"app": {"servers": [other.name]}}})
    assert f"server app/{one.name}: removed" in report
    before = len(one.requests)
    assert [proxy.fetch().body for _ in range(10)] == [b"two"] * 10 and len(one.requests) == before


def test_an_open_connection_s_next_request_goes_by_the_new_configuration(azulb, two):
    one, other = two
    proxy = azulb(one)
    with proxy.client() as client:
        assert client.request().body == b"one"
        proxy.reload({"upstream": {"app": {"servers": [other.name]}}})
        assert client.request().body == b"two"


def test_an_http2_connection_s_next_stream_goes_by_the_new_configuration(azulb, two, http2_client):
    one, other = two
    proxy = azulb(one)
    client = http2_client(proxy)
    assert bytes(client.request(get()).body) == b"one"
    proxy.reload({"upstream": {"app": {"servers": [other.name]}}})
    assert bytes(client.request(get()).body) == b"two"


def test_weights_change(azulb, two):
    one, other = two
    proxy = azulb(one, other)
    report = proxy.reload({"upstream": {"app": {"servers": [{"address": one.name, "weight": 3}, other.name]}}})
    assert f"server app/{one.name}: changed (weight)" in report
    assert sorted(proxy.fetch().body for _ in range(8)) == [b"one"] * 6 + [b"two"] * 2


def test_limits_and_log_settings_change(azulb, scripted, tmp_path):
    proxy = azulb(scripted(always(OK)))
    assert proxy.fetch(headers={"X-Long": "x" * 2000}).status == 200
    other = tmp_path / "other.log"
    report = proxy.reload({
        "listener": {"http": {"limit": {"header_bytes": "1KiB"}}},
        "access_log": {"output": str(other), "format": "line {status} {target}"},
        "process": {"pid_file": str(tmp_path / "pid")},
    })
    assert "listener http: changed (limit)" in report and "access_log: changed (output, format)" in report
    assert "process: changes at the next restart (pid_file)" in report
    assert proxy.fetch(target="/long", headers={"X-Long": "x" * 2000}).status == 431
    wait_until(lambda: other.exists() and "line 431" in other.read_text(), what="the line in the new log")
    proxy.reload({"access_log": {"output": "off"}})
    assert proxy.fetch(target="/unlogged").status == 200
    proxy.reload({"access_log": {"output": str(other), "format": "line {status} {target}"}})
    assert proxy.fetch(target="/again").status == 200
    wait_until(lambda: "line 200 /again" in other.read_text(), what="the line after off")
    assert "/unlogged" not in other.read_text()


def test_the_admin_pages_move(azulb, scripted):
    proxy = azulb(scripted(always(OK)))
    old, new = proxy.admin_address, ("127.0.0.1", free_port())
    proxy.admin_address = new
    proxy.reload({"admin": {"address": f"127.0.0.1:{new[1]}"}})
    assert proxy.admin("/healthz").status == 200
    wait_until(lambda: refused(old), what="the old address being closed")


# ---- listeners
def test_listeners_come_and_go(azulb, scripted):
    proxy = azulb(scripted(always(OK)))
    second = ("127.0.0.1", free_port())
    proxy.reload({"listener": {"second": {"address": f"127.0.0.1:{second[1]}"}}})
    assert fetch(second).status == 200 and proxy.fetch().status == 200
    with contextlib.closing(Client(second)) as kept, contextlib.closing(Client(second)) as idle:
        assert kept.request().status == 200 and idle.request().status == 200
        proxy.reload()
        # It is told to go with its next answer, and gets that.
        answer = kept.request()
        assert answer.status == 200 and answer.header("connection") == "close" and kept.at_end()
        wait_until(lambda: refused(second), what="the address being closed")
    assert proxy.fetch().status == 200


def test_a_listener_that_keeps_its_address_keeps_its_socket(azulb, scripted):
    proxy = azulb(scripted(always(OK)), process={"workers": 2})

    def sockets():
        text = subprocess.run(["ss", "-ltneH", f"sport = :{proxy.port}"], stdout=subprocess.PIPE, text=True).stdout
        return set(re.findall(r"ino:(\d+)", text))

    proxy.admin("/healthz")  # is answered once all of them listen
    before = sockets()
    assert len(before) == 2
    report = proxy.reload({"listener": {"http": {"timeout": {"keepalive": "5s"}, "backlog": 100}}})
    assert "listener http: changed (backlog, timeout)" in report
    assert sockets() == before
    # Under another name, and with other numbers of workers, too: what waits in a socket is never lost.
    rules = {"listener": {"http": None, "web": {"address": f"127.0.0.1:{proxy.port}"}}, "process": {"workers": 1}}
    report = proxy.reload(rules)
    assert "listener web: added" in report and "listener http: removed" in report
    assert sockets() == before
    assert all(proxy.fetch().status == 200 for _ in range(20))


def test_certificates_are_swapped_and_sessions_go_on(tls_azulb, scripted, certificates, tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def install(leaf):
        cert.write_bytes(open(leaf.cert, "rb").read())
        key.write_bytes(open(leaf.key, "rb").read())

    install(certificates.ec)
    proxy = tls_azulb(scripted(always(OK)), tls={"certificates": [{"cert": str(cert), "key": str(key)}]})
    context = client_context()
    with contextlib.closing(TlsClient(proxy.address, context)) as client:
        assert client.request().status == 200
        first, session = client.sock.getpeercert(True), client.sock.session
        assert "nothing has changed" in proxy.reload()
        install(certificates.rsa)
        assert "listener http: changed (certificates)" in proxy.reload()
        assert client.request().status == 200  # on the connection of before
    with contextlib.closing(TlsClient(proxy.address, client_context())) as client:
        assert client.request().status == 200 and client.sock.getpeercert(True) != first
    with contextlib.closing(TlsClient(proxy.address, context, session=session)) as client:
        assert client.request().status == 200 and client.sock.session_reused


# ---- what stays
def test_a_server_known_to_be_down_gets_no_request(azulb, scripted):
    up, down = Switch(scripted), Switch(scripted, status=500)
    health = {"health": FAST}
    proxy = azulb(up.name, down.name, upstream=health)
    proxy.wait_health(down.name, "down")
    for turn in range(5):
        proxy.reload({"upstream": {"app": {"queue": 100 + turn, "servers": [up.name, down.name]}}})
        assert proxy.servers_state()[down.name]["health"] == "down"
        assert all(proxy.fetch().status == 200 for _ in range(4))
    assert down.others == []


def test_a_new_server_waits_for_its_first_check(azulb, scripted):
    up = Switch(scripted)
    go = threading.Event()

    def slow(peer):
        while True:
            request = peer.read_request()
            if request.target.startswith("/health"):
                assert go.wait(20)
            peer.send(OK if request.target.startswith("/health") else response(200, b"new"))

    fresh = scripted(slow)
    health = {"health": {**FAST, "timeout": "20s"}}
    proxy = azulb(up.name, upstream=health)
    proxy.wait_health(up.name, "up")
    proxy.reload({"upstream": {"app": {**health, "servers": [up.name, fresh.name]}}})
    assert proxy.servers_state()[up.name]["health"] == "up"
    assert b"new" not in {proxy.fetch().body for _ in range(6)}
    go.set()
    proxy.wait_health(fresh, "up")
    wait_until(lambda: proxy.fetch().body == b"new", what="a request to the new server")


def test_ejections_stay(azulb, scripted):
    good, bad = scripted(always(OK)), scripted(always(response(500)))
    outlier = {"outlier": {"consecutive_5xx": 1, "ejection": "60s"}, "retry": {"on": ["off"]}}
    proxy = azulb(good, bad, upstream=outlier)
    wait_until(lambda: proxy.fetch().status == 500, what="the ejection")
    before = len(bad.requests)
    for turn in range(3):
        proxy.reload({"upstream": {"app": {**outlier, "queue": 10 + turn}}})
        assert all(proxy.fetch().status == 200 for _ in range(6))
    assert len(bad.requests) == before


def test_warm_connections_stay(azulb, scripted):
    server = scripted(always(OK))
    proxy = azulb(server)
    for turn in range(5):
        assert proxy.fetch().status == 200
        proxy.reload({"upstream": {"app": {"queue": 100 + turn}}, "route": [{"name": f"r{turn}", "upstream": "app"}]})
    assert len(server.peers) == 1
    # With other rules for them they are made anew.
    proxy.reload({"upstream": {"app": {"keepalive": {"requests": 1000}}}})
    assert proxy.fetch().status == 200 and len(server.peers) == 2


def test_counters_never_go_back(azulb, scripted):
    server = scripted(always(OK))
    proxy = azulb(server, process={"workers": 2})
    last = 0
    for turn in range(6):
        for _ in range(5):
            assert proxy.fetch().status == 200
        proxy.reload({
            "process": {"workers": 1 + turn % 3},
            "listener": {"more": {"address": "127.0.0.1:0"}} if turn % 2 else {},
            "upstream": {"app": {"queue": 100 + turn}},
        })
        metrics = proxy.metrics()
        now = metrics.total("azulb_http_requests_total", listener="http")
        assert now == last + 5 == metrics.total("azulb_server_requests_total", server=server.name)
        last = now


def test_what_runs_goes_on_under_the_configuration_it_began_with(azulb, scripted):
    go = threading.Event()

    def slowly(peer, request):
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        assert go.wait(20)
        peer.send(b"later")

    server, other = scripted(per_request(slowly)), scripted(named("new"))
    tunnel = scripted(upgrading(echo_bytes))
    routes = [{"path": "/ws", "upstream": "ws"}, {"upstream": "app"}]
    proxy = azulb(server, routes=routes, upstream={}, extra={"upstream": {"ws": {"servers": [tunnel.name]}}},
                  process={"workers": 2})
    with proxy.client() as client, proxy.client() as websocket:
        assert handshake(websocket).status == 101
        client.send_request("GET", "/slow")
        assert client.read_head().status == 200
        for workers in (1, 3):
            proxy.reload({"upstream": {"ws": None, "app": {"servers": [other.name]}}, "route": [{"upstream": "app"}],
                          "process": {"workers": workers}})
        assert proxy.fetch().body == b"new"
        go.set()
        assert client.read_exact(10) == b"firstlater"
        websocket.send(b"still there")
        assert websocket.read_exact(11) == b"still there"
        assert proxy.metrics().total("azulb_connections_active") >= 1


def test_a_request_that_waits_is_served_by_the_new_configuration(azulb, scripted):
    down, good = Switch(scripted, status=500), scripted(always(OK))
    proxy = azulb(down.name, upstream={"health": FAST, "queue_timeout": "30s"})
    proxy.wait_health(down.name, "down")
    with proxy.client() as client:
        client.send_request("GET", "/")
        wait_until(lambda: client_waits(proxy), what="the request waiting")
        proxy.reload({"upstream": {"app": {"health": None, "servers": [good.name]}}})
        assert client.read_response().status == 200


def client_waits(proxy):
    return proxy.metrics().total("azulb_http_requests_in_flight") == 1


# ---- what is wrong
def test_a_configuration_with_errors_changes_nothing(azulb, scripted):
    proxy = azulb(scripted(always(OK)))
    report = proxy.reload(text="[listener.http]\nadress = 1\n")
    assert "not reloaded" in report
    assert 'azulb.toml:2:1: error: unknown key "adress"' in report and 'did you mean "address"?' in report
    assert proxy.fetch().status == 200


@pytest.mark.parametrize("extra, reason", [
    ({"access_log": {"output": "/no/such/directory/log"}}, "/no/such/directory/log"),
    ({"log": {"output": "/no/such/directory/log"}}, "/no/such/directory/log"),
])
def test_what_cannot_be_had_changes_nothing(azulb, two, extra, reason):
    one, other = two
    proxy = azulb(one)
    change = {"route": [{"respond": {"status": 204}}]}
    report = proxy.reload({**change, **extra})
    assert "not reloaded" in report and reason in report
    assert proxy.fetch().body == b"one"


def test_an_address_in_use_changes_nothing(azulb, two):
    one, other = two
    proxy = azulb(one)
    report = proxy.reload({
        "listener": {"http": {"address": [f"127.0.0.1:{proxy.port}", other.name]}},
        "route": [{"respond": {"status": 204}}],
    })
    assert "not reloaded" in report and "another process listens there" in report
    assert proxy.fetch().body == b"one"
    assert "nothing has changed" in proxy.reload()


def test_a_storm_of_signals_ends_in_the_latest_configuration(azulb, two):
    one, other = two
    proxy = azulb(one)
    for _ in range(100):
        proxy.signal(signal.SIGHUP)
    proxy.reload({"upstream": {"app": {"servers": [other.name]}}})
    wait_until(lambda: proxy.fetch().body == b"two", what="the latest configuration")
    assert proxy.stderr().count("the configuration is reloaded") <= 101


def test_a_reload_while_draining_is_refused(azulb, scripted):
    go = threading.Event()

    def slowly(peer, request):
        assert go.wait(20)
        peer.send(OK)

    server = scripted(per_request(slowly))
    proxy = azulb(server)
    with proxy.client() as client:
        client.send_request("GET", "/")
        server.wait_requests(1)
        proxy.signal(signal.SIGTERM)
        wait_until(lambda: "draining" in proxy.stderr(), what="the drain")
        before = len(proxy.stderr())
        proxy.signal(signal.SIGHUP)
        wait_until(lambda: "not reloaded" in proxy.stderr()[before:], what="the refusal")
        go.set()
        assert client.read_response().status == 200
    assert proxy.wait_exit() == 0


def test_without_a_file_there_is_nothing_to_reload(azulb, scripted):
    server = scripted(always(OK))
    arguments = lambda self: ["proxy", "--listen", f"127.0.0.1:{self.port}", "--to", server.name, "--access-log", "off"]
    proxy = azulb(arguments=arguments)
    proxy.signal(signal.SIGHUP)
    wait_until(lambda: "without a configuration file" in proxy.stderr(), what="the answer")
    assert proxy.fetch().status == 200


# ---- under load
@pytest.mark.slow
def test_reloads_under_load_lose_nothing(azulb, crystal_apps):
    """AZULB_RELOADS=200 for the figures; websockets and workers come and go with every one."""
    reloads = int(os.environ.get("AZULB_RELOADS", "20"))
    apps = crystal_apps(3)
    health = {"health": {**FAST, "path": "/health"}, "balance": "least_connections"}
    proxy = azulb(*apps, upstream=health, process={"workers": 2}, access_log={"output": "off"})
    for app in apps:
        proxy.wait_health(app, "up")
    with LiveWebSockets(proxy.port, 10 * reloads if reloads < 20 else 200) as sockets:
        wait_until(lambda: sockets.open + len(sockets.errors) == sockets.count, 40, "all WebSockets being open")
        load = subprocess.Popen(
            ["wrk", "-t1", "-c32", f"-d{max(8, reloads // 5)}s", "--latency", f"http://{proxy.name}/"],
            stdout=subprocess.PIPE, text=True,
        )
        sizes = []
        turn = 0
        while turn < reloads:
            turn += 1
            servers = [app.name for app in apps[: 2 + turn % 2]]
            report = proxy.reload({
                "process": {"workers": 1 + turn % 3},
                "upstream": {"app": {**health, "servers": servers, "queue": 100 + turn}},
                "listener": {"more": {"address": "127.0.0.1:0"}} if turn % 4 == 0 else {},
            })
            assert "not reloaded" not in report
            sizes.append(proxy.resident_bytes())
        output, _ = load.communicate(timeout=120)
        assert load.returncode == 0
        print(output, f"resident: {[size >> 20 for size in sizes[:: max(1, reloads // 10)]]} MiB")
        assert "Socket errors" not in output and "Non-2xx" not in output, output
        assert sockets.errors == [] and sockets.echoed > sockets.count
    if not is_sanitized():
        settled = sizes[len(sizes) // 2]
        assert max(sizes[len(sizes) // 2 :]) < settled * 1.25
