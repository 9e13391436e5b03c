"""Faults that a review of the core found: each test failed before its fault was mended."""

import contextlib
import signal
import threading

import pytest

from support.client import Client
from support.ports import free_port
from support.scripted_server import OK, always, per_connection, response
from support.waiting import wait_until

# More than a unix socket's buffers take of a client that does not read, by less than azulb queues without pausing
# the server: the exchange ends while the end of its response waits in azulb.
BODY = b"0123456789" * 23_000


def chunked_answer(peer):
    """Chunks are copied, not spliced."""
    while True:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        peer.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY))


# ---- the last response of a connection whose client is slow to take it
def end_by_half_close(proxy, client):
    client.half_close()
    proxy.fetch("GET", "/nowhere")  # the one worker has seen the end by now


def end_by_drain(proxy, client):
    proxy.signal(signal.SIGTERM)

    def refused():
        with contextlib.suppress(OSError), proxy.client():
            return False
        return True

    wait_until(refused, what="azulb refusing connections")


def end_by_keepalive(proxy, client):
    with proxy.client() as other:  # as idle, it is closed for that
        other.send_request("GET", "/nowhere")
        other.read_response()
        assert other.at_end()


def end_by_grace(proxy, client):
    """The grace of a half-closed client is for its answer to come, not for it to take it."""
    for _ in range(2):
        end_by_keepalive(proxy, client)


@pytest.mark.parametrize("end", [end_by_half_close, end_by_drain, end_by_keepalive, end_by_grace])
def test_a_slow_client_gets_the_rest_of_its_last_response(azulb, scripted, tmp_path, end):
    server = scripted(chunked_answer)
    timeout = {"keepalive": "500ms"}
    proxy = azulb(
        server,
        routes=[{"path": "/big", "upstream": "app"}, {"path": "/nowhere", "respond": {"status": 204}}],
        listener={"timeout": timeout},
        extra={"listener": {"unix": {"address": f"unix:{tmp_path}/azulb", "timeout": timeout}}},
    )
    with Client(f"{tmp_path}/azulb") as client:
        client.send_request("GET", "/big")
        if end is end_by_grace:
            client.half_close()
        proxy.access_log(1)
        end(proxy, client)
        assert client.read_response().body == BODY
    if end is end_by_drain:
        proxy.wait_exit()


# ---- waiting for a server
def test_a_body_that_grows_too_large_while_waiting_leaves_the_queue(azulb):
    proxy = azulb(
        f"127.0.0.1:{free_port()}",
        upstream={"queue": 1, "queue_timeout": "30s", "health": {"interval": "10s"}},
        listener={"limit": {"body": "10"}},
    )
    wait_until(lambda: "down" in str(proxy.state()), what="the server being down")
    for _ in range(3):
        answer = proxy.fetch("POST", "/", body=[b"more than ten bytes"])
        assert answer.status == 413, answer


# ---- replay
def test_a_replayable_body_is_not_spliced_past_what_is_kept(azulb, scripted):
    body = bytes(range(256)) * 4096

    def read_and_close(peer):
        peer.read_request()

    server = scripted(per_connection(read_and_close, always(OK)))
    proxy = azulb(server, upstream={"retry": {"buffer": "4MiB"}})
    answer = proxy.fetch("PUT", "/", body=body)
    assert answer.status == 200
    assert [request.body == body for request in server.completed] == [True, True]


def test_a_body_that_comes_while_a_retry_waits_for_its_budget_is_replayed(azulb, scripted):
    """Three retries use up the budget; the chunk that comes meanwhile must not go to the first server only."""
    answered, go_on = threading.Event(), threading.Event()
    seen, lock = {}, threading.Lock()

    def handler(peer):
        while True:
            request = peer.read_request_head()
            with lock:
                first = seen.setdefault(request.target, 0) == 0
                seen[request.target] += 1
            if request.target == "/put" and first:
                peer.read_until(b"first\r\n")
                peer.send(response(503))
                answered.set()
                peer.wait_closed()
                return
            peer.read_body(request, "none")
            peer.server.note(request, complete=True)
            if request.target == "/at-once":
                peer.send(OK)
                continue
            if not first and request.target != "/put":
                go_on.wait(20)
            peer.send(response(503) if first else OK)

    server = scripted(handler)
    retry = {"budget": 0.0, "attempts": 2}
    proxy = azulb(server, upstream={"retry": retry, "queue_timeout": "20s"})
    with contextlib.ExitStack() as stack:
        holders = [stack.enter_context(proxy.client(timeout=30)) for _ in range(3)]
        for number, holder in enumerate(holders):
            holder.send_request("GET", f"/{number}")
        wait_until(lambda: all(seen.get(f"/{number}") == 2 for number in range(3)), what="three retries")
        client = stack.enter_context(proxy.client(timeout=30))
        client.send(b"PUT /put HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        wait_until(answered.is_set, what="the first answer to the PUT")
        proxy.fetch("GET", "/at-once")
        client.send(b"6\r\nsecond\r\n")
        proxy.fetch("GET", "/at-once")
        go_on.set()
        client.send(b"5\r\nthird\r\n0\r\n\r\n")
        assert client.read_response().status == 200
        assert server.completed[-1].body == b"firstsecondthird"


def test_a_long_answer_to_a_retry_does_not_hold_its_place_in_the_budget(azulb, scripted):
    seen, lock, over = set(), threading.Lock(), threading.Event()

    def handler(peer):
        request = peer.read_request()
        with lock:
            first = request.target not in seen
            seen.add(request.target)
        if first:
            return  # closes
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
        if request.target != "/last":
            over.wait(20)
        peer.send(b"0\r\n\r\n")

    server = scripted(handler)
    proxy = azulb(server, upstream={"retry": {"budget": 0.0}, "queue_timeout": "300ms", "outlier": {"consecutive_errors": 0}})
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(proxy.client(timeout=30)) for _ in range(3)]
        for number, stream in enumerate(streams):
            stream.send_request("GET", f"/{number}")
            assert stream.read_head().status == 200
        assert proxy.fetch("GET", "/last").status == 200
        over.set()


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_a_large_upload_goes_elsewhere_if_its_server_refuses_the_connection(azulb, scripted, method):
    """Nothing of the body is lost before there is a connection, whatever its size."""
    server = scripted(always(OK))
    proxy = azulb(f"127.0.0.1:{free_port()}", server)
    body = bytes(range(256)) * 2048
    for _ in range(2):
        assert proxy.fetch(method, "/", body=body).status == 200
    assert [request.body == body for request in server.completed] == [True, True]


