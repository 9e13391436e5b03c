"""Every entry of malformed_responses.py: 502, aborted, or trimmed; and that connection is not used again."""

import itertools
import threading

import pytest

from malformed_responses import CASES
from support.client import outcome
from support.scripted_server import OK
from support.waiting import wait_until
from support.wire import Incomplete


_numbers = itertools.count()


class Script:
    """What the shared server does for the current test."""

    case = None
    client_ready = None


@pytest.fixture(scope="module")
def server(module_scripted):
    def handler(peer):
        while True:
            request = peer.read_request()
            if request.target == "/good":
                peer.send(OK)
                continue
            if request.target == "/last":
                peer.send(OK.replace(b"Content", b"Connection: close\r\nContent", 1))
                return
            case = Script.case
            peer.send(case.first)
            if case.then:
                assert Script.client_ready.wait(10)
                peer.send(case.then)
            if case.closes:
                return
            peer.read_all()  # records what azulb would send on this connection, until azulb closes it
            return

    return module_scripted(handler)


@pytest.fixture(scope="module")
def proxy(module_azulb, server):
    return module_azulb(
        server,
        upstream={"retry": {"on": ["off"]}, "outlier": {"consecutive_errors": 0}},
        log={"level": "warn"},
    )


def test_table_is_as_large_as_promised():
    assert len(CASES) >= 40
    assert len({case.name for case in CASES}) == len(CASES)


def run(case, proxy, server, version="1.1"):
    """Plays the case. Returns what the client saw, the response or what there was of it, and the server's connection."""
    if (
        case.first
    ):  # the case then runs on a pooled connection, which a close without a byte would make a race
        assert proxy.fetch("GET", "/good").status == 200
    Script.case, Script.client_ready = case, threading.Event()
    target = f"/case-{next(_numbers)}"
    seen = len(server.requests)
    with proxy.client() as client:
        client.send_request(case.method, target, version=version)
        if case.then:
            wanted = b"hello" if b"hello" in case.first else b"good" if b"good" in case.first else b"\r\n\r\n"
            while wanted not in client.buffer:
                client.fill()
            Script.client_ready.set()
        kind, response = outcome(client, case.method)
        if kind == "complete" and response.header("connection") == "close":
            assert client.at_end()
    assert proxy.fetch("GET", "/last").body == b"ok"
    assert [request.target for request in server.requests[seen:]] == [target, "/last"]
    used = next(peer for peer in server.peers if any(request.target == target for request in peer.requests))
    assert used.requests[-1].target == target, "the connection was used again"
    return kind, response, used


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_verdict(proxy, server, case):
    kind, response, peer = run(case, proxy, server)
    if kind == "complete" and response.status == 502 and case.verdict in ("502", "either"):
        assert response.header("server") == "azulb"
    elif case.verdict == "clean":
        assert (kind, response.status, response.body) == ("complete", case.status, case.body), case.rfc
    else:
        assert case.verdict in ("aborted", "either"), f"{case.rfc}: {kind} {response}"
        assert kind == "aborted", f"{case.rfc}: a clean end of a broken response: {response}"
        assert response is None or response.status == 200
    assert peer.finished.wait(5), "the connection to the server stayed open"


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.verdict == "aborted"], ids=lambda case: case.name
)
def test_an_http_1_0_client_sees_a_reset(proxy, server, case):
    """Its body ends with the connection, so only a reset tells a broken response from a whole one."""
    kind, response, _ = run(case, proxy, server, version="1.0")
    assert kind == "aborted", response


def test_a_broken_until_close_body_is_aborted(azulb, scripted):
    """A reset from the server is no clean end either."""
    proceed = threading.Event()

    def handler(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
        assert proceed.wait(10)
        peer.reset()

    proxy = azulb(scripted(handler))
    with proxy.client() as client:
        client.send_request()
        client.read_until(b"hello")
        proceed.set()
        data, was_reset = client.read_all()
    assert was_reset or b"0\r\n\r\n" not in data


@pytest.mark.parametrize("pieces", [1, 2, 3, 7])
def test_good_responses_may_come_in_any_pieces(azulb, scripted, pieces):
    data = (
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n"
        b"5;x=y\r\nhello\r\n006\r\n world\r\n0\r\nX-T: 1\r\n\r\n"
    )

    def handler(peer):
        while True:
            peer.read_request()
            for index in range(0, len(data), pieces):
                peer.send(data[index : index + pieces])

    server = scripted(handler)
    proxy = azulb(server)
    with proxy.client() as client:
        for _ in range(2):
            response = client.request()
            assert (response.status, response.reason, response.body) == (200, "Fine", b"hello world")
            assert response.header("x-a") == "b"
            assert [head.status for head in response.interim] == [103]
    assert len(server.peers) == 1


def test_the_log_says_why(azulb, scripted):
    def handler(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 2x0 OK\r\n\r\n")
        with pytest.raises(Incomplete):
            peer.fill()

    server = scripted(handler)
    proxy = azulb(server, upstream={"retry": {"on": ["off"]}})
    assert proxy.fetch().status == 502
    record = proxy.access_log()[0]
    assert record["error"] == "upstream_invalid"
    assert (record["upstream"], record["status"]) == ("app", 502)
    wait_until(lambda: server.peers[0].finished.is_set(), what="the connection being closed")
