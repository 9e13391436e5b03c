"""Unix sockets and IPv6, towards clients and towards servers."""

import os
import socket
import stat

import pytest

from support.client import fetch
from support.ports import free_port
from support.scripted_server import OK, always, echo
from support.waiting import wait_until


def test_a_server_on_a_unix_socket(azulb, scripted, tmp_path):
    server = scripted(echo, unix=tmp_path / "app.sock")
    proxy = azulb(server)
    with proxy.client() as client:
        for _ in range(5):
            assert client.request("POST", "/x", body=b"y" * 100_000).status == 200
    assert len(server.peers) <= 5
    assert server.requests[0].body == b"y" * 100_000
    assert proxy.access_log()[0]["server"] == server.name


def test_a_listener_on_a_unix_socket(azulb, scripted, tmp_path):
    server = scripted(echo)
    path = str(tmp_path / "front.sock")
    proxy = azulb(server, process={"workers": 2}, extra={"listener": {"unix": {"address": f"unix:{path}"}}})
    wait_until(lambda: os.path.exists(path), what="the socket")
    for _ in range(20):
        assert fetch(path).status == 200
    assert stat.S_ISSOCK(os.stat(path).st_mode)
    request = server.requests[-1]
    assert request.header("host") == "example.test"
    # There is no address: what azulb puts is its own affair, but it is there for Azu's throttle, and it is no forgery.
    answer = fetch(path, headers={"X-Forwarded-For": "6.6.6.6", "REMOTE_ADDR": "6.6.6.6"})
    assert b"6.6.6.6" not in answer.body
    proxy.stop()
    assert not os.path.exists(path), "the socket is removed at the end"


def test_a_stale_socket_file_is_replaced(azulb, scripted, tmp_path):
    path = str(tmp_path / "front.sock")
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(path)
    stale.close()
    azulb(scripted(always(OK)), extra={"listener": {"unix": {"address": f"unix:{path}"}}})

    def answers():
        try:
            return fetch(path).status == 200
        except OSError:
            return False

    wait_until(answers, what="an answer on the socket")


def test_ipv6_both_ways(azulb, scripted):
    server = scripted(echo, host="::1")
    port = free_port(socket.AF_INET6)
    proxy = azulb(server, extra={"listener": {"six": {"address": f"[::1]:{port}"}}})
    answer = fetch(("::1", port), target="/six")
    assert answer.status == 200
    request = server.requests[-1]
    assert request.header("x-real-ip") == "::1"
    assert request.header("x-forwarded-for") in ("::1", "[::1]")
    assert proxy.access_record(target="/six")["client_ip"] == "::1"


def test_a_listener_with_several_addresses(azulb, scripted):
    server = scripted(always(OK))
    four, six = free_port(), free_port(socket.AF_INET6)
    azulb(server, extra={"listener": {"many": {"address": [f"127.0.0.1:{four}", f"[::1]:{six}"]}}})
    assert fetch(("127.0.0.1", four)).status == 200
    assert fetch(("::1", six)).status == 200


def test_v4_mapped_clients_are_v4(azulb, scripted):
    server = scripted(always(OK))
    port = free_port(socket.AF_INET6)
    azulb(server, extra={"listener": {"any": {"address": f"[::]:{port}"}}})
    try:
        answer = fetch(("127.0.0.1", port))
    except ConnectionRefusedError:
        pytest.skip("[::] is IPv6 only here")
    assert answer.status == 200
    assert server.requests[-1].header("x-real-ip") == "127.0.0.1"


def test_all_kinds_of_servers_in_one_upstream(azulb, scripted, tmp_path):
    servers = [
        scripted(always(OK)),
        scripted(always(OK), host="::1"),
        scripted(always(OK), unix=tmp_path / "a.sock"),
    ]
    proxy = azulb(*servers)
    for _ in range(9):
        assert proxy.fetch().status == 200
    assert [len(server.requests) for server in servers] == [3, 3, 3]


def test_a_missing_socket_file_is_a_failed_connect(azulb, scripted, tmp_path):
    good = scripted(always(OK))
    proxy = azulb(f"unix:{tmp_path}/absent.sock", good)
    for method in ("GET", "POST"):
        for _ in range(3):
            assert proxy.fetch(method, body=b"x" if method == "POST" else None).status == 200
