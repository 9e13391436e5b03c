"""HTTP/2 towards servers: what one client or one bad moment of a connection must not do to the others on it."""

from support.http2 import DATA, END_STREAM, Http2Client, frame, get
from support.http2_server import answering, http2
from support.waiting import wait_until

HTTP2 = {"protocol": "http2"}


def test_many_stalled_answers_hold_up_no_other(azulb, scripted):
    """A server that keeps to the connection's window; more than a MiB is held for clients that do not read."""
    stalled, held = 30, []

    def script(server):
        window = 65535
        for _ in range(stalled):
            asked = server.next_request()
            server.head(asked.number)
            left = 65535
            while left:
                server.until(lambda: window + sum(more for stream, more in server.window_updates if stream == 0) > 0)
                room = window + sum(more for stream, more in server.window_updates if stream == 0)
                size = min(left, room, 16384)
                server.data(asked.number, b"x" * size)
                window, left = window - size, left - size
            held.append(asked)
        server.serve()

    server = scripted(http2(script))
    proxy = azulb(server, upstream=HTTP2, process={"workers": 1})
    with Http2Client(("127.0.0.1", proxy.port), initial_window=0, auto_window=False) as slow:
        for number in range(stalled):
            slow.open(get(f"/{number}"))
        wait_until(lambda: len(held) == stalled, what="all the large answers")
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
