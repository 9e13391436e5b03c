"""Every entry of malformed_requests.py: refused, closed, and unseen by the server."""

import contextlib
import itertools

import pytest

from malformed_requests import ACCEPTED, CASES
from support.client import Client
from support.scripted_server import OK, always
from support.waiting import wait_until

_numbers = itertools.count()


@pytest.fixture(scope="module")
def server(module_scripted):
    return module_scripted(always(OK))


@pytest.fixture(scope="module")
def proxy(module_azulb, server):
    return module_azulb(server, log={"level": "warn"})


def deliver(client, pieces):
    """Sends the pieces; azulb may have answered and closed before the last."""
    try:
        for piece in pieces:
            client.send(piece)
    except ConnectionError:
        pass


def read_verdict(client):
    """The single response on the connection, which must then be closed with nothing more said."""
    response = client.read_response()
    rest, _ = client.read_all()
    assert rest == b"", f"more after the refusal: {rest[:200]!r}"
    return response


def barrier(proxy, server, seen):
    """Sends a good request, and returns what else reached the server since it had `seen` requests."""
    target = f"/barrier-{next(_numbers)}"
    with proxy.client() as client:
        assert client.request("GET", target, {"Connection": "close"}).status == 200
    requests = server.requests[seen:]
    assert [request.target for request in requests].count(target) == 1
    return [request for request in requests if request.target != target]


def test_tables_are_as_large_as_promised():
    assert len(CASES) >= 120
    assert len({case.name for case in CASES}) == len(CASES)
    assert all(400 <= status < 600 for case in CASES for status in case.statuses)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_refused_when_sent_at_once(proxy, server, case):
    barrier(proxy, server, len(server.requests))  # so that a pooled connection to the server is warm
    seen, bytes_before = len(server.requests), len(server.received())
    with proxy.client() as client:
        deliver(client, [case.data])
        response = read_verdict(client)
    assert response.status in case.statuses, f"{case.rfc}: {response}"
    assert response.header("server") == "azulb"
    assert response.header("connection") == "close"
    assert (
        len(server.received()) == bytes_before
    ), f"reached the server: {server.received()[bytes_before:][:300]!r}"
    assert barrier(proxy, server, seen) == []


@pytest.mark.parametrize(
    "case", [case for case in CASES if len(case.data) < 1000], ids=lambda case: case.name
)
def test_refused_when_sent_byte_by_byte(proxy, server, case):
    seen, completed = len(server.requests), len(server.completed)
    with proxy.client() as client:
        deliver(client, [case.data[index : index + 1] for index in range(len(case.data))])
        response = read_verdict(client)
    assert response.status in case.statuses, f"{case.rfc}: {response}"
    leaked = barrier(proxy, server, seen)
    # A head that was right may have gone on before its body turned out to be wrong; nothing else may.
    assert all(case.fault_in_body and request.target == "/" for request in leaked), leaked
    assert len(server.completed) == completed + 1, "a broken request was completed at the server"


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.fault_in_body and len(case.data) < 1000],
    ids=lambda case: case.name,
)
def test_a_fault_in_the_body_never_completes_the_request(azulb_for_bodies, case):
    """The head goes first and is forwarded; the bad body then cuts the attempt off instead of ending it cleanly."""
    proxy, server = azulb_for_bodies
    count = len(server.peers)
    head, _, body = case.data.partition(b"\r\n\r\n")
    with proxy.client() as client:
        client.send(head + b"\r\n\r\n")
        client.send(b"1\r\nx\r\n")
        wait_until(
            lambda: len(server.peers) > count and b"x" in server.peers[-1].received[-8:],
            what="the first chunk",
        )
        deliver(client, [body])
        with contextlib.suppress(OSError):
            client.half_close()
        data, _ = client.read_all()
    assert b"HTTP/1.1 200" not in data
    peer = server.peers[-1]
    assert peer.finished.wait(5)
    assert b"\r\n0\r\n" not in bytes(peer.received), "the broken body was ended as if it were whole"
    assert b"smuggled" not in bytes(peer.received)


@pytest.fixture(scope="module")
def azulb_for_bodies(module_azulb, module_scripted):
    def read_on(peer):
        peer.read_request()
        peer.send(OK)
        peer.close()

    server = module_scripted(read_on)
    return module_azulb(server, log={"level": "warn"}), server


@pytest.mark.parametrize("name", ACCEPTED)
def test_odd_but_right_requests_are_served(proxy, name):
    data, statuses, rfc = ACCEPTED[name]
    with proxy.client() as client:
        client.send(data)
        assert client.read_response().status in statuses, rfc


def test_the_log_names_the_refusal(azulb, scripted):
    proxy = azulb(scripted(always(OK)))
    with Client(proxy.address) as client:
        client.send(b"GET /refused HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        assert client.read_response().status == 400
    record = proxy.access_log()[0]
    assert (record["error"], record["status"], record["upstream"]) == ("bad_request", 400, None)
    assert record["client_ip"] == "127.0.0.1"
