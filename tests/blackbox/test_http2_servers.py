"""HTTP/2 towards servers: what they are sent, how connections are shared, and what becomes of servers that fail."""

import socket
import struct
import threading
import time

import pytest

from support.client import Client
from support.http2 import (
    CANCEL,
    CONTINUATION,
    DATA,
    ENABLE_CONNECT_PROTOCOL,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    INTERNAL_ERROR,
    MAX_CONCURRENT_STREAMS,
    NO_ERROR,
    PING,
    REFUSED_STREAM,
    SETTINGS,
    Http2Client,
    frame,
    get,
    settings,
    window_update,
)
from support.http2_server import Http2Server, answering, http2
from support.scripted_server import OK, always, per_connection
from support.tls import TlsScriptedServer, server_context
from support.waiting import wait_until
from support.websocket import handshake

HTTP2 = {"protocol": "http2"}


def echo_head(server, asked):
    text = "\n".join(f"{name}: {value}" for name, value in asked.fields)
    server.respond(asked.number, 200, text.encode("latin-1") + b"\n\n" + bytes(asked.body))


def fields_of(body):
    return dict(line.split(": ", 1) for line in body.partition(b"\n\n")[0].decode("latin-1").split("\n"))


def opened(proxy):
    return proxy.metrics().total("azulb_server_connections_opened_total")


def patient(proxy, *arguments, **more):
    with proxy.client(timeout=40) as client:
        return client.request(*arguments, **more)


class Together:
    """Requests under way at once, each on a client connection of its own."""

    def __init__(self, proxy, count, method="GET", path="/{}", **more):
        self.answers, self.threads = [None] * count, []
        for number in range(count):
            run = threading.Thread(target=self._run, args=(proxy, number, method, path.format(number)), kwargs=more)
            self.threads.append(run)
            run.start()

    def _run(self, proxy, number, method, path, **more):
        self.answers[number] = patient(proxy, method, path, **more)

    def join(self):
        for run in self.threads:
            run.join(40)
        return self.answers


# ---- requests
def test_a_request_and_its_answer_pass(azulb, scripted):
    server = scripted(answering(echo_head))
    proxy = azulb(server, upstream=HTTP2)
    answer = proxy.fetch("POST", "/a?b=c", headers=[("X-One", "1"), ("Host", "a.test"), ("Cookie", "x=1")], body=b"body")
    fields = fields_of(answer.body)
    assert answer.status == 200 and answer.body.endswith(b"\n\nbody")
    assert fields[":method"] == "POST" and fields[":path"] == "/a?b=c"
    assert fields[":scheme"] == "http" and fields[":authority"] == "a.test"
    assert fields["x-one"] == "1" and fields["cookie"] == "x=1" and fields["content-length"] == "4"
    assert fields["x-real-ip"] == "127.0.0.1" and fields["x-forwarded-for"] == "127.0.0.1"
    assert fields["remote_addr"] == "127.0.0.1" and len(fields["x-request-id"]) == 32
    assert "host" not in fields


def test_what_is_of_the_clients_connection_stays_behind(azulb, scripted):
    server = scripted(answering(echo_head))
    proxy = azulb(server, upstream=HTTP2)
    headers = [("Connection", "X-Mine, TE"), ("X-Mine", "1"), ("TE", "trailers, deflate"), ("Keep-Alive", "timeout=5"),
               ("Proxy-Connection", "keep-alive"), ("Upgrade", "other/1")]
    fields = fields_of(proxy.fetch("GET", "/", headers=headers).body)
    assert fields["te"] == "trailers"
    assert not {"x-mine", "keep-alive", "proxy-connection", "upgrade", "connection"} & set(fields)


