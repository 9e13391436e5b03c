"""PROXY protocol towards the servers: what they are told, and that no client's connection serves another."""

import os
import socket
import threading

import pytest

from support import proxy_protocol as pp
from support.client import Client, fetch
from support.ports import free_port
from support.scripted_server import OK, always, close, response
from support.waiting import wait_until
from support.websocket import echo_bytes, handshake, upgrading

LIVE = 'location / { return 200 "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_port"; }'


def behind(handler):
    """Reads the PROXY header and remembers it as `peer.header`, then lets `handler` go on."""

    def run(peer):
        peer.header = pp.read_header(peer)
        handler(peer)

    return run


def told(server):
    """The headers of the connections so far."""
    return [getattr(peer, "header", None) for peer in server.peers]


def addresses_of(client):
    return (*client.sock.getsockname()[:2], *client.sock.getpeername()[:2])


@pytest.fixture(params=[1, 2], ids=["v1", "v2"])
def version(request):
    return request.param


def test_a_server_is_told_the_client_and_where_it_connected_to(azulb, scripted, version):
    server = scripted(behind(always(OK)))
    proxy = azulb(server, upstream={"proxy_protocol": version})
    with proxy.client() as client:
        for _ in range(3):
            assert client.request().status == 200
        assert told(server) == [(version, *addresses_of(client))], "one connection, one header"
        assert client.request("POST", "/", body=b"x" * 200_000).status == 200
        assert set(told(server)) == {(version, *addresses_of(client))}


def test_ipv6_and_a_listener_on_any_address(azulb, scripted, version):
    server = scripted(behind(always(OK)))
    six, any_port = free_port(socket.AF_INET6), free_port()
    azulb(
        server,
        upstream={"proxy_protocol": version},
        extra={"listener": {"six": {"address": f"[::1]:{six}"}, "any": {"address": f"0.0.0.0:{any_port}"}}},
    )
    for address in (("::1", six), ("127.0.0.5", any_port)):
        with Client(address) as client:
            assert client.request().status == 200
            assert told(server)[-1] == (version, *addresses_of(client))


def test_the_header_comes_with_the_request_in_one_packet(azulb, scripted, version):
    first = []

    def handler(peer):
        first.append(peer.sock.recv(65536))
        peer.send(OK)

    proxy = azulb(scripted(handler), upstream={"proxy_protocol": version})
    for _ in range(5):
        assert proxy.fetch().status == 200
    for data in first:
        assert data.startswith((b"PROXY ", pp.SIGNATURE)) and data.endswith(b"\r\n\r\n"), data


def test_what_came_in_a_header_goes_out_in_one(azulb, scripted, version):
    server = scripted(behind(always(OK)))
    proxy = azulb(
        server,
        upstream={"proxy_protocol": version},
        listener={"proxy_protocol": True, "trusted_proxies": ["127.0.0.1"]},
    )
    for addresses in (("192.0.2.7", 1, "198.51.100.1", 443), ("2001:db8::7", 65535, "2001:db8::1", 80)):
        for make in (pp.line, pp.binary):
            with proxy.client() as client:
                client.send(make(*addresses))
                assert client.request().status == 200
            assert told(server)[-1] == (version, *addresses)
    with proxy.client() as client:
        client.send(pp.LOCAL)
        assert client.request().status == 200
        assert told(server)[-1] == (version, *addresses_of(client)), "the proxy speaks for itself"


def test_no_client_s_request_goes_over_another_s_connection(azulb, scripted, version):
    """Each server connection carries the requests of the client that its header names, however they come."""

    def handler(peer):
        while True:
            request = peer.read_request()
            peer.send(response(200, repr(peer.header[1:3]).encode()))
            assert request.header("x-real-ip") == peer.header[1]

    servers = [scripted(behind(handler)) for _ in range(2)]
    proxy = azulb(*servers, process={"workers": 2}, upstream={"proxy_protocol": version})

    def client_of(number):
        for _ in range(10):
            with proxy.client(source=f"127.0.0.{1 + number % 2}") as client:
                own = repr(client.sock.getsockname()[:2]).encode()
                for _ in range(6):
                    assert client.request().body == own

    failures = []

    def guarded(number):
        try:
            client_of(number)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]
    connections = sum(len(server.peers) for server in servers)
    assert 60 <= connections <= 60 * 2, "each of 60 clients kept its connections, at most one to each server"


def test_a_client_s_connections_to_servers_end_with_it(azulb, scripted):
    server = scripted(behind(always(OK)))
    proxy = azulb(server, upstream={"proxy_protocol": 1})
    with proxy.client() as other:
        assert other.request().status == 200
        for _ in range(3):
            assert proxy.fetch().status == 200
        wait_until(lambda: all(peer.finished.is_set() for peer in server.peers[1:]), what="their ends")
        assert not server.peers[0].finished.is_set()
        assert proxy.metrics().total("azulb_server_connections_idle") == 1
        assert other.request().status == 200
        assert len(server.peers) == 4
    wait_until(lambda: proxy.metrics().total("azulb_server_connections_idle") == 0, what="no idle connection")


