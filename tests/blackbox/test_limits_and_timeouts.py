"""What a listener enforces: sizes, counts, and times; none of which a Crystal server does."""

import resource
import time

import pytest

from support.azulb import is_sanitized
from support import http2
from support.client import Client
from support.scripted_server import OK, always, hang, per_request
from support.waiting import wait_until


def limited(azulb, server, **limit):
    return azulb(server, listener={"limit": limit})


def test_request_line(azulb, scripted):
    server = scripted(always(OK))
    proxy = limited(azulb, server, request_line="100")
    line_overhead = len("GET / HTTP/1.1")
    assert proxy.fetch(target="/" + "a" * (100 - line_overhead - 2)).status == 200
    assert proxy.fetch(target="/" + "a" * 100).status == 414
    assert len(server.requests) == 1


def test_header_bytes_and_count(azulb, scripted):
    server = scripted(always(OK))
    proxy = limited(azulb, server, header_bytes="1KiB", headers=10)
    assert proxy.fetch(headers={"X-A": "a" * 800}).status == 200
    assert proxy.fetch(headers={"X-A": "a" * 1100}).status == 431
    assert proxy.fetch(headers=[(f"X-{n}", "1") for n in range(9)]).status == 200
    assert proxy.fetch(headers=[(f"X-{n}", "1") for n in range(10)]).status == 431
    assert len(server.requests) == 2


def test_body_with_a_length(azulb, scripted):
    server = scripted(always(OK))
    proxy = limited(azulb, server, body="1000")
    assert proxy.fetch("POST", body=b"x" * 1000).status == 200
    with proxy.client() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n")
        answer = client.read_response()
        assert answer.status == 413 and answer.header("connection") == "close"
        assert client.at_end()
    assert len(server.requests) == 1, "a body known to be too large never reaches the server"
    assert proxy.access_record(status=413)["error"] == "body_too_large"


def test_a_body_too_large_gets_no_100_continue(azulb, scripted):
    proxy = limited(azulb, scripted(always(OK)), body="1000")
    with proxy.client() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n")
        assert client.read_head().status == 413


def test_chunked_body(azulb, scripted):
    server = scripted(always(OK))
    proxy = limited(azulb, server, body="1000")
    assert proxy.fetch("POST", body=[b"x" * 500, b"x" * 500]).status == 200
    with proxy.client() as client:
        client.send_request("POST", "/", body=[b"x" * 500, b"x" * 501])
        assert client.read_response().status == 413
        assert client.at_end()
    assert len(server.completed) == 1


def test_a_large_refused_upload_still_sees_its_413(azulb, scripted):
    """The answer must not be lost in the reset that unread bytes cause."""
    proxy = limited(azulb, scripted(always(OK)), body="1000")
    for _ in range(5):
        with proxy.client() as client:
            try:
                client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3000000)
            except ConnectionError:
                pass
            assert client.read_response().status == 413


def test_no_limit(azulb, scripted):
    proxy = limited(azulb, scripted(always(OK)), body="0")
    assert proxy.fetch("POST", body=b"x" * 1_000_000).status == 200


def test_requests_per_connection(azulb, scripted):
    proxy = limited(azulb, scripted(always(OK)), requests_per_connection=3)
    with proxy.client() as client:
        answers = [client.request() for _ in range(3)]
        assert [answer.header("connection") for answer in answers] == [None, None, "close"]
        assert client.at_end()


def test_connections_per_client(azulb, scripted):
    proxy = azulb(scripted(always(OK)), listener={"limit": {"connections_per_client": 2}})
    wait_until(lambda: proxy.fetch().status == 200, what="the start-up connection being gone")
    with proxy.client() as one, proxy.client() as two:
        assert one.request().status == two.request().status == 200
        with proxy.client() as three:
            three.send_request()
            assert three.read_response().status == 429
            assert three.at_end()
        assert one.request().status == 200
    wait_until(lambda: proxy.fetch().status == 200, what="a free place")


def test_connections_per_client_counts_all_workers(azulb, scripted):
    proxy = azulb(
        scripted(always(OK)), process={"workers": 2}, listener={"limit": {"connections_per_client": 5}}
    )
    accepted, active = "azulb_connections_accepted_total", "azulb_connections_active"
    wait_until(lambda: proxy.metrics().total(accepted) == 1, what="the start-up connection having come")
    wait_until(lambda: proxy.metrics().total(active) == 0, what="the start-up connection being gone")
    clients = [proxy.client() for _ in range(20)]
    statuses = [client.request().status for client in clients]
    assert sorted(statuses) == [200] * 5 + [429] * 15  # which five is between the workers
    for client, status in zip(clients, statuses):
        assert client.request().status == 200 if status == 200 else client.at_end()
    for client in clients:
        client.close()


def test_connections_per_client_over_http2(azulb, scripted, http2_client):
    proxy = azulb(scripted(always(OK)), listener={"limit": {"connections_per_client": 1}})
    accepted, active = "azulb_connections_accepted_total", "azulb_connections_active"
    wait_until(lambda: proxy.metrics().total(accepted) == 1, what="the start-up connection having come")
    wait_until(lambda: proxy.metrics().total(active) == 0, what="the start-up connection being gone")
    one = http2_client(proxy)
    assert one.request(http2.get()).status == 200
    two = http2_client(proxy)
    assert two.request(http2.get()).status == 429
    two.read_to_close()
    assert proxy.access_record(status=429)["error"] == "too_many_connections"
    assert one.request(http2.get()).status == 200


