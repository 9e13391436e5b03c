"""Clients' bytes over TLS: whole, in pieces, in bulk, cut off at any place, and those who never finish a handshake."""

import asyncio
import contextlib
import hashlib
import os
import signal
import socket
import ssl
import struct
import subprocess
import threading

import pytest
import websockets

from support.azulb import is_sanitized
from support.client import Client
from support.memory import Peak
from support.scripted_server import OK, always, echo, response
from support.tls import TLS12, TLS13, TlsClient, WireClient, client_context, tls_fetch
from support.waiting import wait_until, wait_until_steady
from support.websocket import HANDSHAKE, echo_bytes, handshake, upgrading
from support.wire import Incomplete

VERSIONS = pytest.mark.parametrize("version", [TLS12, TLS13], ids=["1.2", "1.3"])
GET = b"GET / HTTP/1.1\r\nHost: both.test\r\n\r\n"


def active(proxy):
    return proxy.metrics().total("azulb_connections_active")


def wait_no_connections(proxy):
    wait_until(lambda: active(proxy) == 0, what="the end of all connections")


# ---- handshakes that go wrong
@VERSIONS
def test_handshake_and_request_one_byte_at_a_time(tls_azulb, scripted, version):
    proxy = tls_azulb(scripted(always(OK)))
    with WireClient(proxy.address, client_context(version=version)) as client:
        client.shake_hands(client.send_bytewise)
        client.send_bytewise(client.encrypt(GET))
        assert client.read_until(b"ok").startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("worker_count", [1, 2])
def test_300_half_handshakes_leave_others_served(tls_azulb, scripted, worker_count):
    proxy = tls_azulb(scripted(always(OK)), process={"workers": worker_count})
    with contextlib.ExitStack() as stack:
        for number in range(300):
            client = stack.enter_context(WireClient(proxy.address))
            hello = client.flight()
            client.sock.sendall(hello[: (0, 3, 100, len(hello))[number % 4]])
        for _ in range(20):
            assert tls_fetch(proxy.address).status == 200
        wait_until(lambda: active(proxy) == 300, what="300 open connections")
    wait_no_connections(proxy)


@VERSIONS
@pytest.mark.parametrize("how", ["end", "close", "reset"])
def test_a_client_that_leaves_at_any_stage_of_the_handshake_leaves_nothing_behind(tls_azulb, scripted, version, how):
    server = scripted(always(OK))
    proxy = tls_azulb(server)
    context = client_context(version=version)
    tls_fetch(proxy.address, context=context)
    wait_no_connections(proxy)
    before = proxy.open_descriptors()
    sample = WireClient(proxy.address, context)
    flights = []
    sample.shake_hands(lambda data: (flights.append(data), sample.sock.sendall(data)))
    sample.close()
    lengths = [len(data) for data in flights]
    stages = [(0, cut) for cut in (0, 1, 5, 6, lengths[0] // 2, lengths[0] - 1, lengths[0])]
    stages += [(1, cut) for cut in (1, 5, 6, lengths[1] // 2, lengths[1] - 1)]
    wait_until(lambda: proxy.metrics().total("azulb_tls_handshakes_total") == 2, what="the count of both")
    failures = proxy.metrics().total("azulb_tls_failures_total")
    for flight, cut in stages:
        client = WireClient(proxy.address, context)
        for number in range(flight):
            client.sock.sendall(client.flight())
        data = client.flight()
        client.sock.sendall(data[:cut])
        if how == "end":
            client.sock.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionError):
                while client.sock.recv(65536):
                    pass
        elif how == "reset":
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    failed = failures + len(stages)
    wait_until(lambda: proxy.metrics().total("azulb_tls_failures_total") == failed, what="the failures' count")
    assert proxy.metrics().total("azulb_tls_handshakes_total") == 2
    wait_no_connections(proxy)
    wait_until(lambda: proxy.open_descriptors() <= before, what="all descriptors closed")
    assert len(server.requests) == 1
    assert tls_fetch(proxy.address, context=context).status == 200


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16",
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\xff\xff" + b"\1" * 70000,
        b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + b"\0" * 20000,
        b"\x16\x03\x01\x00\x04\x01\x00\x00\x00",
        b"\x16" * 1000,
        b"\x80\x2e\x01\x00\x02" + b"\0" * 50,
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\x17\x03\x03\x00\x05hello",
        b"\x14\x03\x03\x00\x01\x01",
        bytes(range(256)) * 8,
        b"\0" * 5000,
    ],
    ids=range(12),
)
def test_garbage_instead_of_a_client_hello_ends_the_connection(tls_azulb, scripted, garbage):
    server = scripted(always(OK))
    proxy = tls_azulb(server, listener={"timeout": {"tls_handshake": "300ms", "header": "300ms"}})
    with Client(proxy.address) as client:
        with contextlib.suppress(ConnectionError):
            client.send(garbage)
        client.wait_closed()
    wait_no_connections(proxy)
    assert not server.peers
    assert tls_fetch(proxy.address).status == 200


@pytest.mark.parametrize("sent", [0, 1, 50, None])
def test_a_handshake_that_does_not_end_in_time_is_closed(tls_azulb, scripted, sent):
    proxy = tls_azulb(scripted(always(OK)), listener={"timeout": {"tls_handshake": "300ms"}})
    failures = proxy.metrics().total("azulb_tls_failures_total")
    with WireClient(proxy.address) as client:
        client.sock.sendall(client.flight()[:sent])
        with contextlib.suppress(ConnectionError):
            while client.sock.recv(65536):
                pass
    wait_no_connections(proxy)
    assert proxy.metrics().total("azulb_tls_failures_total") == failures + 1


def test_a_slow_but_moving_handshake_is_closed_all_the_same(tls_azulb, scripted):
    proxy = tls_azulb(scripted(always(OK)), listener={"timeout": {"tls_handshake": "400ms"}})
    with WireClient(proxy.address) as client:
        hello = client.flight()
        client.sock.settimeout(0.05)
        with pytest.raises(ConnectionError):
            for position in range(len(hello)):
                client.sock.sendall(hello[position : position + 1])
                with contextlib.suppress(TimeoutError):
                    if not client.sock.recv(100):
                        raise ConnectionResetError
    wait_no_connections(proxy)


# ---- requests
@VERSIONS
def test_pipelined_requests_are_answered_in_order(tls_azulb, scripted, version):
    proxy = tls_azulb(scripted(echo))
    with TlsClient(proxy.address, client_context(version=version)) as client:
        client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(50)))
        for number in range(50):
            assert client.read_response().body.startswith(b"GET /%d\r\n" % number)


