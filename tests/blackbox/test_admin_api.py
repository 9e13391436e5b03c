"""What the admin API changes: servers drained, disabled, enabled and weighed while traffic runs."""

import collections
import json
import threading

import pytest

from support.client import Client
from support.scripted_server import OK, always, response
from support.waiting import wait_until
from support.websocket import echo_bytes, handshake, upgrading

FAST = {"interval": "50ms", "fast_interval": "50ms", "timeout": "500ms", "rise": 1, "fall": 1}


def numbered(scripted, count):
    """Servers that answer with their number."""
    return [scripted(always(response(200, str(number).encode()))) for number in range(count)]


def shares(proxy, count):
    """Who answered, over two connections (of different workers, if there are several)."""
    with proxy.client() as one, proxy.client() as two:
        clients = [one, two]
        return collections.Counter(int(clients[n % 2].request().body) for n in range(count))


def act(proxy, server, action, body=None, **more):
    answer = proxy.command(f"/servers/app/{server.name}/{action}", body, **more)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


@pytest.mark.parametrize("balance", ["round_robin", "least_connections", "random_two", "least_time", "hash"])
def test_a_drained_server_gets_nothing_until_it_is_enabled(azulb, scripted, balance):
    servers = numbered(scripted, 3)
    proxy = azulb(
        *servers, upstream={"balance": balance, "hash_key": "path"}, process={"workers": 2}
    )
    answer = act(proxy, servers[1], "drain")
    assert answer["changed"] and answer["server"]["admin_state"] == "draining"
    for number in range(60):
        assert proxy.fetch(target=f"/{number}").body != b"1"
    assert not servers[1].requests
    assert act(proxy, servers[1], "enable")["server"]["available"]
    answered = {proxy.fetch(target=f"/{number}").body for number in range(60)}
    assert b"1" in answered
    if balance != "least_time":  # which has no reason to ask a server that was slower, were it by little
        assert answered == {b"0", b"1", b"2"}


def test_what_runs_on_a_draining_server_finishes_and_its_idle_connections_are_closed(azulb, scripted):
    release = threading.Event()

    def handler(peer):
        while True:
            if peer.read_request().target == "/slow":
                assert release.wait(20)
            peer.send(OK)

    server, other = scripted(handler), scripted(always(OK))
    proxy = azulb(server, other)
    with proxy.client() as slow, proxy.client() as client:
        slow.send_request(target="/slow")
        server.wait_requests(1)
        # Warm connections to both.
        wait_until(lambda: client.request().status == 200 and len(server.peers) == 2, what="a second connection")
        wait_until(lambda: proxy.metrics().total("azulb_server_connections_idle", server=server.name) == 1, what="one idle")
        assert act(proxy, server, "drain")["server"]["active"] == 1
        wait_until(server.peers[1].finished.is_set, what="the idle connection's end")
        release.set()
        assert slow.read_response().status == 200
        wait_until(server.peers[0].finished.is_set, what="the end of the connection that was in use")
        assert proxy.servers_state()[server.name]["active"] == 0


def test_a_tunnel_stays_with_its_draining_server(azulb, scripted):
    server = scripted(upgrading(echo_bytes))
    proxy = azulb(server)
    with proxy.client() as client:
        assert handshake(client).status == 101
        record = act(proxy, server, "drain")["server"]
        assert (record["active"], record["tunnels"]) == (1, 1)
        client.send(b"still here")
        assert client.read_exact(10) == b"still here"
    wait_until(lambda: proxy.servers_state()[server.name]["active"] == 0, what="the server being empty")


def test_checks_go_on_for_a_draining_server_and_stop_for_a_disabled_one(azulb, scripted):
    servers = numbered(scripted, 2)
    proxy = azulb(*servers, upstream={"health": FAST})
    for server in servers:
        proxy.wait_health(server, "up")
    act(proxy, servers[0], "drain")
    act(proxy, servers[1], "disable")
    before = len(servers[1].requests)
    servers[0].wait_requests(len(servers[0].requests) + 5)
    assert len(servers[1].requests) <= before + 1  # one may have been under way
    # Enabled again it waits for its first check, as a new server does.
    enabled = act(proxy, servers[1], "enable")["server"]
    assert enabled["health"] == "unknown" and not enabled["available"]
    proxy.wait_health(servers[1], "up")


