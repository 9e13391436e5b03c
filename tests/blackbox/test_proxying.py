"""Messages pass whole and in order: framing, bodies, interim responses, pipelining."""

import json
import subprocess
import threading

import pytest

from support.client import fetch
from support.scripted_server import OK, always, response
from support.waiting import wait_until


def test_a_request_and_its_response_pass(azulb, scripted):
    server = scripted(
        always(b"HTTP/1.1 299 Very Well\r\nX-One: 1\r\nX-Two: 2\r\nx-one: 3\r\nContent-Length: 2\r\n\r\nhi")
    )
    proxy = azulb(server)
    answer = proxy.fetch("POST", "/path/%2F?q=%41&q=2", [("X-B", "b"), ("X-A", "a"), ("x-b", "c")], b"body")
    assert (answer.status, answer.reason, answer.body, answer.framing) == (299, "Very Well", b"hi", "length")
    assert [pair for pair in answer.headers if pair[0].lower() in ("x-one", "x-two")] == [
        ("X-One", "1"),
        ("X-Two", "2"),
        ("x-one", "3"),
    ]
    request = server.requests[0]
    assert (request.method, request.target, request.version, request.body) == (
        "POST",
        "/path/%2F?q=%41&q=2",
        "HTTP/1.1",
        b"body",
    )
    assert [pair for pair in request.headers if pair[0].lower() in ("x-a", "x-b")] == [
        ("X-B", "b"),
        ("X-A", "a"),
        ("x-b", "c"),
    ]


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "REPORT", "PURGE"]
)
def test_methods_pass(azulb, scripted, method):
    server = scripted(always(OK))
    assert azulb(server).fetch(method).status == 200
    assert server.requests[0].method == method


def test_connections_are_kept_on_both_sides(azulb, scripted):
    server = scripted(always(OK))
    proxy = azulb(server)
    with proxy.client() as client:
        for number in range(20):
            assert client.request("GET", f"/{number}").body == b"ok"
    assert len(server.peers) == 1
    assert [request.target for request in server.requests] == [f"/{number}" for number in range(20)]


def test_connection_close_of_the_client_is_honoured(azulb, scripted):
    server = scripted(always(OK))
    proxy = azulb(server)
    for _ in range(3):
        with proxy.client() as client:
            answer = client.request(headers={"Connection": "close"})
            assert answer.header("connection") == "close"
            assert client.at_end()
    assert len(server.peers) == 1, "the client's wish says nothing about the server's connection"


def test_connection_close_of_the_server_is_not_the_clients(azulb, scripted):
    def handler(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")

    server = scripted(handler)
    proxy = azulb(server)
    with proxy.client() as client:
        for _ in range(3):
            assert client.request().header("connection") in (None, "keep-alive")
    assert len(server.peers) == 3


# ---- bodies
@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 3_000_000])
def test_bodies_with_a_length(azulb, scripted, size):
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    server = scripted(always(response(200, body)))
    answer = azulb(server).fetch("POST", "/", body=body)
    assert (answer.framing, answer.body) == ("length", body)
    assert (server.requests[0].framing, server.requests[0].body) == ("length", body)