@pytest.mark.parametrize("client", ["http1", "http2"])
def test_bodies_of_unknown_length_and_trailers_pass_both_ways(azulb, scripted, client):
    def answer(server, asked):
        server.head(asked.number, 200)
        server.data(asked.number, bytes(asked.body) + b"!")
        server.raw_head(asked.number, [("x-sum", dict(asked.trailers)["x-sum"])], end=True)

    server = scripted(answering(answer))
    proxy = azulb(server, upstream=HTTP2)
    if client == "http1":
        with proxy.client() as one:
            one.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n")
            answer = one.read_response()
        assert answer.body == b"abc!" and ("x-sum", "7") in answer.trailers
    else:
        with Http2Client(("127.0.0.1", proxy.port)) as one:
            stream = one.open(get(method="POST"), body=...)
            one.send(frame(DATA, 0, stream, b"abc"))
            one.send(one.headers(stream, [("x-sum", "7")]))
            got = one.response(stream)
        assert got.body == b"abc!" and got.trailers == [("x-sum", "7")]


@pytest.mark.parametrize("method, status, fields", [("HEAD", 200, [("content-length", "100")]), ("HEAD", 200, []),
                                                    ("GET", 204, []), ("GET", 304, [("content-length", "9")])])
def test_answers_without_a_body(azulb, scripted, method, status, fields):
    server = scripted(answering(lambda server, asked: server.head(asked.number, status, fields, end=True)))
    proxy = azulb(server, upstream=HTTP2)
    with proxy.client() as client:
        for _ in range(3):
            answer = client.request(method, "/")
            assert answer.status == status and answer.body == b""
            assert answer.header("content-length") == dict(fields).get("content-length")


def test_an_empty_answer_has_its_length_told(azulb, scripted):
    server = scripted(answering(lambda server, asked: server.head(asked.number, 200, end=True)))
    with azulb(server, upstream=HTTP2).client() as client:
        for _ in range(2):
            assert client.request("GET", "/").header("content-length") == "0"


def test_interim_answers_pass(azulb, scripted):
    def answer(server, asked):
        server.head(asked.number, 103, [("link", "</a.css>")])
        server.respond(asked.number)

    with Http2Client((lambda proxy: ("127.0.0.1", proxy.port))(azulb(scripted(answering(answer)), upstream=HTTP2))) as client:
        got = client.request(get())
        assert [dict(head)[":status"] for head in got.interim] == ["103"] and got.body == b"ok"


def test_expect_100_continue_is_the_servers_to_answer(azulb, scripted):
    def script(server):
        asked = server.next_head()
        assert asked.header("expect") == "100-continue" and not asked.body
        server.head(asked.number, 100)
        server.until(lambda: asked.ended)
        server.respond(asked.number, 200, bytes(asked.body))
        server.serve()

    with azulb(scripted(http2(script)), upstream=HTTP2).client() as client:
        client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert client.read_head().status == 100
        client.send(b"abc")
        assert client.read_response("PUT").body == b"abc"


def test_a_large_body_passes_both_ways(azulb, scripted):
    """Windows are given back a piece at a time, and azulb's are waited for."""
    body = bytes(range(256)) * 16384

    def script(server):
        asked = server.next_request()
        server.head(asked.number, 200)
        sent = 0
        while sent < len(asked.body):
            room = 65535 + sum(more for stream, more in server.window_updates if stream == asked.number) - sent
            if room <= 0:
                server.read_frame()
                continue
            piece = bytes(asked.body[sent : sent + min(room, 16384)])
            server.data(asked.number, piece)
            sent += len(piece)
        server.data(asked.number, b"", end=True)
        server.serve()

    proxy = azulb(scripted(http2(script)), upstream=HTTP2)
    answer = patient(proxy, "POST", "/", body=body)
    assert answer.status == 200 and answer.body == body


# ---- connections
def test_requests_share_a_connection(azulb, scripted):
    """All are under way before the first is answered."""
    count = 20

    def script(server):
        asked = [server.next_request() for _ in range(count)]
        for one in reversed(asked):
            server.respond(one.number, 200, one.path.encode())
        server.serve()

    server = scripted(http2(script))
    proxy = azulb(server, upstream=HTTP2, process={"workers": 1})
    answers = Together(proxy, count).join()
    assert [answer.body for answer in answers] == [b"/%d" % number for number in range(count)]
    assert len(server.peers) == 1 and opened(proxy) == 1
    assert proxy.metrics().total("azulb_server_connections_reused_total") == count - 1
    wait_until(lambda: proxy.metrics().total("azulb_server_connections_idle") == 1, what="an idle connection")