def test_a_request_in_many_records_and_many_requests_in_one(tls_azulb, scripted):
    proxy = tls_azulb(scripted(echo))
    with WireClient(proxy.address) as client:
        client.shake_hands()
        client.sock.sendall(b"".join(client.encrypt(bytes([byte])) for byte in GET))
        assert b"200" in client.read_until(b"X-Request-ID")
        client.sock.sendall(client.encrypt(GET) + client.encrypt(GET[:7]))
        client.sock.sendall(client.encrypt(GET[7:]))
        data = b""
        while data.count(b"200 ") < 2:
            data += client.read()


def test_an_expectation_is_answered_over_tls(tls_azulb, scripted):
    def handler(peer):
        peer.read_request_head()
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert peer.read_exact(5) == b"hello"
        peer.send(OK)

    proxy = tls_azulb(scripted(handler))
    with TlsClient(proxy.address) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert client.read_head().status == 100
        client.send(b"hello")
        assert client.read_response().status == 200


# ---- ends
@VERSIONS
def test_the_end_of_a_response_with_close_is_told_by_close_notify(tls_azulb, scripted, version):
    proxy = tls_azulb(scripted(always(OK)))
    with TlsClient(proxy.address, client_context(version=version)) as client:
        assert client.request(headers={"Connection": "close"}).status == 200
        assert client.read_to_end() == b"", "not torn"
        client.sock.unwrap()
    wait_no_connections(proxy)


@VERSIONS
def test_a_response_without_length_to_http_1_0_ends_in_close_notify(tls_azulb, scripted, version):
    def handler(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"400\r\n" + b"x" * 0x400 + b"\r\n0\r\n\r\n")

    proxy = tls_azulb(scripted(handler))
    with TlsClient(proxy.address, client_context(version=version)) as client:
        answer = client.request(version="1.0")
        assert answer.framing == "close" and len(answer.body) == 0x400


def test_a_slow_reader_of_a_body_without_length_gets_its_close_notify(tls_azulb, scripted):
    """The socket is full when the end is due: the alert has to wait for room."""
    size = 3_000_000

    def handler(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * size)

    proxy = tls_azulb(scripted(handler))
    for number in range(12):
        with TlsClient(proxy.address, receive_buffer=2048 + 1000 * number) as client:
            answer = client.request(version="1.0")
            assert len(answer.body) == size and answer.framing == "close"


