"""A server closes an idle connection at the worst moment; the client must never notice."""

import threading
import time

import pytest

from support.scripted_server import OK, always, per_connection
from support.waiting import wait_until

METHODS = [("GET", None), ("POST", b"body"), ("POST", [b"body"])]


def close_when(trigger):
    """Answers one request, then closes the kept-alive connection in the way of `trigger`."""

    def handler(peer):
        peer.read_request()
        peer.send(OK)
        trigger(peer)

    return handler


def closed_while_idle(peer):
    peer.close()


def reset_while_idle(peer):
    peer.reset()


def closed_at_the_next_byte(peer):
    peer.sock.recv(1)
    peer.close()  # with unread bytes: a reset


def closed_at_the_next_request(peer):
    peer.read_request_head()
    peer.close()


@pytest.mark.parametrize("trigger", [closed_while_idle, reset_while_idle])
@pytest.mark.parametrize("method,body", METHODS)
def test_closed_while_idle(azulb, scripted, trigger, method, body):
    server = scripted(close_when(trigger))
    proxy = azulb(server, upstream={"retry": {"on": ["error"]}})
    with proxy.client() as client:
        for number in range(10):
            assert client.request(method, f"/{number}", body=body).status == 200
    assert len(server.completed) == 10, "every request was executed once"


@pytest.mark.parametrize("trigger", [closed_at_the_next_byte, closed_at_the_next_request])
def test_closed_as_the_next_get_arrives(azulb, scripted, trigger):
    server = scripted(per_connection(close_when(trigger), always(OK)))
    proxy = azulb(server)
    with proxy.client() as client:
        assert client.request().status == 200
        assert client.request().status == 200
    assert proxy.access_log(2)[1]["status"] == 200


def test_the_race_is_won_even_with_retries_off(azulb, scripted):
    """`retry.on = off` is about failures of servers; a stale connection is azulb's own affair."""
    server = scripted(per_connection(close_when(closed_at_the_next_request), always(OK)))
    proxy = azulb(server, upstream={"retry": {"on": ["off"]}})
    with proxy.client() as client:
        assert client.request().status == 200
        assert client.request().status == 200


def test_a_chunked_put_whose_size_is_unknown_gets_a_connection_of_its_own(azulb, scripted):
    """What proves too large to be kept cannot be sent again when a kept connection turns out stale."""
    server = scripted(per_connection(close_when(closed_at_the_next_request), always(OK)))
    proxy = azulb(server)
    with proxy.client() as client:
        assert client.request().status == 200
        assert client.request("PUT", body=[b"x" * 30_000] * 6).status == 200


def test_posts_do_not_ride_on_old_connections(azulb, scripted):
    """A POST goes on a connection known fresh: one that closes at the next request's first byte gets none."""
    server = scripted(close_when(closed_at_the_next_byte))
    proxy = azulb(server)
    with proxy.client() as client:
        for number in range(8):
            assert client.request("POST", f"/{number}", body=b"x").status == 200
    assert len(server.completed) == 8


def test_a_server_that_closes_after_every_answer(azulb, scripted):
    """It says keep-alive and closes a moment later, as Crystal does after an unread body."""
    server = scripted(close_when(closed_while_idle))
    proxy = azulb(server, process={"workers": 2})
    failures = []

    def work(method):
        with proxy.client() as client:
            for _ in range(100):
                status = client.request(method, "/", body=b"x" if method == "POST" else None).status
                if status != 200:
                    failures.append((method, status))

    threads = [threading.Thread(target=work, args=(method,)) for method in ("GET", "POST", "GET", "POST")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(server.completed) == 400


def test_nginx_with_a_tiny_keepalive_timeout(azulb, nginx):
    server = nginx("location / { return 200 ok; }", http="keepalive_timeout 1s;", server_options="")
    proxy = azulb(server)
    deadline = time.monotonic() + 3.3
    with proxy.client() as client:
        while time.monotonic() < deadline:
            for method in ("GET", "POST"):
                assert client.request(method, "/", body=b"x" if method == "POST" else None).status == 200
            time.sleep(0.245)  # so that requests fall just before, at, and after the server's close


def test_nginx_with_few_requests_per_connection(azulb, nginx):
    proxy = azulb(nginx("location / { return 200 ok; }", http="keepalive_requests 3;"))
    with proxy.client() as client:
        for number in range(60):
            assert (
                client.request("POST" if number % 2 else "GET", "/", body=b"x" if number % 2 else None).status
                == 200
            )


# ---- the pool
def test_idle_connections_are_closed_by_azulb_first(azulb, scripted):
    server = scripted(always(OK))
    proxy = azulb(server, upstream={"keepalive": {"idle": "200ms"}})
    assert proxy.fetch().status == 200
    assert server.peers[0].finished.wait(5)
    assert proxy.fetch().status == 200
    assert len(server.peers) == 2


def test_a_keep_alive_hint_shortens_it(azulb, scripted):
    server = scripted(always(OK.replace(b"Content", b"Keep-Alive: timeout=1, max=100\r\nContent")))
    proxy = azulb(server, upstream={"keepalive": {"idle": "60s"}})
    assert proxy.fetch().status == 200
    assert server.peers[0].finished.wait(5), "the hint was not heeded"


def test_requests_per_connection(azulb, scripted):
    server = scripted(always(OK))
    proxy = azulb(server, upstream={"keepalive": {"requests": 3}})
    with proxy.client() as client:
        for _ in range(9):
            assert client.request().status == 200
    wait_until(
        lambda: [len(peer.requests) for peer in server.peers] == [3, 3, 3],
        what="three requests on each connection",
    )


def test_no_more_idle_connections_than_configured(azulb, scripted):
    release = threading.Event()

    def handler(peer):
        while True:
            peer.read_request()
            assert release.wait(10)
            peer.send(OK)

    server = scripted(handler)
    proxy = azulb(server, upstream={"keepalive": {"connections": 2}})
    clients = [proxy.client() for _ in range(6)]
    for client in clients:
        client.send_request()
    server.wait_requests(6)
    release.set()
    for client in clients:
        assert client.read_response().status == 200
    wait_until(
        lambda: sum(peer.finished.is_set() for peer in server.peers) == 4,
        what="four of six connections closed",
    )
    for client in clients:
        client.close()


def test_no_pooling_at_all(azulb, scripted):
    server = scripted(always(OK))
    proxy = azulb(server, upstream={"keepalive": {"connections": 0}})
    with proxy.client() as client:
        for _ in range(3):
            assert client.request().status == 200
    assert len(server.peers) == 3