@pytest.mark.parametrize("chunks", [[], [b"a"], [b"a" * 70000, b"b", b"c" * 65536], [b"xy"] * 3000])
def test_chunked_bodies_both_ways(azulb, scripted, chunks):
    body = b"".join(chunks)
    encoded = b"".join(b"%X\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    server = scripted(always(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + encoded))
    proxy = azulb(server)
    with proxy.client() as client:
        for _ in range(2):
            answer = client.request("PUT", "/", body=list(chunks))
            assert (answer.framing, answer.body) == ("chunked", body)
    assert all(request.body == body for request in server.requests) and len(server.requests) == 2


def test_trailers_pass_both_ways_but_not_dangerous_ones(azulb, scripted):
    server = scripted(
        always(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\n"
            b"X-Sum: 7\r\nContent-Length: 9\r\nSet-Cookie: a=b\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
    )
    proxy = azulb(server)
    with proxy.client() as client:
        client.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n"
            b"X-Check: 1\r\nHost: evil\r\nContent-Length: 3\r\nTransfer-Encoding: x\r\nAuthorization: Basic eDp5\r\n"
            b"Cookie: a=b\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: close\r\n\r\n"
        )
        answer = client.read_response()
        assert answer.body == b"ok"
        names = [name.lower() for name, _ in answer.trailers]
        assert "x-sum" in names
        assert not {"content-length", "transfer-encoding"} & set(names)
        assert client.request().status == 200
    assert [name.lower() for name, _ in server.requests[0].trailers] == ["x-check"]
    assert server.requests[0].body == b"hi"


def test_a_body_until_close_becomes_chunked(azulb, scripted):
    def handler(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nhello ")
        peer.send(b"world")

    proxy = azulb(scripted(handler))
    with proxy.client() as client:
        for _ in range(2):
            answer = client.request()
            assert (answer.framing, answer.body) == ("chunked", b"hello world")


def test_an_http_1_0_server_is_understood(azulb, scripted):
    def handler(peer):
        peer.read_request()
        peer.send(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        peer.wait_closed()  # a 1.0 server that did not say keep-alive: azulb must not use it again

    server = scripted(handler)
    proxy = azulb(server)
    for _ in range(2):
        answer = proxy.fetch()
        assert (answer.version, answer.body) == ("HTTP/1.1", b"hello")
    assert len(server.peers) == 2


def test_head_gets_the_length_and_no_body(azulb, crystal_apps):
    proxy = azulb(*crystal_apps(1))  # Crystal does send a body to HEAD
    with proxy.client() as client:
        for _ in range(3):
            answer = client.request("HEAD", "/")
            assert (answer.status, answer.header("content-length")) == (200, "4")
            assert client.request("GET", "/").body == b"app1"


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_body(azulb, crystal_apps, status):
    proxy = azulb(*crystal_apps(1))
    with proxy.client() as client:
        for _ in range(3):
            assert client.request("GET", f"/status/{status}").status == status


# ---- interim responses
def test_interim_responses_pass_to_http_1_1_only(azulb, scripted):
    server = scripted(
        always(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + OK)
    )
    proxy = azulb(server)
    answer = proxy.fetch()
    assert [head.status for head in answer.interim] == [103, 102]
    assert answer.interim[0].header("link") == "</a.css>"
    assert proxy.fetch(version="1.0").interim == []


def test_100_continue_comes_before_the_body_is_sent(azulb, crystal_apps):
    proxy = azulb(*crystal_apps(1))
    with proxy.client() as client:
        client.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert client.read_head().status == 100
        client.send(b"hello")
        answer = client.read_response()
        assert json.loads(answer.body)["body"] == "hello"
        assert client.request().status == 200


# ---- HTTP/1.0 clients
def test_http_1_0_without_keep_alive_is_closed(azulb, scripted):
    proxy = azulb(scripted(always(OK)))
    with proxy.client() as client:
        answer = client.request(version="1.0")
        assert answer.body == b"ok"
        assert client.at_end()


def test_http_1_0_with_keep_alive_is_kept(azulb, scripted):
    server = scripted(always(OK))
    proxy = azulb(server)
    with proxy.client() as client:
        for _ in range(2):
            answer = client.request(version="1.0", headers={"Connection": "Keep-Alive"})
            assert answer.body == b"ok"
            assert answer.header("connection").lower() == "keep-alive"
    assert {request.version for request in server.requests} == {"HTTP/1.1"}


def test_http_1_0_never_gets_chunks(azulb, crystal_apps):
    proxy = azulb(*crystal_apps(1))
    with proxy.client() as client:
        answer = client.request("GET", "/stream", version="1.0", headers={"Connection": "keep-alive"})
        assert (answer.framing, len(answer.body)) == ("close", 4000)
        assert answer.header("connection") in (None, "close")


# ---- pipelining
def test_pipelined_requests_are_answered_in_order(azulb, crystal_apps):
    proxy = azulb(*crystal_apps(1))
    targets = ["/slow?ms=80", "/status/404", "/echo?n=2", "/stream?chunks=3", "/slow?ms=20", "/echo?n=5"]
    with proxy.client() as client:
        client.send("".join(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n" for target in targets).encode())
        answers = [client.read_response() for _ in targets]
    assert [answer.status for answer in answers] == [200, 404, 200, 200, 200, 200]
    assert json.loads(answers[2].body)["target"] == "/echo?n=2"
    assert len(answers[3].body) == 3000
    assert json.loads(answers[5].body)["target"] == "/echo?n=5"


def test_pipelined_posts_with_bodies(azulb, scripted):
    server = scripted(always(OK))
    proxy = azulb(server)
    with proxy.client() as client:
        client.send(
            b"".join(
                b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (n, n, b"x" * n)
                for n in range(200)
            )
        )
        for _ in range(200):
            assert client.read_response().status == 200
    assert [len(request.body) for request in server.requests] == list(range(200))


def test_a_pipelined_error_comes_after_the_answers_before_it(azulb, crystal_apps):
    proxy = azulb(*crystal_apps(1))
    with proxy.client() as client:
        client.send(
            b"GET /slow?ms=100 HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a b\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        assert client.read_response().body == b"app1"
        assert client.read_response().status == 400
        assert client.at_end()


# ---- responses as they come
def test_server_sent_events_are_not_held_back(azulb, scripted):
    received = threading.Semaphore(0)

    def handler(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(5):
            peer.send(b"9\r\ndata: 1\n\n\r\n")
            assert received.acquire(timeout=5), "the event was held back"
        peer.send(b"0\r\n\r\n")

    proxy = azulb(scripted(handler))
    with proxy.client() as client:
        client.send_request()
        assert client.read_head().status == 200
        for _ in range(5):
            client.read_until(b"data: 1\n\n")
            received.release()
        client.read_until(b"0\r\n\r\n")


def test_the_head_is_passed_on_before_the_body(azulb, scripted):
    seen = threading.Event()

    def handler(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        assert seen.wait(5), "the head was held back"
        peer.send(b"ok")

    proxy = azulb(scripted(handler))
    with proxy.client() as client:
        client.send_request()
        head = client.read_head()
        seen.set()
        client.read_length(head, 2)


def test_requests_are_passed_on_as_they_come(azulb, scripted):
    """A body larger than the retry buffer reaches the server while it is being sent."""
    server = scripted(always(OK))
    proxy = azulb(server)
    with proxy.client() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200001\r\n\r\n" + b"x" * 200000)
        wait_until(
            lambda: server.peers and len(server.peers[0].received) > 200000, what="the body at the server"
        )
        client.send(b"x")
        assert client.read_response().status == 200


# ---- nginx on both sides
def test_nginx_as_server(azulb, nginx):
    server = nginx("location / { return 200 'hello $request_method $http_x_forwarded_for\\n'; }")
    proxy = azulb(server)
    with proxy.client() as client:
        for _ in range(5):
            assert client.request().body == b"hello GET 127.0.0.1\n"


def test_nginx_in_front(azulb, nginx, crystal_apps):
    proxy = azulb(*crystal_apps(2), listener={"trusted_proxies": ["127.0.0.0/8"]})
    front = nginx(
        f"location / {{ proxy_pass http://127.0.0.1:{proxy.port}; proxy_http_version 1.1; "
        "proxy_set_header Connection ''; proxy_set_header Host $host; "
        "proxy_set_header X-Forwarded-For 203.0.113.9; proxy_request_buffering off; }"
    )
    answer = fetch(front.address, "POST", "/echo", body=[b"a" * 1000, b"b"])
    seen = json.loads(answer.body)
    assert seen["body_size"] == 1001
    assert seen["headers"]["X-Real-IP"] == ["203.0.113.9"]
    assert fetch(front.address, "GET", "/stream?chunks=50").body == b"x" * 50000


def test_curl_agrees(azulb, crystal_apps, tmp_path):
    proxy = azulb(*crystal_apps(1))
    upload = tmp_path / "upload"
    upload.write_bytes(b"y" * 300_000)
    result = subprocess.run(
        [
            "curl",
            "-sS",
            "-H",
            "Transfer-Encoding: chunked",
            "-T",
            str(upload),
            "-X",
            "POST",
            f"http://127.0.0.1:{proxy.port}/echo",
        ],
        capture_output=True,
        timeout=30,
        check=True,
    )
    assert json.loads(result.stdout)["body_size"] == 300_000