def test_what_a_server_allows_is_kept_to_and_more_connections_are_made(azulb, scripted):
    gate = threading.Event()

    def script(server):
        while True:
            asked = server.next_request()
            gate.wait(20)
            server.respond(asked.number)
            asked.answered = True

    server = scripted(http2(script, values={MAX_CONCURRENT_STREAMS: 1}))
    proxy = azulb(server, upstream=HTTP2, process={"workers": 1})
    together = Together(proxy, 5)
    server.wait_requests(5)
    gate.set()
    assert [answer.status for answer in together.join()] == [200] * 5
    assert len(server.peers) == 5
    assert [proxy.fetch().status for _ in range(5)] == [200] * 5
    assert len(server.peers) == 5


def test_no_streams_at_all_is_a_timeout(azulb, scripted):
    server = scripted(http2(lambda server: server.serve(), values={MAX_CONCURRENT_STREAMS: 0}))
    proxy = azulb(server, upstream={**HTTP2, "timeout": {"connect": "200ms"}, "retry": {"attempts": 1}})
    assert proxy.fetch().status == 504
    assert not server.requests


def test_a_connection_takes_as_many_requests_as_keepalive_says(azulb, scripted):
    server = scripted(answering())
    proxy = azulb(server, upstream={**HTTP2, "keepalive": {"requests": 3}}, process={"workers": 1})
    assert [proxy.fetch().status for _ in range(7)] == [200] * 7
    assert [len(peer.http2.order) for peer in server.peers] == [3, 3, 1]


def test_an_idle_connection_is_closed_with_a_goodbye(azulb, scripted):
    server = scripted(answering())
    proxy = azulb(server, upstream={**HTTP2, "keepalive": {"idle": "100ms"}})
    assert proxy.fetch().status == 200
    wait_until(lambda: server.peers[0].finished.is_set(), what="the end of the connection")
    assert server.peers[0].http2.goaway == (0, NO_ERROR)
    assert proxy.metrics().total("azulb_server_connections_idle") == 0


def test_a_stalled_answer_holds_up_no_other(azulb, scripted):
    """Its client does not read: of what the server sends for it a window's worth is taken, others go on."""
    sent = []

    def script(server):
        big = server.next_request()
        server.head(big.number, 200)
        server.data(big.number, b"x" * 65535)
        sent.append(1)
        server.serve()

    server = scripted(http2(script))
    proxy = azulb(server, upstream=HTTP2, process={"workers": 1})
    with Http2Client(("127.0.0.1", proxy.port), initial_window=0, auto_window=False) as stalled:
        stalled.open(get("/big"))
        wait_until(lambda: sent, what="the large answer")
        for _ in range(20):
            assert proxy.fetch("GET", "/small").body == b"ok"
    assert len(server.peers) == 1


def test_a_server_that_takes_no_body_is_given_up_and_others_go_on(azulb, scripted):
    def script(server):
        server.auto_window = False
        server.next_head()
        server.serve()

    server = scripted(http2(script, values={INITIAL_WINDOW_SIZE: 0}))
    proxy = azulb(server, upstream={**HTTP2, "timeout": {"idle": "500ms"}, "retry": {"on": ["off"]}}, process={"workers": 1})
    stuck = Together(proxy, 1, "POST", body=b"x" * 100_000)
    server.wait_requests(1)
    assert [proxy.fetch("GET", "/").status for _ in range(5)] == [200] * 5
    assert stuck.join()[0].status == 504
    wait_until(lambda: server.peers[0].http2.order[0].reset == CANCEL, what="the reset")
    assert len(server.peers) == 1