@VERSIONS
@pytest.mark.parametrize("bare", [False, True], ids=["close_notify", "bare FIN"])
def test_a_client_that_ends_its_side_still_gets_its_answer(tls_azulb, scripted, version, bare):
    proxy = tls_azulb(scripted(always(OK)))
    with WireClient(proxy.address, client_context(version=version)) as client:
        client.shake_hands()
        data = client.encrypt(GET)
        if not bare:
            with contextlib.suppress(ssl.SSLWantReadError):
                client.tls.unwrap()
            data += client.outgoing.read()
        client.sock.sendall(data)
        client.sock.shutdown(socket.SHUT_WR)
        before = len(client.wire)
        with contextlib.suppress(ConnectionError):
            while chunk := client.sock.recv(65536):
                client.wire += chunk
        assert len(client.record_sizes(before)) >= (1 if version == TLS12 else 2) and len(client.wire) - before > 60
        assert proxy.access_log()[-1]["status"] == 200
    wait_no_connections(proxy)


def test_a_body_cut_off_by_close_notify_or_fin_is_no_whole_request(tls_azulb, scripted):
    server = scripted(always(OK))
    proxy = tls_azulb(server)
    for bare in (True, False):
        with TlsClient(proxy.address) as client:
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")
            if not bare:
                client.sock.settimeout(0.2)
                with contextlib.suppress(OSError):
                    client.sock.unwrap()
    wait_no_connections(proxy)
    assert not server.completed


# ---- bulk
def test_records_are_small_at_first_and_large_in_bulk_and_small_again_after_a_pause(tls_azulb, scripted):
    proxy = tls_azulb(scripted(always(response(200, b"x" * 2_000_000))))
    with WireClient(proxy.address) as client:
        client.shake_hands()
        for pause in (0, 1.2):
            threading.Event().wait(pause)  # what is tested is a time: a second of silence
            before = len(client.wire)
            client.sock.sendall(client.encrypt(GET))
            got = 0
            while got < 2_000_000:
                got += len(client.read())
            sizes = client.record_sizes(before)
            sizes = [size for size in sizes if size > 300]  # not the session ticket
            assert sizes[0] <= 1400 and sizes[1] <= 2800, sizes[:8]
            assert max(sizes) > 16_000
            assert sum(size > 16_000 for size in sizes) > 0.9 * 2_000_000 / 16_384


BULK = 200_000_000
ALLOWED_GROWTH = 120_000_000 if is_sanitized() else 10_000_000


