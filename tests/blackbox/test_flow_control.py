"""Bodies far larger than memory, peers that do not take their bytes: azulb does not grow."""

import socket
import threading

import pytest

from support.azulb import is_sanitized
from support.client import Client
from support.memory import Peak
from support.scripted_server import OK, SilentPort
from support.waiting import wait_until, wait_until_steady
from support.websocket import SWITCHING, handshake

SIZE = 500_000_000
# What all the socket buffers on the way may take in (tcp_rmem and tcp_wmem allow 32 MiB each on some machines): far below SIZE.
HELD_BACK = 150_000_000
# Sanitizers keep freed memory and shadow every byte: the figure is then only a guard against buffering it all.
ALLOWED_GROWTH = 120_000_000 if is_sanitized() else 8_000_000

pytestmark = pytest.mark.slow


def warm(proxy, target="/small"):
    for _ in range(50):
        assert proxy.fetch("GET", target).status == 200
    return proxy.resident_bytes()


def receive(sock, block, wanted):
    total = 0
    while total < wanted:
        count = sock.recv_into(block)
        if count == 0:
            break
        total += count
    return total


@pytest.mark.parametrize("chunked", [False, True])
def test_a_500_mb_upload_to_a_slow_server(azulb, scripted, chunked):
    go, counted = threading.Event(), [0]
    size = SIZE if not chunked else SIZE // 5

    def handler(peer):
        while True:
            request = peer.read_request_head()
            if request.method == "GET":
                peer.send(OK)
                continue
            counted[0] += len(peer.buffer)
            assert go.wait(60)
            block = bytearray(1 << 20)
            if chunked:
                tail = b""
                while not tail.endswith(b"0\r\n\r\n"):
                    count = peer.sock.recv_into(block)
                    tail = (tail + bytes(block[max(0, count - 5) : count]))[-5:]
                    counted[0] += count
            else:
                counted[0] += receive(peer.sock, block, size - counted[0])
            peer.send(OK)
            return

    server = scripted(handler)
    proxy = azulb(server, listener={"limit": {"body": "0"}}, process={"workers": 1})
    before = warm(proxy)
    sent = [0]
    client = proxy.client(timeout=60)
    block = b"x" * 1_000_000

    def upload():
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
        client.send(f"POST /upload HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n".encode())
        for _ in range(size // len(block)):
            if chunked:
                client.send(b"%x\r\n" % len(block))
            view = memoryview(block)
            while view:
                count = client.sock.send(view)
                view = view[count:]
                sent[0] += count
            if chunked:
                client.send(b"\r\n")
        if chunked:
            client.send(b"0\r\n\r\n")

    sender = threading.Thread(target=upload, daemon=True)
    with Peak(proxy) as peak:
        sender.start()
        wait_until_steady(lambda: sent[0], 0.5, what="the client being held back")
        assert 0 < sent[0] < HELD_BACK, "the server reads nothing, and yet azulb goes on reading"
        go.set()
        assert client.read_response().status == 200
        sender.join(10)
    client.close()
    assert counted[0] >= size
    assert peak.bytes - before < ALLOWED_GROWTH, f"grew by {peak.bytes - before}"


@pytest.mark.parametrize("size", [60_000, 65_536, 65_537, 200_000, 1_000_000])
def test_an_upload_that_waited_for_its_connection_goes_on(azulb, size):
    """Bytes that came before azulb was connected fill its buffer; reading has to resume once they are gone."""
    port = SilentPort()
    proxy = azulb(port.name, upstream={"timeout": {"connect": "10s"}})
    with proxy.client() as client:
        client.send(f"POST /waited HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode())
        wait_until(
            lambda: proxy.metrics().total("azulb_http_requests_in_flight") == 1, what="the head being read"
        )
        sender = threading.Thread(target=lambda: client.send(b"x" * size), daemon=True)
        sender.start()
        server = port.accept()
        server.read_until(b"\r\n\r\n")
        assert server.read_exact(size) == b"x" * size
        server.send(OK)
        assert client.read_response().status == 200
        sender.join(5)
    server.close()
    port.close()


def test_eight_500_mb_downloads_by_clients_that_do_not_read(azulb, scripted):
    sent, lock = [0] * 8, threading.Lock()

    def handler(peer):
        while True:
            request = peer.read_request_head()
            if request.target == "/small":
                peer.send(OK)
                continue
            number = int(request.target[1:])
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
            block = memoryview(b"y" * 1_000_000)
            while sent[number] < SIZE:
                count = peer.sock.send(block[: SIZE - sent[number]])
                with lock:
                    sent[number] += count

    server = scripted(handler)
    proxy = azulb(server, process={"workers": 2})
    before = warm(proxy)
    clients = []
    with Peak(proxy) as peak:
        for number in range(8):
            client = Client(proxy.address, timeout=60, receive_buffer=16384)
            client.send_request("GET", f"/{number}")
            clients.append(client)
        wait_until_steady(lambda: tuple(sent), 0.7, what="the servers being held back")
        assert all(0 < count < HELD_BACK for count in sent), sent
        assert proxy.fetch("GET", "/small").status == 200, "others are served meanwhile"
        assert clients[0].read_head().status == 200
        got = len(clients[0].buffer)
        clients[0].sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        got += receive(clients[0].sock, bytearray(1 << 20), SIZE - got)
        assert got == SIZE, "reading resumes when the client does"
    for client in clients:
        client.close()
    assert peak.bytes - before < ALLOWED_GROWTH, f"grew by {peak.bytes - before}"


def test_a_tunnel_holds_back_too(azulb, scripted):
    sent = [0]

    def handler(peer):
        request = peer.read_request_head()
        if request.target == "/small":
            peer.send(OK)
            return
        peer.send(SWITCHING)
        block = b"z" * 1_000_000
        while True:
            sent[0] += peer.sock.send(block)

    proxy = azulb(scripted(handler))
    before = warm(proxy)
    client = Client(proxy.address, receive_buffer=16384)
    assert handshake(client).status == 101
    wait_until_steady(lambda: sent[0], 0.5, what="the server being held back")
    assert 0 < sent[0] < HELD_BACK
    assert proxy.resident_bytes() - before < ALLOWED_GROWTH
    client.reset()


def test_many_pipelined_requests_are_no_memory(azulb, scripted):
    """A client that sends requests and never reads: the answers must not pile up."""

    def handler(peer):
        while True:
            request = peer.read_request()
            peer.send(
                OK
                if request.target == "/small"
                else b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100000
            )

    server = scripted(handler)
    proxy = azulb(server)
    before = warm(proxy)
    client = Client(proxy.address, receive_buffer=16384)
    client.sock.setblocking(False)
    data = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 1000
    total = [0]

    def push():
        try:
            while True:
                total[0] += client.sock.send(data)
        except BlockingIOError:
            return total[0]

    wait_until_steady(push, 0.5, what="the client being held back")
    assert total[0] < HELD_BACK
    assert proxy.resident_bytes() - before < ALLOWED_GROWTH
    assert len(server.requests) < 500
    client.reset()