# ---- ends
def test_a_client_that_goes_away_cancels_its_stream_alone(azulb, scripted):
    def script(server):
        first = server.next_request()
        server.until(lambda: first.reset is not None)
        assert first.reset == CANCEL
        server.serve()

    server = scripted(http2(script))
    proxy = azulb(server, upstream=HTTP2, process={"workers": 1})
    with proxy.client() as client:
        client.send(b"GET /gone HTTP/1.1\r\nHost: a\r\n\r\n")
        server.wait_requests(1)
    assert proxy.fetch().status == 200
    assert len(server.peers) == 1
    assert proxy.access_record(target="/gone")["error"] == "client_closed"


def test_an_early_answer_ends_the_request(azulb, scripted):
    def script(server):
        asked = server.next_head()
        server.respond(asked.number, 413, b"no")
        server.reset(asked.number, NO_ERROR)
        server.serve()

    server = scripted(http2(script))
    proxy = azulb(server, upstream=HTTP2, process={"workers": 1})
    with proxy.client() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc")
        answer = client.read_response("POST")
    assert answer.status == 413 and answer.body == b"no"
    assert proxy.fetch().status == 200
    assert len(server.peers) == 1


@pytest.mark.parametrize("code", [INTERNAL_ERROR, NO_ERROR, CANCEL])
def test_a_reset_in_the_middle_of_an_answer_breaks_it_off(azulb, scripted, code):
    begun = threading.Event()

    def script(server):
        asked = server.next_request()
        server.head(asked.number, 200, [("content-length", "10")])
        server.data(asked.number, b"half")
        begun.wait(10)
        server.reset(asked.number, code)
        server.serve()

    proxy = azulb(scripted(http2(script)), upstream=HTTP2)
    with Http2Client(("127.0.0.1", proxy.port)) as client:
        stream = client.open(get())
        client.until(lambda: client.stream(stream).body == b"half")
        begun.set()
        got = client.response(stream)
        assert not got.ended and got.reset == INTERNAL_ERROR
    assert proxy.access_record(error="upstream_reset")["status"] == 200


def test_a_reset_before_an_answer_is_tried_elsewhere_if_that_is_harmless(azulb, scripted):
    bad = scripted(answering(lambda server, asked: server.reset(asked.number, INTERNAL_ERROR)))
    good = scripted(answering())
    proxy = azulb(bad, good, upstream=HTTP2)
    assert [proxy.fetch("GET").status for _ in range(4)] == [200] * 4
    statuses = {proxy.fetch("POST", body=b"x").status for _ in range(4)}
    assert statuses == {200, 502}


# ---- what a server has not acted upon
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_refused_streams_are_tried_again_whatever_they_are(azulb, scripted, method):
    """At once, at the same server, at no cost; a second refusal is a failure like any other."""
    refusals = []

    def answer(server, asked):
        if len(refusals) < 1:
            refusals.append(asked.number)
            server.reset(asked.number, REFUSED_STREAM)
        else:
            server.respond(asked.number)

    server = scripted(answering(answer))
    proxy = azulb(server, upstream={**HTTP2, "retry": {"on": ["off"]}})
    assert proxy.fetch(method, body=b"x" if method == "POST" else None).status == 200
    assert proxy.access_record(status=200)["attempts"] == 1
    assert proxy.metrics().total("azulb_server_errors_total") == 0


def test_a_server_that_refuses_everything_is_a_failed_attempt(azulb, scripted):
    server = scripted(answering(lambda server, asked: server.reset(asked.number, REFUSED_STREAM)))
    other = scripted(answering())
    proxy = azulb(server, upstream={**HTTP2, "retry": {"attempts": 2}})
    assert proxy.fetch("POST", body=b"x").status == 502
    assert len(server.requests) == 4  # two attempts, each begun twice
    proxy = azulb(server, other, upstream=HTTP2)
    assert [proxy.fetch("POST", body=b"x").status for _ in range(4)] == [200] * 4


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_goaway_lets_what_runs_end_and_sends_the_rest_elsewhere(azulb, scripted, method):
    together = threading.Event()

    def leaving(server):
        first, second = server.next_request(), server.next_request()
        server.goodbye(first.number)
        together.wait(10)
        server.respond(first.number, 200, b"first")
        server.until(lambda: False)

    server = scripted(per_connection(http2(leaving), answering()))
    proxy = azulb(server, upstream={**HTTP2, "retry": {"on": ["off"]}}, process={"workers": 1})
    body = b"x" if method == "POST" else None
    running = Together(proxy, 2, method, body=body)
    server.wait_peers(2)
    assert proxy.fetch(method, "/next", body=body).body == b"ok"
    together.set()
    assert sorted(answer.body for answer in running.join()) == [b"first", b"ok"]
    wait_until(lambda: server.peers[0].finished.is_set(), what="the end of the connection")
    assert len(server.peers) == 2
    assert proxy.metrics().total("azulb_server_errors_total") == 0