@pytest.mark.slow
def test_200_mb_down_to_a_slow_reader_in_bounded_memory(tls_azulb, scripted):
    block = os.urandom(1_000_000)

    def handler(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BULK)
        for _ in range(BULK // len(block)):
            peer.send(block)

    proxy = tls_azulb(scripted(handler))
    with TlsClient(proxy.address, timeout=60) as client:
        client.send_request()
        before = proxy.resident_bytes()
        with Peak(proxy) as peak:
            head = client.read_head()
            wait_until_steady(lambda: proxy.metrics().total("azulb_bytes_sent_total"))
            digest, got = hashlib.sha256(bytes(client.buffer)), len(client.buffer)
            while got < BULK:
                data = client.sock.recv(1 << 16)
                digest.update(data)
                got += len(data)
        assert head.header("content-length") == str(BULK)
        assert digest.digest() == hashlib.sha256(block * (BULK // len(block))).digest()
        assert peak.bytes - before < ALLOWED_GROWTH


@pytest.mark.slow
@pytest.mark.parametrize("chunked", [False, True])
def test_200_mb_up_to_a_slow_server_in_bounded_memory(tls_azulb, scripted, chunked):
    block, ready, digests = os.urandom(1_000_000), threading.Event(), []

    def handler(peer):
        request = peer.read_request_head()
        ready.wait(60)
        if chunked:
            peer.read_body(request, "none")
            digests.append(hashlib.sha256(request.body).digest())
        else:
            digest, got = hashlib.sha256(bytes(peer.buffer)), len(peer.buffer)
            while got < BULK:
                data = peer.sock.recv(1 << 16)
                digest.update(data)
                got += len(data)
            digests.append(digest.digest())
        peer.send(OK)
        peer.wait_closed()

    proxy = tls_azulb(scripted(handler), listener={"limit": {"body": "0"}})
    count = BULK // len(block)
    with TlsClient(proxy.address, timeout=60) as client:
        if chunked:
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        else:
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % BULK)
        before = proxy.resident_bytes()

        def upload():
            for _ in range(count):
                client.send((b"%x\r\n" % len(block) + block + b"\r\n") if chunked else block)
            if chunked:
                client.send(b"0\r\n\r\n")

        thread = threading.Thread(target=upload)
        with Peak(proxy) as peak:
            thread.start()
            wait_until_steady(lambda: proxy.metrics().total("azulb_bytes_received_total"))
            ready.set()
            thread.join(60)
            assert client.read_response().status == 200
    assert digests == [hashlib.sha256(block * count).digest()]
    assert peak.bytes - before < ALLOWED_GROWTH


def test_both_directions_at_once_with_full_sockets(tls_azulb, scripted):
    """An upload while the download of the same exchange stands: neither direction's block breaks the other's records."""
    size = 12_000_000

    def handler(peer):
        peer.read_request_head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        threading.Thread(target=lambda: peer.send(b"d" * size), daemon=True).start()
        got = len(peer.buffer)
        while got < size:
            got += len(peer.sock.recv(65536))
        peer.wait_closed()

    proxy = tls_azulb(scripted(handler))
    with TlsClient(proxy.address, timeout=30) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
        client.send(b"u" * size)
        assert client.read_response().body == b"d" * size


# ---- tunnels
@VERSIONS
def test_a_websocket_passes_in_both_directions_with_frames_of_1_mb(tls_azulb, scripted, version):
    proxy = tls_azulb(scripted(upgrading(echo_bytes)))
    with TlsClient(proxy.address, client_context(version=version), timeout=30) as client:
        assert handshake(client, extra=b"early").status == 101
        assert client.read_exact(5) == b"early"
        frame = os.urandom(1_000_000)
        for _ in range(5):
            sender = threading.Thread(target=client.send, args=(frame,))
            # One thread writes and one reads: Python's ssl allows that of one socket only by turns.
            sender.start()
            sender.join()
            assert client.read_exact(len(frame)) == frame
        client.send(b"small")
        assert client.read_exact(5) == b"small"
    wait_no_connections(proxy)


def test_a_real_websocket_client_over_tls(tls_azulb, crystal_apps, certificates):
    proxy = tls_azulb(*crystal_apps(1))

    async def talk():
        context = client_context(certificates)
        async with websockets.connect(f"wss://localhost:{proxy.port}/ws", ssl=context, max_size=None) as ws:
            for size in (0, 1, 65536, 1_000_000):
                await ws.send(b"y" * size)
                assert await ws.recv() == b"y" * size

    asyncio.run(asyncio.wait_for(talk(), 40))


# ---- key updates
@pytest.mark.parametrize("letter", [b"K", b"k"], ids=["asked back", "one side"])
def test_a_key_update_in_the_middle_of_a_transfer(tls_azulb, scripted, letter):
    size, go_on = 8_000_000, threading.Event()

    def handler(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        peer.send(b"1" * (size // 2))
        go_on.wait(20)
        peer.send(b"2" * (size // 2))
        peer.read_request()
        peer.send(OK.replace(b"ok", b"!!"))

    proxy = tls_azulb(scripted(handler))
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port}", "-tls1_3"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        counts, tail = {b"1": 0, b"2": 0}, b""

        def read_until(done):
            nonlocal tail
            while not done():
                data = process.stdout.read1(1 << 16)
                assert data, tail
                for digit in counts:
                    counts[digit] += data.count(digit * 64) * 64
                tail = tail[-2000:] + data

        process.stdin.write(GET)
        process.stdin.flush()
        read_until(lambda: counts[b"1"] > 100_000)
        process.stdin.write(letter + b"\n")
        process.stdin.flush()
        read_until(lambda: b"KEYUPDATE" in tail)
        go_on.set()
        read_until(lambda: counts[b"2"] > size // 2 - 200_000)
        process.stdin.write(GET)
        process.stdin.flush()
        read_until(lambda: b"!!" in tail)
        process.stdin.write(b"Q\n")
        process.stdin.close()
        process.kill()
    assert proxy.access_log()[0]["status"] == 200


# ---- drain
def test_a_drain_waits_for_no_idle_tls_connection_and_lets_requests_finish(tls_azulb, scripted):
    go_on = threading.Event()

    def handler(peer):
        while True:
            if peer.read_request().target == "/slow":
                go_on.wait(20)
            peer.send(OK)

    server = scripted(handler)
    proxy = tls_azulb(server, process={"drain_timeout": "30s"})
    with TlsClient(proxy.address) as idle, TlsClient(proxy.address) as busy:
        assert idle.request().status == 200
        busy.send_request(target="/slow")
        server.wait_requests(2)
        proxy.signal(signal.SIGTERM)
        assert idle.read_to_end() == b"", "ended by close_notify"
        go_on.set()
        answer = busy.read_response()
        assert answer.status == 200 and answer.header("connection") == "close"
    assert proxy.wait_exit(10) == 0


def test_a_drain_during_a_handshake_lets_it_and_its_request_finish(tls_azulb, scripted):
    proxy = tls_azulb(scripted(always(OK)), process={"drain_timeout": "30s"})
    with WireClient(proxy.address) as client, TlsClient(proxy.address) as idle:
        client.sock.sendall(client.flight())
        finished = client.flight()
        assert idle.request().status == 200
        proxy.signal(signal.SIGTERM)
        idle.wait_closed()
        client.sock.sendall(finished + client.encrypt(GET))
        data = client.read_until(b"ok")
        assert b"200" in data and b"Connection: close" in data
    assert proxy.wait_exit(10) == 0


@pytest.mark.parametrize("whole", [False, True], ids=["half a handshake", "a handshake and no request"])
def test_a_drain_does_not_wait_long_for_who_says_nothing(tls_azulb, scripted, whole):
    proxy = tls_azulb(
        scripted(always(OK)), process={"drain_timeout": "80s"}, listener={"timeout": {"tls_handshake": "2s"}}
    )
    with WireClient(proxy.address) as client, TlsClient(proxy.address) as idle:
        client.sock.sendall(client.flight())
        finished = client.flight()
        assert idle.request().status == 200
        proxy.signal(signal.SIGTERM)
        idle.wait_closed()
        if whole:
            client.sock.sendall(finished)
        assert proxy.wait_exit(15) == 0


# ---- what is counted, and what it costs
def test_handshakes_resumptions_and_failures_are_counted(tls_azulb, scripted):
    proxy = tls_azulb(scripted(always(OK)))
    wait_until(lambda: active(proxy) == 0)

    def counts():
        metrics = proxy.metrics()
        return [metrics.total(f"azulb_tls_{name}_total", listener="http") for name in ("handshakes", "resumptions", "failures")]

    begin = counts()
    context = client_context()
    with TlsClient(proxy.address, context) as client:
        client.request()
        session = client.sock.session
    with TlsClient(proxy.address, context, session=session) as client:
        client.request()
    with pytest.raises(ssl.SSLError):
        TlsClient(proxy.address, client_context(alpn=["imap"]))
    wait_until(lambda: active(proxy) == 0)
    assert [after - before for before, after in zip(begin, counts())] == [2, 1, 1]


def test_a_failed_handshake_says_why_in_the_debug_log(tls_azulb, scripted):
    proxy = tls_azulb(scripted(always(OK)), extra={"log": {"level": "debug"}})
    with pytest.raises(ssl.SSLError):
        TlsClient(proxy.address, client_context(alpn=["imap"]))
    wait_until(lambda: "no application protocol" in proxy.stderr(), what="a line in the log")


@pytest.mark.slow
@pytest.mark.skipif(is_sanitized(), reason="sanitizers' memory is another")
@VERSIONS
def test_an_idle_connection_gives_its_buffers_back(tls_azulb, scripted, version):
    proxy = tls_azulb(scripted(always(response(200, b"x" * 20_000))))
    context = client_context(version=version)
    with contextlib.ExitStack() as stack:

        def open_idle(count):
            for _ in range(count):
                assert stack.enter_context(TlsClient(proxy.address, context)).request().status == 200

        open_idle(200)
        before = proxy.resident_bytes()
        open_idle(1000)
        each = (proxy.resident_bytes() - before) / 1000
        print(f"{each:.0f} bytes for each idle connection")
        # OpenSSL 3.0 keeps 13 KB of its own for each (7.6 KB of them the SSL object); two buffers would be 34 KB more.
        assert each <= 16 * 1024
