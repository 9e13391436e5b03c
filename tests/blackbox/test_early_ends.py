"""Exchanges that do not end in the usual order: early answers, unread bodies, clients that go away."""

import socket
import threading

import pytest

from support.client import outcome
from support.scripted_server import OK, always, per_connection, response


def test_a_refusal_instead_of_100_continue(azulb, scripted):
    """The client never sends its body; azulb must not take the next request for it."""
    server = scripted(per_head(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno"))
    proxy = azulb(server)
    with proxy.client() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\nExpect: 100-continue\r\n\r\n")
        answer = client.read_response()
        assert answer.status == 401
        client.send(b"GET /not-a-request HTTP/1.1\r\nHost: a\r\n\r\n")
        client.read_all()
    assert [request.target for request in server.requests] == ["/"]


def per_head(data):
    """Answers after the head, and leaves the body unread until the end of the connection."""

    def handler(peer):
        peer.read_request_head()
        peer.send(data)
        peer.wait_closed()

    return handler


# ---- early answers and unread bodies
@pytest.mark.parametrize("status", [401, 413])
def test_an_answer_during_the_upload_reaches_the_client(azulb, scripted, status):
    server = scripted(per_head(response(status, b"too early")))
    proxy = azulb(server, listener={"limit": {"body": "0"}})
    with proxy.client() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n")
        stop = threading.Event()

        def upload():
            try:
                while not stop.is_set():
                    client.send(b"x" * 65536)
            except OSError:
                pass

        thread = threading.Thread(target=upload)
        thread.start()
        answer = client.read_response()
        stop.set()
        assert (answer.status, answer.body) == (status, b"too early")
        thread.join(20)
        assert not thread.is_alive()


def test_a_server_that_resets_after_an_early_answer(azulb, crystal_apps):
    """Crystal answers 401, and closes with MBs unread, which the kernel makes a reset."""
    proxy = azulb(*crystal_apps(1))
    for _ in range(5):
        with proxy.client() as client:
            answer = client.request("POST", "/unread", body=b"x" * 200_000)
            assert (answer.status, answer.body) == (401, b"who are you")


def test_the_connection_after_an_unread_body_is_not_pooled(azulb, crystal_apps):
    proxy = azulb(*crystal_apps(1))
    for _ in range(20):
        assert proxy.fetch("POST", "/unread", body=b"hello").status == 401
        assert proxy.fetch("POST", "/count?id=1", body=b"hello").status == 200


def test_a_short_request_body_is_no_request(azulb, scripted):
    server = scripted(always(OK))
    proxy = azulb(server)
    with proxy.client() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nshort")
        client.half_close()
        data, _ = client.read_all()
        assert b" 200 " not in data
    assert server.completed == []
    for peer in server.peers:
        assert peer.finished.wait(5)


# ---- the client goes away
def test_an_abort_before_the_answer_cancels_the_attempt(azulb, scripted):
    gone = threading.Event()

    def handler(peer):
        peer.read_request()
        peer.wait_closed()
        gone.set()

    server = scripted(handler)
    proxy = azulb(server)
    client = proxy.client()
    client.send_request("GET", "/left")
    server.wait_requests(1)
    client.reset()
    assert gone.wait(5), "the attempt went on without its client"
    record = proxy.access_record(target="/left")
    assert record["error"] == "client_closed"
    assert record["attempts"] == 1


def test_a_client_that_just_closes_has_left_too(azulb, scripted):
    """A closed tab sends FIN and no reset; after a moment's grace for those who only end their side, it has left."""
    gone = threading.Event()

    def handler(peer):
        peer.read_request()
        peer.wait_closed()
        gone.set()

    server = scripted(handler)
    proxy = azulb(server)
    client = proxy.client()
    client.send_request("GET", "/left")
    server.wait_requests(1)
    client.close()
    assert gone.wait(8), "the attempt went on without its client"


def test_an_abort_during_the_response_cancels_it(azulb, scripted):
    gone = threading.Event()

    def handler(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                peer.send(b"400\r\n" + b"x" * 1024 + b"\r\n")
        finally:
            gone.set()

    proxy = azulb(scripted(handler))
    client = proxy.client()
    client.send_request()
    client.read_exact(5000)
    client.reset()
    assert gone.wait(5)


def test_a_client_that_half_closes_still_gets_its_answer(azulb, crystal_apps):
    proxy = azulb(*crystal_apps(1))
    with proxy.client() as client:
        client.send_request("GET", "/slow?ms=100", headers={"Connection": "close"})
        client.half_close()
        kind, answer = outcome(client)
    assert kind == "complete" and answer.body == b"app1"


def test_a_client_that_ends_its_side_within_the_answer_sees_the_close_after_it(azulb, scripted):
    """The answer's head has promised to stay."""
    seen = threading.Event()

    def slow(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        seen.wait(10)
        peer.send(b"cd")
        peer.read_request()

    proxy = azulb(scripted(per_connection(slow, always(OK))), process={"workers": 1})
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        got = b""
        while not got.endswith(b"ab"):
            got += client.recv(4096)
        client.shutdown(socket.SHUT_WR)
        assert proxy.fetch().status == 200  # of the same worker, which has seen the end by then
        seen.set()
        while more := client.recv(4096):
            got += more
    assert got.endswith(b"abcd")