def test_a_connection_that_ends_without_goaway_leaves_it_unknown(azulb, scripted):
    """What may have been acted upon goes again only if that is harmless."""

    def dying(server):
        server.next_request()
        server.respond(1)
        server.next_request()

    server = scripted(per_connection(http2(dying), http2(dying), answering()))
    proxy = azulb(server, upstream=HTTP2, process={"workers": 1})
    assert proxy.fetch("GET", "/").status == 200
    assert proxy.fetch("POST", "/", body=b"x").status == 502
    assert proxy.fetch("GET", "/").status == 200
    assert proxy.fetch("GET", "/").status == 200  # stale, and sent again
    assert len(server.peers) == 3


def test_after_a_pause_a_request_that_must_not_be_repeated_waits_for_a_sign_of_life(azulb, scripted):
    """A PING shows that the server still listens; a connection that is dead costs no request."""

    def quiet(server):
        server.auto_ping = False
        asked = server.next_request()
        server.respond(asked.number)
        server.until(lambda: server.pings)

    server = scripted(per_connection(http2(quiet), answering()))
    proxy = azulb(server, upstream=HTTP2, process={"workers": 1})
    assert proxy.fetch("POST", "/one", body=b"x").status == 200
    time.sleep(1.2)  # what counts as lately is over
    assert proxy.fetch("POST", "/two", body=b"x").status == 200
    assert [asked.path for asked in server.peers[0].http2.order] == ["/one"]
    assert [asked.path for asked in server.peers[1].http2.order] == ["/two"]
    time.sleep(1.2)
    assert proxy.fetch("POST", "/three", body=b"x").status == 200
    assert len(server.peers) == 2 and len(server.peers[1].http2.pings) == 1


@pytest.mark.slow
def test_a_server_that_has_fallen_silent_is_noticed(azulb, scripted):
    """It takes requests and says nothing: its connection is given up after a PING, not after timeout.response."""

    def dead(server):
        server.auto_ping = False
        server.until(lambda: False)

    server = scripted(per_connection(http2(dead), answering()))
    proxy = azulb(server, upstream=HTTP2, process={"workers": 1})
    began = time.monotonic()
    assert patient(proxy).status == 200
    assert time.monotonic() - began < 30
    assert len(server.peers) == 2


# ---- servers that are wrong
MALFORMED = {
    "no status": [("x", "1")],
    "status of two digits": [(":status", "20")],
    "status 101": [(":status", "101")],
    "a request's field": [(":status", "200"), (":path", "/")],
    "status twice": [(":status", "200"), (":status", "200")],
    "status after a field": [("x", "1"), (":status", "200")],
    "capitals": [(":status", "200"), ("X-Big", "1")],
    "connection": [(":status", "200"), ("connection", "close")],
    "transfer-encoding": [(":status", "200"), ("transfer-encoding", "chunked")],
    "line feed": [(":status", "200"), ("x", "a\nb")],
    "two lengths": [(":status", "200"), ("content-length", "1"), ("content-length", "2")],
    "a length that is none": [(":status", "200"), ("content-length", "+1")],
    "too large": [(":status", "200"), ("x", "y" * 40_000), ("z", "y" * 40_000)],
}