def test_past_max_connections_new_ones_wait(azulb, scripted):
    proxy = azulb(scripted(always(OK)), process={"max_connections": 2})
    one, two = proxy.client(), proxy.client()
    assert one.request().status == two.request().status == 200
    three = Client(proxy.address, timeout=0.4)
    three.send_request()
    with pytest.raises(TimeoutError):
        three.read_response()
    one.close()
    three.sock.settimeout(10)
    assert three.read_response().status == 200
    two.close()
    three.close()


# ---- times
def timed(azulb, server, **timeout):
    return azulb(server, listener={"timeout": timeout})


def test_a_head_that_takes_too_long(azulb, scripted):
    server = scripted(always(OK))
    proxy = timed(azulb, server, header="300ms")
    with proxy.client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost:")
        assert client.read_response().status == 408
        assert client.at_end()
    assert proxy.access_record(status=408)["error"] == "request_timeout"
    assert server.peers == []


def test_a_head_in_drips_is_no_way_around(azulb, scripted):
    proxy = timed(azulb, scripted(always(OK)), header="400ms")
    with proxy.client() as client:
        client.sock.settimeout(0.02)
        started = time.monotonic()
        try:
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
            while time.monotonic() - started < 10:
                client.send(b"a")
                try:
                    client.fill()
                    break
                except TimeoutError:
                    continue
        except ConnectionError:
            pass
        client.sock.settimeout(5)
        assert client.read_response().status == 408


def test_a_silent_connection_is_closed_without_a_word(azulb, scripted):
    proxy = timed(azulb, scripted(always(OK)), header="200ms", keepalive="200ms")
    with proxy.client() as client:
        data, was_reset = client.read_all()
        assert (b"408" in data or data == b"") and not was_reset


def test_a_body_that_stops(azulb, scripted):
    server = scripted(always(OK))
    proxy = timed(azulb, server, body="300ms")
    with proxy.client() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
        assert client.read_response().status == 408
        assert client.at_end()
    assert server.completed == []


def test_a_slow_body_that_goes_on_is_fine(azulb, scripted):
    server = scripted(always(OK))
    proxy = timed(azulb, server, body="500ms", header="500ms")
    with proxy.client() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
        for _ in range(10):
            time.sleep(0.1)  # the pace is what is tested: 1 s in all, never 0.5 s at once
            client.send(b"x")
        assert client.read_response().status == 200
    assert server.requests[0].body == b"x" * 10


def test_idle_connections_are_closed(azulb, scripted):
    proxy = timed(azulb, scripted(always(OK)), keepalive="300ms")
    with proxy.client() as client:
        assert client.request().status == 200
        assert client.at_end()


def test_a_client_that_does_not_read_is_given_up(azulb, scripted):
    def endless(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            peer.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")

    server = scripted(endless)
    proxy = timed(azulb, server, send="400ms")
    client = proxy.client(receive_buffer=4096)
    client.send_request("GET", "/deaf")
    server.wait_peers(1)
    assert server.peers[0].finished.wait(20), "the attempt goes on for a client that does not read"
    assert proxy.access_record(target="/deaf")["error"]
    client.close()


def test_a_server_that_does_not_answer(azulb, scripted):
    server = scripted(per_request(hang))
    proxy = azulb(server, upstream={"timeout": {"response": "300ms"}, "retry": {"on": ["off"]}})
    assert proxy.fetch(target="/late").status == 504
    record = proxy.access_record(target="/late")
    assert record["error"] == "upstream_timeout"
    assert server.peers[0].finished.wait(5), "the connection of a timed-out attempt is closed"


def test_a_server_that_stops_within_a_body(azulb, scripted):
    def handler(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        peer.wait_closed()

    server = scripted(handler)
    proxy = azulb(server, upstream={"timeout": {"idle": "300ms"}})
    with proxy.client() as client:
        client.send_request()
        client.read_head()
        data, _ = client.read_all()
    assert data == b"hello"
    assert server.peers[0].finished.wait(5)


@pytest.mark.skipif(is_sanitized(), reason="the sanitizer itself needs descriptors for its checks")
def test_out_of_descriptors(azulb, scripted):
    """Connections wait in the backlog, the log says so once, and service goes on when descriptors are free again."""
    proxy = azulb(scripted(always(OK)))
    resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (64, 64))
    clients = [proxy.client() for _ in range(100)]
    wait_until(lambda: "cannot accept" in proxy.stderr(), what="the warning")
    time.sleep(0.3)  # long enough for many a retry
    for client in clients:
        client.close()
    wait_until(lambda: proxy.fetch().status == 200, what="service")
    assert proxy.stderr().count("cannot accept") == 1


@pytest.mark.skipif(is_sanitized(), reason="the sanitizer itself needs descriptors for its checks")
def test_a_shortage_of_descriptors_is_not_held_against_servers(azulb, scripted):
    server = scripted(always(OK))
    proxy = azulb(server, upstream={"outlier": {"consecutive_errors": 2}, "retry": {"attempts": 1}})
    clients = [proxy.client() for _ in range(80)]
    with proxy.client() as client:
        assert client.request().status == 200  # all have been accepted
    resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (32, 32))
    # A POST takes a connection of its own.
    statuses = [client.request("POST", "/", body=b"x").status for client in clients[:6]]
    assert statuses == [502] * 6
    for client in clients:
        client.close()
    wait_until(lambda: proxy.fetch().status == 200, what="service")
    assert "ejected" not in proxy.stderr()
