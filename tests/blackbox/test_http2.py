"""HTTP/2 from clients: the same requests, answers and limits as over HTTP/1, on streams."""

import shutil
import socket
import subprocess

import pytest

from support.http2 import (
    ACK,
    CANCEL,
    DATA,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    INTERNAL_ERROR,
    NO_ERROR,
    PREFACE,
    PROTOCOL_ERROR,
    SETTINGS,
    frame,
    get,
    rst_stream,
    settings,
)
from support.scripted_server import OK, always, close, echo, hang, response
from support.waiting import wait_until


def post(path="/", *more):
    return get(path, *more, method="POST")


# ---- requests
def test_a_request_reaches_the_server_as_http1_would_bring_it(azulb, scripted, http2_client):
    server = scripted(echo)
    proxy = azulb(server)
    stream = http2_client(proxy).request(
        get("/path?query=1", ("accept", "*/*"), ("cookie", "a=1"), ("x-custom", "value"), ("cookie", "b=2"))
    )
    assert stream.status == 200 and stream.reset is None
    request = server.requests[0]
    assert (request.method, request.target, request.version) == ("GET", "/path?query=1", "HTTP/1.1")
    assert request.header("host") == "a.test"
    assert request.header("cookie") == "a=1; b=2"
    assert request.header("x-custom") == "value"
    assert request.header("x-forwarded-proto") == "http"
    assert not request.all("content-length") and not request.all("transfer-encoding")
    assert not [name for name in request.names() if name.startswith(":")]
    record = proxy.access_record(target="/path?query=1")
    assert (record["version"], record["status"], record["host"], record["method"]) == ("HTTP/2.0", 200, "a.test", "GET")
    assert record["bytes_sent"] > len(stream.body) and record["bytes_received"] > 30


def test_host_stands_in_for_a_missing_authority(azulb, scripted, http2_client):
    server = scripted(echo)
    fields = [(":method", "GET"), (":scheme", "http"), (":path", "/"), ("host", "b.test:8080")]
    assert http2_client(azulb(server)).request(fields).status == 200
    assert server.requests[0].header("host") == "b.test:8080"


def test_host_that_agrees_with_the_authority_is_sent_once(azulb, scripted, http2_client):
    server = scripted(echo)
    assert http2_client(azulb(server)).request(get("/", ("host", "A.test"))).status == 200
    assert server.requests[0].header("host") == "a.test"


def test_options_with_an_asterisk(azulb, scripted, http2_client):
    server = scripted(echo)
    assert http2_client(azulb(server)).request(get("*", method="OPTIONS")).status == 200
    assert server.requests[0].target == "*"


@pytest.mark.parametrize("declared", [True, False])
def test_a_request_body_and_its_trailers(azulb, scripted, http2_client, declared):
    server = scripted(echo)
    client = http2_client(azulb(server))
    body = bytes(range(256)) * 200
    fields = [("te", "trailers"), ("trailer", "x-sum")] + ([("content-length", str(len(body)))] if declared else [])
    number = client.open(post("/upload", *fields), body=...)
    for at in range(0, len(body), 1000):
        client.send(frame(DATA, 0, number, body[at : at + 1000]))
    if declared:
        client.send(frame(DATA, END_STREAM, number))
    else:
        client.send(client.headers(number, [("x-sum", "42"), ("content-length", "7")]))
    assert client.response(number).status == 200
    request = server.completed[0]
    assert request.body == body
    assert request.framing == ("length" if declared else "chunked")
    assert request.header("te") == "trailers"
    assert request.trailers == ([] if declared else [("x-sum", "42")])


def test_padding_is_no_part_of_a_body(azulb, scripted, http2_client):
    server = scripted(echo)
    client = http2_client(azulb(server))
    number = client.open(post("/", ("content-length", "4")), body=...)
    client.send(frame(DATA, END_STREAM | 8, number, b"\x05body" + bytes(5)))
    assert client.response(number).status == 200
    assert server.completed[0].body == b"body"


def test_many_streams_at_once_are_answered_as_their_servers_answer(azulb, scripted, http2_client):
    server = scripted(echo)
    proxy = azulb(server)
    client = http2_client(proxy)
    numbers = [client.open(get(f"/{n}")) for n in range(100)]
    for n, number in enumerate(numbers):
        assert bytes(client.response(number).body).startswith(b"GET /%d\r\n" % n)
    assert client.server_settings[3] == 128