@pytest.mark.parametrize("fields", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_head_is_a_bad_gateway_and_costs_its_stream_alone(azulb, scripted, fields):
    def script(server):
        asked = server.next_request()
        block = server.encoder.encode(fields, huffman=False)
        server.peer.send(frame(HEADERS, 0, asked.number, block[:16000]))
        parts = [block[at : at + 16000] for at in range(16000, len(block), 16000)]
        for part in parts:
            server.peer.send(frame(CONTINUATION, 0, asked.number, part))
        server.peer.send(frame(CONTINUATION, END_HEADERS, asked.number, b""))
        server.serve()

    server = scripted(http2(script))
    proxy = azulb(server, upstream={**HTTP2, "retry": {"attempts": 1}}, process={"workers": 1})
    assert proxy.fetch().status == 502
    assert proxy.access_record(status=502)["error"] == "upstream_invalid"
    assert proxy.fetch().status == 200
    assert len(server.peers) == 1


@pytest.mark.parametrize("length, body", [(10, b"short"), (3, b"long")])
def test_a_body_of_another_length_than_announced_is_no_clean_end(azulb, scripted, length, body):
    def answer(server, asked):
        server.head(asked.number, 200, [("content-length", str(length))])
        server.data(asked.number, body, end=True)

    proxy = azulb(scripted(answering(answer)), upstream={**HTTP2, "retry": {"attempts": 1}})
    with Http2Client(("127.0.0.1", proxy.port)) as client:
        got = client.request(get())
        assert not got.ended and got.reset is not None
    assert proxy.access_record(error="upstream_invalid")


def http1_speaker(peer):
    peer.read_exact(24)
    peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def silent(peer):
    peer.read_exact(24)
    while peer.fill():
        pass


def test_a_server_of_http1_is_told_apart_before_a_request_is_sent(azulb, scripted):
    proxy = azulb(scripted(http1_speaker), upstream={**HTTP2, "retry": {"attempts": 1}})
    assert proxy.fetch("POST", body=b"x").status == 502
    assert proxy.access_record(status=502)["error"] == "upstream_invalid"
    wait_until(lambda: "the server does not speak HTTP/2" in proxy.stderr(), what="the reason in the log")
    proxy = azulb(scripted(http1_speaker), scripted(answering()), upstream=HTTP2)
    assert [proxy.fetch("POST", body=b"x").status for _ in range(4)] == [200] * 4


def test_settings_that_do_not_come_are_a_connect_timeout(azulb, scripted):
    proxy = azulb(scripted(silent), upstream={**HTTP2, "timeout": {"connect": "200ms"}, "retry": {"attempts": 1}})
    assert proxy.fetch().status == 504


def test_settings_may_go_unacknowledged(azulb, scripted):
    def script(server):
        server.auto_settings = False
        server.serve()

    proxy = azulb(scripted(http2(script)), upstream=HTTP2)
    assert [proxy.fetch().status for _ in range(5)] == [200] * 5


def bomb(server, stream):
    """One large field in the table, named again and again."""
    block = server.encoder.encode([(":status", "200"), ("x-bomb", "x" * 3000)], huffman=False)
    return frame(HEADERS, 0, stream, block) + frame(CONTINUATION, END_HEADERS, stream, b"\xbe" * 2000)


# By the kind that azulb_server_floods_total counts.
FLOODS = {
    "ping": lambda server, stream: frame(PING, 0, 0, b"12345678") * 5000,
    "settings": lambda server, stream: settings() * 500,
    "empty_frame": lambda server, stream: frame(DATA, 0, stream, b"") * 2000,
    "window_update": lambda server, stream: window_update(0, 1) * 20000,
    "priority": lambda server, stream: frame(0x42, 0, 0, b"") * 10000,  # also unknown frames
    "continuation": lambda server, stream: frame(HEADERS, 0, stream, b"\x88") + frame(CONTINUATION, 0, stream, b"") * 100,
    "header_block": bomb,
}


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_ends_the_connection_and_the_next_one_serves(azulb, scripted, kind):
    def script(server):
        asked = server.next_request()
        if kind == "empty_frame":
            server.head(asked.number, 200)
        server.peer.send(FLOODS[kind](server, asked.number))
        server.auto_ping = False
        server.until(lambda: server.goaway)

    server = scripted(per_connection(http2(script), answering()))
    proxy = azulb(server, upstream={**HTTP2, "retry": {"attempts": 1}}, process={"workers": 1})
    with Http2Client(("127.0.0.1", proxy.port)) as client:
        got = client.request(get())
        assert got.status == 502 or got.reset is not None
    assert proxy.fetch().status == 200
    wait_until(lambda: server.peers[0].http2.goaway, what="the goodbye")
    assert server.peers[0].http2.goaway[1] == ENHANCE_YOUR_CALM
    assert proxy.metrics().total("azulb_server_floods_total", kind=kind) == 1
    assert proxy.metrics().total("azulb_server_floods_total") == 1


def test_a_push_is_a_protocol_error(azulb, scripted):
    def script(server):
        asked = server.next_request()
        block = server.encoder.encode(get("/pushed"), huffman=False)
        server.peer.send(frame(5, END_HEADERS, asked.number, struct.pack(">I", 2) + block))
        server.until(lambda: server.goaway)

    server = scripted(per_connection(http2(script), answering()))
    proxy = azulb(server, upstream={**HTTP2, "retry": {"attempts": 1}})
    assert proxy.fetch().status == 502
    assert proxy.fetch().status == 200
    assert server.peers[0].http2.client_settings[2] == 0


# ---- WebSockets
def websocket_server(server):
    asked = server.next_head()
    assert asked.header(":method") == "CONNECT" and asked.header(":protocol") == "websocket"
    assert asked.header(":path") == "/ws" and asked.header("sec-websocket-version") == "13"
    assert asked.header("sec-websocket-key") is None
    server.head(asked.number, 200, [("sec-websocket-protocol", "chat")])
    echoed = 0
    while not asked.ended:
        server.read_frame()
        if len(asked.body) > echoed:
            server.data(asked.number, bytes(asked.body[echoed:]))
            echoed = len(asked.body)
    server.data(asked.number, b"", end=True)
    server.serve()


def test_a_websocket_is_an_extended_connect(azulb, scripted):
    server = scripted(http2(websocket_server, values={ENABLE_CONNECT_PROTOCOL: 1}))
    proxy = azulb(server, upstream=HTTP2)
    with proxy.client() as client:
        answer = handshake(client)
        assert answer.status == 101 and answer.header("sec-websocket-protocol") == "chat"
        client.send(b"hello" * 1000)
        assert client.read_exact(5000) == b"hello" * 1000
    assert proxy.access_record(target="/ws")["tunnel"] is True


def test_a_websocket_over_http2_on_both_sides(azulb, scripted):
    server = scripted(http2(websocket_server, values={ENABLE_CONNECT_PROTOCOL: 1}))
    proxy = azulb(server, upstream=HTTP2)
    with Http2Client(("127.0.0.1", proxy.port)) as client:
        fields = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/ws"),
                  (":authority", "a.test"), ("sec-websocket-version", "13")]
        stream = client.open(fields, body=...)
        client.until(lambda: client.stream(stream).headers)
        assert client.stream(stream).status == 200
        client.send(frame(DATA, 0, stream, b"hello"))
        client.until(lambda: client.stream(stream).body == b"hello")
        client.send(frame(DATA, END_STREAM, stream, b""))
        assert client.response(stream).ended