# ---- servers that say too much
def test_what_follows_a_response_is_not_the_answer_to_a_pipelined_request(azulb, scripted, tmp_path):
    """The body ends where azulb's largest read does, so that what follows it is still in the kernel."""
    read_size, go_on = 80 * 1024, threading.Event()
    extra = response(200, b"smuggled")

    def handler(peer):
        request = peer.read_request()
        if request.target == "/first":
            peer.send(f"HTTP/1.1 200 OK\r\nContent-Length: {read_size}\r\n\r\n".encode())
            go_on.wait(10)
            peer.send(b"x" * read_size + extra)
            peer.wait_closed()
        peer.send(OK)

    server = scripted(handler, unix=tmp_path / "server")
    proxy = azulb(server)
    with proxy.client() as client:
        client.send(b"GET /first HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n")
        head = client.read_head()
        proxy.freeze()
        peer = server.peers[0]
        go_on.set()
        wait_until(lambda: pending_output(peer.sock) >= read_size + len(extra), what="the server's bytes")
        proxy.signal(signal.SIGCONT)
        client.read_body(head, "close")
        assert client.read_response().body == b"ok"


def pending_output(sock):
    """Bytes that the peer has not read (SIOCOUTQ; of a unix socket, memory that they take)."""
    import fcntl
    import struct

    return struct.unpack("i", fcntl.ioctl(sock, 0x5411, b"\0" * 4))[0]


def test_interim_responses_wait_for_a_slow_client(azulb, scripted):
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </" + b"x" * 8000 + b">\r\n\r\n"
    sent, limit = [0], 64 * 1024 * 1024

    def handler(peer):
        peer.read_request()
        peer.sock.settimeout(1)
        while sent[0] < limit:
            peer.send(interim * 8)  # ends with TimeoutError when azulb takes no more
            sent[0] += 8 * len(interim)

    server = scripted(handler)
    proxy = azulb(server)
    with proxy.client(receive_buffer=4096) as client:
        client.send_request("GET", "/")
        server.wait_peers(1)[0].finished.wait(60)
        assert 0 < sent[0] < limit / 2


# ---- tunnels
@pytest.mark.parametrize("most", [*range(194_000, 260_000, 16_000), 10_000_000])  # with the last bytes in azulb's queue, and in the kernel
def test_what_a_client_sent_before_its_end_passes_after_the_servers_end(azulb, scripted, tmp_path, most):
    """With both ends seen a socket is hung up; what was sent before can still be read."""
    read, got = threading.Event(), []

    def handler(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n")
        peer.half_close()
        read.wait(20)
        got.append(peer.read_to_end())

    server = scripted(handler, unix=tmp_path / "server")
    proxy = azulb(
        server,
        routes=[{"path": "/raw", "upstream": "app"}, {"path": "/nowhere", "respond": {"status": 204}}],
        extra={"listener": {"unix": {"address": f"unix:{tmp_path}/azulb"}}},
    )
    with Client(f"{tmp_path}/azulb") as client:
        client.send_request("GET", "/raw", headers={"Connection": "Upgrade", "Upgrade": "raw"})
        assert client.read_head().status == 101
        client.wait_closed()
        sent = 0
        client.sock.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            while sent < most:  # small reads are copied; at the end azulb no longer reads the client
                sent += client.sock.send(BODY[:8000])
                proxy.fetch("GET", "/nowhere")
        client.half_close()
        proxy.fetch("GET", "/nowhere")
        read.set()
        server.wait_peers(1)[0].finished.wait(20)
        assert [len(data) for data in got] == [sent]


# ---- drain
def test_every_connection_of_the_backlog_is_answered_when_azulb_ends(azulb, scripted):
    proxy = azulb(scripted(always(OK)))
    proxy.freeze()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(proxy.client(timeout=20)) for _ in range(400)]
        for client in clients:
            client.send_request("GET", "/")
        proxy.signal(signal.SIGTERM)
        proxy.signal(signal.SIGCONT)
        for client in clients:
            assert client.read_response().status == 200
    proxy.wait_exit()