def test_after_a_drain_with_nothing_active_no_further_request_comes(azulb, scripted):
    """While two workers are busy: what a deploy script relies on before it stops the server."""
    servers = numbered(scripted, 2)
    proxy = azulb(*servers, process={"workers": 2})
    stop, failures = threading.Event(), []

    def load():
        with proxy.client() as client:
            while not stop.is_set():
                answer = client.request()
                if answer.status != 200:
                    failures.append(answer)

    threads = [threading.Thread(target=load) for _ in range(6)]
    for thread in threads:
        thread.start()
    for round_number in range(30):
        server = servers[round_number % 2]
        server.wait_requests(len(server.requests) + 3)
        act(proxy, server, "drain")
        wait_until(lambda: proxy.servers_state()[server.name]["active"] == 0, what="the server being empty")
        empty = len(server.requests)
        other = servers[(round_number + 1) % 2]
        other.wait_requests(len(other.requests) + 20)
        assert len(server.requests) == empty
        act(proxy, server, "enable")
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_weight_counts_at_once_and_exactly_over_all_workers(azulb, scripted):
    servers = numbered(scripted, 3)
    proxy = azulb(*servers, process={"workers": 2})
    assert shares(proxy, 300) == {0: 100, 1: 100, 2: 100}
    record = act(proxy, servers[2], "weight", {"weight": 4})["server"]
    assert (record["weight"], record["configured_weight"]) == (4, 1)
    assert shares(proxy, 300) == {0: 50, 1: 50, 2: 200}
    assert proxy.metrics().total("azulb_server_weight", server=servers[2].name) == 4


def test_requests_wait_while_the_only_server_is_drained(azulb, scripted):
    server = scripted(always(OK))
    proxy = azulb(server)
    act(proxy, server, "drain")
    assert proxy.admin("/readyz").body == b"upstream app has no available server: drained\n"
    with proxy.client() as client:
        client.send_request()
        # Another request over another connection shows that the first has been read.
        wait_until(
            lambda: proxy.metrics().total("azulb_http_requests_in_flight") == 1, what="a waiting request"
        )
        act(proxy, server, "enable")
        assert client.read_response().status == 200


def test_a_drained_server_that_is_never_enabled_means_503(azulb, scripted):
    server = scripted(always(OK))
    proxy = azulb(server, upstream={"queue_timeout": "100ms"})
    act(proxy, server, "drain")
    assert proxy.fetch().status == 503
    assert proxy.access_record(error="queue_timeout")


def test_changing_state_needs_the_token(azulb, scripted):
    server = scripted(always(OK))
    proxy = azulb(server, admin={"token": "only-for-deploys"})
    target = f"/servers/app/{server.name}/drain"
    for token in (None, "wrong", "only-for-deploy"):
        answer = proxy.command(target, token=token)
        assert answer.status == 401
        assert answer.header("www-authenticate").startswith("Bearer")
    assert proxy.servers_state()[server.name]["admin_state"] == "enabled"
    assert proxy.command(target, token="only-for-deploys").status == 200
    assert proxy.servers_state()[server.name]["admin_state"] == "draining"
    for page in ("/", "/state", "/metrics", "/servers", "/nothing"):
        assert b"only-for-deploys" not in proxy.admin(page).body


@pytest.mark.parametrize(
    "headers,status",
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}, 403),
        ({"Host": "rebound.evil.example"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_a_page_of_another_site_changes_nothing(azulb, scripted, headers, status):
    server = scripted(always(OK))
    proxy = azulb(server)
    fields = {"Host": f"127.0.0.1:{proxy.admin_port}", "Content-Type": "application/json", **headers}
    answer = proxy.admin(f"/servers/app/{server.name}/drain", "POST", headers=fields, body=b"{}")
    assert answer.status == status
    assert json.loads(answer.body)["error"]
    assert not [name for name, _ in answer.headers if name.lower().startswith("access-control-")]
    assert proxy.servers_state()[server.name]["admin_state"] == "enabled"


def test_a_preflight_gets_no_permission(azulb, scripted):
    server = scripted(always(OK))
    proxy = azulb(server)
    answer = proxy.admin(
        f"/servers/app/{server.name}/drain",
        "OPTIONS",
        headers={
            "Host": f"127.0.0.1:{proxy.admin_port}",
            "Origin": "http://evil.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        },
    )
    assert answer.status == 403
    assert not [name for name, _ in answer.headers if name.lower().startswith("access-control-")]


def test_unknown_names_are_answered_with_the_nearest_known_one(azulb, scripted):
    server = scripted(always(OK))
    proxy = azulb({"address": server, "name": "app1"})
    answer = proxy.command("/servers/app/app9/drain")
    assert answer.status == 404
    assert json.loads(answer.body) == {"error": "no server app9 in upstream app; did you mean app1?"}
    answer = proxy.command("/servers/ap/app1/drain")
    assert json.loads(answer.body)["error"] == "no upstream ap; did you mean app?"


def test_bodies_are_bounded(azulb, scripted):
    server = scripted(always(OK))
    proxy = azulb(server)
    with Client(proxy.admin_address) as client:
        client.send_request(
            "POST",
            f"/servers/app/{server.name}/drain",
            {"Host": "localhost", "Content-Type": "application/json", "Content-Length": "10000000"},
        )
        assert client.read_response().status == 413
    nested = b'{"a":' * 10_000
    assert proxy.admin(
        f"/servers/app/{server.name}/drain",
        "POST",
        headers={"Host": "localhost", "Content-Type": "application/json"},
        body=nested,
    ).status == 400
    assert proxy.servers_state()[server.name]["admin_state"] == "enabled"