def test_a_server_without_websockets_is_a_clear_failure_and_no_fault_of_its(azulb, scripted):
    server = scripted(answering())
    proxy = azulb(server, upstream=HTTP2)
    with proxy.client() as client:
        answer = handshake(client)
        client.read_body(answer, "close")
        assert answer.status == 502 and b"WebSocket" in answer.body
    assert proxy.access_record(target="/ws")["error"] == "upstream_websocket"
    assert proxy.metrics().total("azulb_server_errors_total") == 0
    assert not server.requests


def test_a_server_may_decline_a_websocket(azulb, scripted):

    def script(server):
        server.respond(server.next_head().number, 403, b"no")  # the request is the tunnel hoped for: it does not end
        server.serve()

    proxy = azulb(scripted(http2(script, values={ENABLE_CONNECT_PROTOCOL: 1})), upstream=HTTP2)
    with proxy.client() as client:
        answer = handshake(client)
        client.read_body(answer, "close")
        assert answer.status == 403 and answer.body == b"no"
    assert proxy.fetch().status == 200


# ---- TLS, PROXY headers, health, real servers
@pytest.fixture
def tls_scripted(certificates):
    servers = []

    def start(handler, alpn=("h2",)):
        servers.append(TlsScriptedServer(handler, server_context(certificates.ec, alpn=alpn)))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
    for server in servers:
        server.check()