def test_curl_and_nghttp(azulb, crystal_apps):
    proxy = azulb(*crystal_apps(1))
    url = f"http://127.0.0.1:{proxy.port}/"
    curl = [shutil.which("curl"), "-sS", "--http2-prior-knowledge", "-w", "%{http_version} %{http_code}", "-o", "/dev/null"]
    assert subprocess.run([*curl, url], capture_output=True, check=True, timeout=30).stdout == b"2 200"
    upload = [*curl, "-H", "Expect: 100-continue", "--data-binary", "@-", url]
    data = b"x" * 3_000_000
    assert subprocess.run(upload, input=data, capture_output=True, check=True, timeout=30).stdout.startswith(b"2 ")
    nghttp = [shutil.which("nghttp"), "-ans", "--no-dep", url, url]
    assert b" 200 " in subprocess.run(nghttp, capture_output=True, check=True, timeout=30).stdout


def test_a_body_over_the_limit_is_answered_413(azulb, scripted, http2_client):
    proxy = azulb(scripted(always(OK)), listener={"limit": {"body": "1KiB"}})
    client = http2_client(proxy)
    assert client.request(post("/", ("content-length", "2000")), b"x" * 2000).status == 413
    number = client.open(post("/"), body=...)
    client.send(frame(DATA, 0, number, b"x" * 2000))
    assert client.response(number).status == 413
    assert client.request(get("/")).status == 200


def test_connect_and_trace_are_refused(azulb, scripted, http2_client):
    client = http2_client(azulb(scripted(always(OK))))
    assert client.request([(":method", "CONNECT"), (":authority", "a.test:443")]).status == 405
    assert client.request(get("/", method="TRACE")).status == 405


# ---- answers
def test_interim_answers_and_trailers_pass(azulb, scripted, http2_client):
    answer = (
        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nX-Mixed-Case: Kept\r\n\r\n"
        b"5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n"
    )
    stream = http2_client(azulb(scripted(always(answer)))).request(get())
    assert [dict(head)[":status"] for head in stream.interim] == ["103"]
    assert dict(stream.interim[0])["link"] == "</a.css>; rel=preload"
    assert (stream.status, stream.body, stream.trailers) == (200, b"hello", [("x-sum", "42")])
    assert stream.header("x-mixed-case") == "Kept"
    assert stream.header("content-length") is None


def test_connection_specific_fields_of_a_server_do_not_pass(azulb, scripted, http2_client):
    answer = (
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\n"
        b"Proxy-Connection: x\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nok"
    )
    stream = http2_client(azulb(scripted(always(answer)))).request(get())
    assert stream.status == 200 and stream.body == b"ok"
    assert {name for name, _ in stream.headers} == {":status", "content-length", "date"}