def test_idle_connections_stay_within_the_limit(azulb, scripted):
    server = scripted(behind(always(OK)))
    proxy = azulb(server, upstream={"proxy_protocol": 2, "keepalive": {"connections": 3}})
    clients = [proxy.client() for _ in range(8)]
    for _ in range(2):
        for client in clients:
            assert client.request().status == 200
    assert proxy.metrics().total("azulb_server_connections_idle") == 3
    assert len(server.peers) == 8 + 5
    for client in clients:
        client.close()


def test_clients_on_a_unix_socket_are_nobody_and_share(azulb, scripted, tmp_path, version):
    path = str(tmp_path / "front.sock")
    server = scripted(behind(always(OK)))
    azulb(
        server, upstream={"proxy_protocol": version}, extra={"listener": {"unix": {"address": f"unix:{path}"}}}
    )
    wait_until(lambda: os.path.exists(path), what="the socket")
    for _ in range(5):
        assert fetch(path).status == 200
    assert told(server) == [(version, None)], "one connection for all of them"


def test_a_server_on_a_unix_socket_is_told_too(azulb, scripted, tmp_path, version):
    server = scripted(behind(always(OK)), unix=tmp_path / "app.sock")
    proxy = azulb(server, upstream={"proxy_protocol": version})
    with proxy.client() as client:
        assert client.request().status == 200
        assert told(server) == [(version, *addresses_of(client))]


def test_health_checks_speak_for_nobody(azulb, scripted, version):
    server = scripted(behind(always(OK)))
    proxy = azulb(server, upstream={"proxy_protocol": version, "health": {"interval": "50ms"}})
    proxy.wait_health(server, "up")
    wait_until(lambda: len(server.requests) >= 3, what="checks")
    assert set(told(server)) <= {(version, None), None}
    assert (version, None) in told(server)


def test_a_check_with_a_port_of_its_own_begins_with_the_request(azulb, scripted):
    server, checked = scripted(behind(always(OK))), scripted(always(OK))
    proxy = azulb(
        server, upstream={"proxy_protocol": 1, "health": {"interval": "50ms", "port": checked.address[1]}}
    )
    proxy.wait_health(server, "up")
    assert proxy.fetch().status == 200
    assert len(checked.requests) >= 1


def test_a_retry_says_it_again_and_a_post_is_not_sent_twice(azulb, scripted, version):
    bad, good = scripted(behind(lambda peer: (peer.read_request(), close(peer)))), scripted(behind(always(OK)))
    proxy = azulb(bad, good, upstream={"proxy_protocol": version})
    with proxy.client() as client:
        for _ in range(4):
            assert client.request().status == 200
        assert {*told(bad), *told(good)} == {(version, *addresses_of(client))}
    statuses = [proxy.fetch("POST", body=b"once").status for _ in range(6)]
    assert sorted(set(statuses)) == [200, 502]
    posts = [request for server in (bad, good) for request in server.requests if request.method == "POST"]
    assert len(posts) == 6


def test_a_post_to_a_server_that_takes_no_connection_goes_elsewhere(azulb, scripted, version):
    good = scripted(behind(always(OK)))
    gone = f"127.0.0.1:{free_port()}"
    proxy = azulb(gone, good, upstream={"proxy_protocol": version})
    assert [proxy.fetch("POST", body=b"x").status for _ in range(4)] == [200] * 4


def test_a_websocket(azulb, scripted, version):
    server = scripted(behind(upgrading(echo_bytes)))
    proxy = azulb(server, upstream={"proxy_protocol": version})
    with proxy.client() as client:
        assert handshake(client).status == 101
        client.send(b"ping")
        assert client.read_exact(4) == b"ping"
        assert told(server) == [(version, *addresses_of(client))]


def test_nginx_as_the_server(azulb, nginx, version):
    server = nginx(LIVE, server_options="proxy_protocol")
    proxy = azulb(server, upstream={"proxy_protocol": version, "health": {"path": "/", "interval": "100ms"}})
    proxy.wait_health(server, "up")
    for _ in range(2):
        with proxy.client() as client:
            address, port, _, own_port = addresses_of(client)
            for _ in range(3):
                assert client.request().body.decode() == f"{address} {port} {own_port}"


def test_haproxy_on_both_sides(azulb, scripted, haproxy):
    """From HAProxy to azulb to HAProxy to a server that is told whose connection it is."""
    server = scripted(behind(always(OK)))
    back = haproxy(f"server app {server.name} send-proxy-v2", bind_options="accept-proxy")
    proxy = azulb(
        back,
        upstream={"proxy_protocol": 2},
        listener={"proxy_protocol": True, "trusted_proxies": ["127.0.0.1"]},
    )
    front = haproxy(f"server azulb {proxy.name} send-proxy-v2 proxy-v2-options crc32c")
    with Client(front.address) as client:
        for _ in range(3):
            assert client.request().status == 200
        assert told(server)[-1] == (2, *addresses_of(client))
