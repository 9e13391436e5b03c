"""HTTP/2 towards servers: what one client or one bad moment of a connection must not do to the others on it."""

import threading
import time

from support.http2 import DATA, END_STREAM, Http2Client, frame, get
from support.http2_server import Http2Server, answering, http2
from support.scripted_server import per_connection
from support.waiting import wait_until

HTTP2 = {"protocol": "http2"}


def test_many_stalled_answers_hold_up_no_other(azulb, scripted):
    """A server that keeps to every window has as much to say to clients that do not read as it may."""
    stalled, large = 60, 2_000_000
    sent = {}  # by the stream's number
    spent = set()  # streams whose own window is at an end

    def room(server, stream):
        return 65535 + sum(more for number, more in server.window_updates if number == stream)

    def say_more(server, stream):
        while True:
            of_connection = room(server, 0) - sum(sent.values())
            size = min(16384, large - sent[stream], room(server, stream) - sent[stream], of_connection)
            if size <= 0:
                return
            server.data(stream, b"x" * size)
            sent[stream] += size

    def script(server):
        while True:
            for asked in server.order[len(sent) :]:
                server.head(asked.number, 200)
                sent[asked.number] = 0
                if asked.path == "/small":
                    server.until(lambda: room(server, 0) > sum(sent.values()) + 2)
                    server.data(asked.number, b"ok", end=True)
                    return server.until(lambda: False)
            for stream in sent:
                say_more(server, stream)
                (spent.add if sent[stream] >= room(server, stream) else spent.discard)(stream)
            server.read_frame()

    server = scripted(http2(script))
    proxy = azulb(server, upstream=HTTP2, process={"workers": 1})
    with Http2Client(("127.0.0.1", proxy.port), initial_window=0, auto_window=False) as slow:
        for number in range(stalled):
            slow.open(get(f"/{number}"))
        wait_until(lambda: len(spent) == stalled, what="each answer to have come as far as its own window lets it")
        assert proxy.fetch("GET", "/small").body == b"ok"
    assert len(server.peers) == 1


def test_goaway_before_all_else_is_a_failure_at_once(azulb, scripted):
    def script(server):
        server.goodbye(0)
        server.until(lambda: False)

    proxy = azulb(scripted(http2(script)), upstream={**HTTP2, "timeout": {"connect": "60s"}, "retry": {"attempts": 1}})
    assert proxy.fetch().status == 502


def test_a_stream_of_small_grpc_messages_is_no_flood(azulb, scripted):
    server = scripted(answering(lambda server, asked: server.respond(asked.number, 200, b"%d" % len(asked.body))))
    proxy = azulb(server, upstream=HTTP2, process={"workers": 1})
    with Http2Client(("127.0.0.1", proxy.port)) as client:
        stream = client.open(get("/svc/M", method="POST"), body=...)
        for _ in range(30):
            client.send(frame(DATA, 0, stream, b"\0\0\0\0\x02\x08\x01") * 100)
        client.send(frame(DATA, END_STREAM, stream, b""))
        assert client.response(stream).body == b"21000"


def test_a_silently_dead_connection_is_gone_round(azulb, scripted):
    """Who waits for its sign of life, be it alone, moves to a new connection long before it is given up."""

    def dying(server):
        server.auto_ping = False
        server.respond(server.next_request().number)
        server.until(lambda: False)

    server = scripted(per_connection(http2(dying), answering()))
    upstream = {**HTTP2, "timeout": {"connect": "60s", "idle": "60s"}}
    proxy = azulb(server, upstream=upstream, process={"workers": 1})
    assert proxy.fetch("POST", body=b"x").status == 200
    time.sleep(1.1)  # for a second the server counts as heard of, and is not asked
    assert proxy.fetch("POST", body=b"x").status == 200
    assert len(server.peers) == 2


def test_a_failed_connection_is_one_failure_however_many_waited_for_it(azulb, scripted):
    bad, good = scripted(lambda peer: peer.reset()), scripted(answering())
    upstream = {**HTTP2, "retry": {"attempts": 1}, "outlier": {"consecutive_errors": 3, "ejection": "1m"}}
    proxy = azulb(bad, good, upstream=upstream, process={"workers": 1})
    with Http2Client(("127.0.0.1", proxy.port)) as client:
        streams = range(1, 41, 2)
        client.send(b"".join(client.headers(stream, get(f"/{stream}")) for stream in streams))
        statuses = [client.response(stream).status for stream in streams]
    assert statuses.count(200) == statuses.count(502) == 10
    assert len(bad.peers) < 3
    assert not any(state["ejected"] for state in proxy.servers_state().values())


def test_as_many_connections_are_made_at_once_as_the_requests_need(azulb, scripted):
    """Each takes one request: all are made before the first stands."""
    count = 10
    together = threading.Barrier(count, timeout=10)

    def slow(peer):
        together.wait()
        Http2Server(peer).serve()

    server = scripted(slow)
    proxy = azulb(server, upstream={**HTTP2, "keepalive": {"requests": 1}}, process={"workers": 1})
    answers = []
    fetching = [threading.Thread(target=lambda: answers.append(proxy.fetch().status)) for _ in range(count)]
    for each in fetching:
        each.start()
    for each in fetching:
        each.join(20)
    assert answers == [200] * count
