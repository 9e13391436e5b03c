"""The admin interface: its health, its readiness, its state, and that it is not in the way."""

import json
import threading

import pytest

from support.azulb import state_upstream
from support.client import Client, fetch
from support.scripted_server import OK, always, response
from support.waiting import wait_until

FAST = {"interval": "100ms", "fast_interval": "50ms", "timeout": "300ms", "rise": 1, "fall": 1}


def test_healthz_and_readyz(azulb, scripted):
    proxy = azulb(scripted(always(OK)), upstream={"health": FAST})
    assert proxy.admin("/healthz").status == 200
    wait_until(lambda: proxy.admin("/readyz").status == 200, what="/readyz at 200")


def test_readyz_is_503_when_an_upstream_has_no_server(azulb, scripted):
    good, bad = scripted(always(OK)), scripted(always(response(500)))
    proxy = azulb(
        good,
        upstream={"health": FAST},
        extra={"upstream": {"broken": {"servers": [bad.name], "health": FAST}}},
        routes=[{"path": "/broken", "upstream": "broken"}, {"upstream": "app"}],
    )
    proxy.wait_health(bad, "down", upstream="broken")
    answer = proxy.admin("/readyz")
    assert answer.status == 503
    assert b"broken" in answer.body
    assert proxy.admin("/healthz").status == 200


def test_state_shows_upstreams_and_servers(azulb, scripted):
    good, bad = scripted(always(OK)), scripted(always(response(500)))
    proxy = azulb(
        {"address": good, "weight": 3, "name": "first"}, {"address": bad}, upstream={"health": FAST}
    )
    proxy.wait_health(good, "up")
    proxy.wait_health(bad, "down")
    answer = proxy.admin("/state")
    assert answer.header("content-type").startswith("application/json")
    servers = {
        server["address"]: server for server in state_upstream(json.loads(answer.body), "app")["servers"]
    }
    assert servers[good.name]["name"] == "first" and servers[good.name]["weight"] == 3
    assert servers[bad.name]["health"] == "down"


def test_state_counts_active_requests(azulb, scripted):
    release = threading.Event()

    def handler(peer):
        while True:
            peer.read_request()
            assert release.wait(20)
            peer.send(OK)

    server = scripted(handler)
    proxy = azulb(server)
    client = proxy.client()
    client.send_request()
    wait_until(lambda: proxy.servers_state()[server.name]["active"] == 1, what="one active request")
    release.set()
    assert client.read_response().status == 200
    wait_until(lambda: proxy.servers_state()[server.name]["active"] == 0, what="no active request")
    client.close()


def test_metrics_are_in_the_text_format(azulb, scripted):
    answer = azulb(scripted(always(OK))).admin("/metrics")
    assert answer.status == 200
    assert answer.header("content-type").startswith("text/plain; version=0.0.4")


@pytest.mark.parametrize(
    "method,target,status",
    [
        ("GET", "/no-such-page", 404),
        ("POST", "/metrics", 405),
        ("DELETE", "/state", 405),
        ("HEAD", "/healthz", 200),
    ],
)
def test_other_requests(azulb, scripted, method, target, status):
    proxy = azulb(scripted(always(OK)))
    assert proxy.admin(target, method).status == status


def test_query_strings_are_ignored(azulb, scripted):
    assert azulb(scripted(always(OK))).admin("/healthz?probe=1").status == 200


def test_admin_speaks_http_properly(azulb, scripted):
    """Kept-alive, pipelined, and refusing what is malformed."""
    proxy = azulb(scripted(always(OK)))
    with Client(proxy.admin_address) as client:
        client.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.read_response().status == 200
        assert client.read_response().status == 200
    with Client(proxy.admin_address) as client:
        client.send(
            b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        )
        assert client.read_response().status == 400


def test_admin_on_a_unix_socket(azulb, scripted, tmp_path):
    path = str(tmp_path / "admin.sock")
    azulb(scripted(always(OK)), admin={"address": f"unix:{path}"})

    def answers():
        try:
            return fetch(path, target="/healthz").status == 200
        except OSError:
            return False

    wait_until(answers, what="/healthz on the socket")


def test_without_the_table_there_is_no_admin_interface(azulb, scripted):
    proxy = azulb(scripted(always(OK)), admin=None)
    assert proxy.fetch().status == 200
    with pytest.raises(ConnectionRefusedError):
        fetch(proxy.admin_address, target="/healthz")


def test_admin_paths_are_not_on_the_listeners(azulb, scripted):
    server = scripted(always(response(200, b"the app's own")))
    proxy = azulb(server)
    for target in ("/metrics", "/healthz", "/readyz", "/state"):
        assert proxy.fetch(target=target).body == b"the app's own"


def test_a_silent_admin_client_does_not_block_others(azulb, scripted):
    proxy = azulb(scripted(always(OK)))
    silent = [Client(proxy.admin_address) for _ in range(20)]
    for client in silent:
        client.send(b"GET /metr")
    assert proxy.admin("/healthz").status == 200
    for client in silent:
        client.close()