def over_tls(certificates, **more):
    return {**HTTP2, "tls": {"ca": str(certificates.authority.bundle)}, **more}


def test_over_tls_it_is_agreed_on_by_alpn(azulb, tls_scripted, certificates):
    proxy = azulb(tls_scripted(answering(echo_head)), upstream=over_tls(certificates))
    assert fields_of(proxy.fetch("POST", body=b"x").body)[":scheme"] == "https"


@pytest.mark.parametrize("alpn", [(), ("http/1.1",)], ids=["none", "http/1.1"])
def test_a_server_that_does_not_agree_is_not_spoken_to(azulb, tls_scripted, certificates, alpn):
    server = tls_scripted(always(OK), alpn)
    proxy = azulb(server, upstream=over_tls(certificates, retry={"attempts": 1}))
    assert proxy.fetch().status == 502
    said = ("did not choose HTTP/2", "no application protocol")
    wait_until(lambda: any(words in proxy.stderr() for words in said), what="the reason in the log")
    assert not server.requests


def test_proxy_headers_keep_clients_apart(azulb, scripted):
    seen = []

    def handler(peer):
        seen.append(peer.read_line())
        Http2Server(peer).serve()

    server = scripted(handler)
    proxy = azulb(server, upstream={**HTTP2, "proxy_protocol": 1}, process={"workers": 1})
    with proxy.client() as one, proxy.client() as two:
        for client in (one, two, one, two):
            assert client.request("GET", "/").status == 200
        ports = {client.sock.getsockname()[1] for client in (one, two)}
    assert len(seen) == 2
    assert {int(line.split()[4]) for line in seen} == ports
    for peer in server.peers:
        assert peer.finished.wait(10)


def test_health_checks_speak_it_too(azulb, scripted):
    up = threading.Event()
    up.set()

    def answer(server, asked):
        server.respond(asked.number, 200 if up.is_set() or asked.path != "/health" else 503)

    server = scripted(answering(answer))
    health = {"path": "/health", "interval": "50ms", "fast_interval": "20ms", "rise": 1, "fall": 2}
    proxy = azulb(server, upstream={**HTTP2, "health": health})
    proxy.wait_health(server, "up")
    assert proxy.fetch().status == 200
    up.clear()
    proxy.wait_health(server, "down")
    up.set()
    proxy.wait_health(server, "up")
    assert proxy.fetch().status == 200


def test_health_checks_say_what_is_wrong(azulb, scripted):
    health = {"path": "/health", "interval": "50ms", "fall": 1}
    server = scripted(http1_speaker)
    proxy = azulb(server, upstream={**HTTP2, "health": health})
    proxy.wait_health(server, "down")
    wait_until(lambda: "does not speak HTTP/2" in proxy.stderr(), what="the reason in the log")


def test_nginx_serves_over_h2c(azulb, nginx):
    server = nginx("location / { return 200 'page'; } location /large { alias /usr/sbin/nginx; }", server_options="http2")
    proxy = azulb(server, upstream=HTTP2, process={"workers": 1})
    with proxy.client() as client:
        assert [client.request("GET", "/").body for _ in range(50)] == [b"page"] * 50
        large = client.request("GET", "/large").body
    assert len(large) > 100_000 and large[:4] == b"\x7fELF"
    assert opened(proxy) == 1