@pytest.mark.parametrize("method, status", [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_an_answer_without_a_body_ends_with_its_head(azulb, scripted, http2_client, method, status):
    length = b"" if status == 204 else b"Content-Length: 100\r\n"
    client = http2_client(azulb(scripted(always(b"HTTP/1.1 %d X\r\n%s\r\n" % (status, length)))))
    number = client.open(get("/", method=method))
    stream = client.response(number)
    assert (stream.status, stream.body, stream.reset) == (status, b"", None)
    assert stream.header("content-length") == (None if status == 204 else "100")
    assert not [read for read in client.frames if read.kind == DATA]


def test_azulbs_own_answers(azulb, http2_client):
    proxy = azulb("127.0.0.1:1", routes=[{"path": "/moved", "redirect": {"to": "/there", "status": 301}}])
    client = http2_client(proxy)
    assert client.request(get("/nothing")).status == 404
    moved = client.request(get("/moved"))
    assert (moved.status, moved.header("location"), moved.header("server")) == (301, "/there", "azulb")


def test_a_server_that_breaks_in_its_answer_resets_the_stream_only(azulb, scripted, http2_client):
    def half(peer):
        request = peer.read_request()
        if request.target == "/half":
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        else:
            peer.send(OK)

    client = http2_client(azulb(scripted(half)))
    stream = client.request(get("/half"))
    assert (stream.status, stream.ended, stream.reset) == (200, False, INTERNAL_ERROR)
    assert client.request(get("/whole")).status == 200


def test_a_server_that_breaks_before_its_answer_is_retried(azulb, scripted, http2_client):
    bad, good = scripted(close), scripted(always(OK))
    client = http2_client(azulb(bad, good))
    assert [client.request(get()).status for _ in range(4)] == [200] * 4


def test_an_early_answer_ends_the_stream_and_then_stops_the_upload(azulb, scripted, http2_client):
    def early(peer):
        peer.read_request_head()
        peer.send(response(403, b"no", {"Connection": "close"}))
        peer.wait_closed()

    client = http2_client(azulb(scripted(early)))
    number = client.open(post("/", ("content-length", "1000000")), body=...)
    stream = client.response(number)
    assert (stream.status, stream.body, stream.ended, stream.reset) == (403, b"no", True, None)
    client.until(lambda: stream.reset is not None)
    assert stream.reset == NO_ERROR


def test_an_early_answer_to_a_client_that_ends_its_upload_is_followed_by_nothing(azulb, scripted, http2_client):
    def early(peer):
        peer.read_request_head()
        peer.send(response(403, b"no", {"Connection": "close"}))
        peer.wait_closed()

    client = http2_client(azulb(scripted(early)))
    number = client.open(post("/"), body=...)
    assert client.response(number).status == 403
    client.send(frame(DATA, END_STREAM, number, b"rest"))
    client.ping()
    assert client.stream(number).reset is None


def test_a_client_that_takes_its_request_back(azulb, scripted, http2_client):
    server = scripted(hang)
    proxy = azulb(server)
    client = http2_client(proxy)
    number = client.open(get("/gone"))
    server.wait_peers(1)
    client.send(rst_stream(number, CANCEL))
    record = proxy.access_record(target="/gone")
    assert (record["status"], record["error"]) == (499, "client_closed")


def test_a_request_that_is_taken_back_at_once_reaches_no_server(azulb, scripted, http2_client):
    server = scripted(always(OK))
    client = http2_client(azulb(server))
    client.ping()
    data = b"".join(client.headers(number, get("/gone")) + rst_stream(number) for number in range(1, 41, 2))
    client.send(data)
    client.next_stream = 41
    assert client.request(get("/stays")).status == 200
    assert [request.target for request in server.requests] == ["/stays"]


# ---- the connection
@pytest.mark.parametrize("cut", [1, 3, 10, 11, 12, 16, 23])
def test_the_preface_may_come_in_pieces(azulb, scripted, http2_client, cut):
    client = http2_client(azulb(scripted(always(OK))), hello=False)
    client.send(PREFACE[:cut])
    with pytest.raises(TimeoutError):
        client.sock.settimeout(0.05)
        client.fill()
    client.sock.settimeout(10)
    client.send(PREFACE[cut:] + settings())
    assert client.request(get()).status == 200


@pytest.mark.parametrize("start", [b"PRI * HTTP/1.1\r\nHost: a\r\n\r\n", b"P"])
def test_what_only_looks_like_a_preface_is_http1(azulb, scripted, start):
    proxy = azulb(scripted(echo))
    with proxy.client() as client:
        client.send(start)
        if start == b"P":
            client.send(b"OST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        assert client.read_response().status == (400 if b"PRI" in start else 200)


@pytest.mark.parametrize("start", [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r!", b"PRI * HTTP/2.0\r\nHost: a\r\n\r\n",
                                   b"INVALID CONNECTION PREFACE\r\n\r\n"])
def test_an_invalid_preface_is_answered_in_http2(azulb, scripted, http2_client, start):
    client = http2_client(azulb(scripted(always(OK))), hello=False)
    client.send(start)
    assert client.read_to_close() == PROTOCOL_ERROR
    assert client.frames[0].kind == SETTINGS


def test_http2_can_be_switched_off(azulb, scripted):
    proxy = azulb(scripted(always(OK)), listener={"http2": False})
    with proxy.client() as client:
        client.send(PREFACE)
        assert client.read_response().status == 505


def test_an_upgrade_to_h2c_is_ignored(azulb, scripted):
    proxy = azulb(scripted(echo))
    fields = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAAP__"}
    answer = proxy.fetch("GET", "/", fields)
    assert answer.status == 200 and b"HTTP2-Settings" not in answer.body


def test_a_silent_client_is_told_goodbye(azulb, scripted, http2_client):
    client = http2_client(azulb(scripted(always(OK)), listener={"timeout": {"keepalive": "200ms"}}))
    assert client.request(get()).status == 200
    assert client.read_to_close() == NO_ERROR


def test_a_head_that_does_not_come_to_its_end(azulb, scripted, http2_client):
    proxy = azulb(scripted(always(OK)), listener={"timeout": {"header": "200ms"}})
    client = http2_client(proxy)
    client.ping()
    client.send(client.headers(1, get("/slow"), flags=END_STREAM))
    assert client.read_to_close() == ENHANCE_YOUR_CALM
    assert proxy.access_record(status=408)["error"] == "request_timeout"


def test_a_preface_that_does_not_come_to_its_end(azulb, scripted, http2_client):
    client = http2_client(azulb(scripted(always(OK)), listener={"timeout": {"header": "200ms"}}), hello=False)
    client.send(PREFACE[:20])
    assert b" 408 " in client.read_all()[0]


def test_a_connection_that_has_had_its_requests(azulb, scripted, http2_client):
    client = http2_client(azulb(scripted(always(OK)), listener={"limit": {"requests_per_connection": 3}}))
    assert [client.request(get()).status for _ in range(3)] == [200] * 3
    assert client.read_to_close() == NO_ERROR
    assert client.goaway[0] == 5


def test_a_client_that_ends_its_side_gets_its_answer(azulb, scripted, http2_client):
    client = http2_client(azulb(scripted(always(OK))))
    number = client.open(get())
    client.ping()
    client.sock.shutdown(socket.SHUT_WR)
    client.auto_window = False
    assert client.response(number).status == 200


# ---- drain
def test_a_drain_lets_streams_end_and_takes_those_under_way(azulb, scripted, http2_client):
    def slow(peer):
        while True:
            request = peer.read_request()
            if request.target == "/slow":
                wait_until(lambda: released)
            peer.send(OK)

    released = []
    proxy = azulb(scripted(slow), process={"drain_timeout": "10s"})
    client = http2_client(proxy)
    slow_stream = client.open(get("/slow"))
    client.ping()
    proxy.signal(15)
    client.until(lambda: client.goaway)
    assert client.goaway == (2**31 - 1, NO_ERROR)
    # Begun before the drain's PING was answered: still served.
    late = client.open(get("/late"))
    (probe,) = [payload for is_ack, payload in client.pings if not is_ack]
    client.send(frame(6, ACK, 0, probe))
    client.until(lambda: client.goaway[0] == late)
    assert client.response(late).status == 200
    released.append(True)
    assert client.response(slow_stream).status == 200
    assert client.read_to_close() == NO_ERROR
    assert proxy.wait_exit() == 0


def test_a_drain_takes_the_first_requests_of_a_fresh_connection(azulb, scripted, http2_client):
    proxy = azulb(scripted(always(OK)), process={"drain_timeout": "20s"})
    busy, fresh = http2_client(proxy), http2_client(proxy, hello=False)
    assert busy.request(get()).status == 200
    proxy.signal(15)
    busy.until(lambda: busy.goaway)
    fresh.send(PREFACE + settings())
    assert fresh.request(get()).status == 200
    (probe,) = [payload for is_ack, payload in fresh.pings if not is_ack]
    fresh.send(frame(6, ACK, 0, probe))
    assert fresh.read_to_close() == NO_ERROR
    assert proxy.wait_exit() == 0


def test_a_drain_closes_an_idle_connection(azulb, scripted, http2_client):
    proxy = azulb(scripted(always(OK)))
    client = http2_client(proxy)
    assert client.request(get()).status == 200
    proxy.signal(15)
    assert client.read_to_close() == NO_ERROR
    assert proxy.wait_exit() == 0


def test_unused_settings_and_frames_are_ignored(azulb, scripted, http2_client):
    client = http2_client(azulb(scripted(always(OK))))
    client.send(settings({0xF0: 7}) + frame(0xF1, 0xFF, 0, b"grease"))
    client.until(lambda: [read for read in client.frames if read.kind == SETTINGS and read.flags & ACK][1:])
    assert client.request(get()).status == 200
