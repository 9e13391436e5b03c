"""Windows: a stream that takes nothing, or whose server takes nothing, holds up no other and costs bounded memory."""

import threading

import pytest

from support.azulb import is_sanitized
from support.http2 import DATA, END_STREAM, INITIAL_WINDOW_SIZE, Http2Client, frame, get, settings, window_update
from support.scripted_server import OK, SilentPort, response
from support.waiting import wait_until

SIZE = 500_000_000
ALLOWED_GROWTH = 600_000_000 if is_sanitized() else 8_000_000


def streaming(size):
    """Serves GET /big with so many bytes, everything else with "ok"."""
    block = bytes(range(256)) * 4096

    def handler(peer):
        while True:
            if peer.read_request().target != "/big":
                peer.send(OK)
                continue
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            for _ in range(size // len(block)):
                peer.send(block)
            peer.send(block[: size % len(block)])

    return handler


class CountingClient(Http2Client):
    """Counts the bytes of bodies instead of keeping them, and returns windows in large steps."""

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, auto_window=False, initial_window=2**20, **more)
        self.keep_frames = False
        self.total, self.unreturned = {}, 0
        self.send(window_update(0, 2**24))

    def _data(self, read):
        count = len(read.payload)
        self.total[read.stream] = self.total.get(read.stream, 0) + count
        self.unreturned += count
        self.stream(read.stream).ended = bool(read.flags & END_STREAM)
        if self.unreturned > 2**19:
            self.send(window_update(0, self.unreturned))
            if not self.stream(read.stream).ended:
                self.send(window_update(read.stream, self.unreturned))
            self.unreturned = 0
        self.received.clear()


@pytest.mark.slow
def test_a_large_download_passes_in_bounded_memory(azulb, scripted):
    proxy = azulb(scripted(streaming(SIZE)))
    assert proxy.fetch().status == 200
    before = proxy.resident_bytes()
    with CountingClient(proxy.address, timeout=60) as client:
        number = client.open(get("/big"))
        peak = [0]
        while not client.stream(number).ended:
            client.read_frame()
            if client.total.get(number, 0) % 50_000_000 < 16384:
                peak[0] = max(peak[0], proxy.resident_bytes())
        assert client.total[number] == SIZE
    assert max(peak[0], proxy.resident_bytes()) - before < ALLOWED_GROWTH


def test_a_download_that_stalls_holds_up_no_other(azulb, scripted):
    proxy = azulb(scripted(streaming(SIZE)), listener={"timeout": {"send": "30s"}})
    assert proxy.fetch().status == 200
    with Http2Client(proxy.address, auto_window=False) as client:
        client.send(window_update(0, 2**30))
        before = proxy.resident_bytes()
        stalled = [client.open(get("/big")) for _ in range(20)]
        client.until(lambda: all(len(client.stream(number).body) == 65535 for number in stalled))
        for n in range(200):
            assert client.request(get(f"/{n}")).body == b"ok"
        assert proxy.resident_bytes() - before < (150_000_000 if is_sanitized() else 20 * 300_000 + ALLOWED_GROWTH)
        # It goes on where it stood.
        client.send(window_update(stalled[0], 100_000))
        client.until(lambda: len(client.stream(stalled[0]).body) == 165_535)
        pattern = bytes(range(256)) * 1000
        assert client.stream(stalled[0]).body == pattern[:165_535]


def test_a_window_that_opens_byte_by_byte(azulb, scripted):
    body = bytes(range(256)) * 2
    with Http2Client(azulb(scripted(lambda peer: (peer.read_request(), peer.send(response(200, body)), peer.wait_closed()))).address,
                     initial_window=1, auto_window=False) as client:
        number = client.open(get())
        for _ in range(len(body) - 1):
            client.send(window_update(number, 1))
        assert client.response(number).body == body


def test_a_window_that_shrinks_below_zero(azulb, scripted):
    body = b"x" * 200_000
    proxy = azulb(scripted(lambda peer: (peer.read_request(), peer.send(response(200, body)), peer.wait_closed())))
    with Http2Client(proxy.address, auto_window=False) as client:
        number = client.open(get())
        client.until(lambda: len(client.stream(number).body) == 65535)
        client.send(settings({INITIAL_WINDOW_SIZE: 0}) + window_update(0, 2**20) + window_update(number, 65535))
        client.ping()
        assert len(client.stream(number).body) == 65535
        client.send(window_update(number, 200_000))
        assert len(client.response(number).body) == len(body)


def test_an_upload_that_its_server_does_not_take_holds_up_no_other(azulb, scripted):
    released = threading.Event()

    def slow(peer):
        request = peer.read_request_head()
        if request.target != "/slow":
            peer.send(OK)
            return
        released.wait(30)
        peer.read_body(request, "none")
        peer.send(response(200, b"%d" % len(request.body)))

    proxy = azulb(scripted(slow))
    assert proxy.fetch().status == 200
    with Http2Client(proxy.address) as client:
        client.ping()
        uploads = [client.open(get("/slow", method="POST"), body=...) for _ in range(10)]
        windows = {number: 65535 for number in uploads}
        windows[0] = 65535
        before = proxy.resident_bytes()
        sent, seen = dict.fromkeys(uploads, 0), 0

        def take_updates():
            nonlocal seen
            for read in client.frames[seen:]:
                if read.kind == 8 and read.stream in windows:
                    windows[read.stream] += int.from_bytes(read.payload, "big")
            seen = len(client.frames)

        # Each upload is sent until its window stays shut; the connection's must never be what stops one.
        for number in uploads:
            quiet = 0
            while quiet < 3:
                count = min(windows[number], windows[0], 16384)
                if count:
                    client.send(frame(DATA, 0, number, bytes(count)))
                    sent[number] += count
                    windows[number] -= count
                    windows[0] -= count
                    quiet = 0
                    continue
                released.wait(0.005)  # an honest client sends no thousand PINGs
                client.ping()
                take_updates()
                assert windows[0] > 0
                quiet += 1
        for n in range(50):
            assert client.request(get(f"/{n}")).body == b"ok"
        assert proxy.resident_bytes() - before < (100_000_000 if is_sanitized() else 10 * 400_000 + ALLOWED_GROWTH)
        released.set()
        for number in uploads:
            client.send(frame(DATA, END_STREAM, number))
        for number in uploads:
            assert client.response(number).body == b"%d" % sent[number]


def test_bodies_before_there_is_a_connection_to_the_server(azulb):
    silent = SilentPort()
    proxy = azulb(silent.name, upstream={"timeout": {"connect": "1s"}, "retry": {"attempts": 1}})
    with Http2Client(proxy.address) as client:
        number = client.open(get("/", method="POST"), body=...)
        for _ in range(3):
            client.send(frame(DATA, 0, number, bytes(16384)))
        assert client.response(number).status in (502, 504)
    silent.close()


def test_a_client_that_reads_nothing_at_all(azulb, scripted):
    """The connection is full: what it asks for waits at the servers, and the write timeout ends it."""
    proxy = azulb(scripted(streaming(SIZE)), listener={"timeout": {"send": "1s"}})
    assert proxy.fetch().status == 200
    with Http2Client(proxy.address, initial_window=2**31 - 1, receive_buffer=8192) as client:
        client.send(window_update(0, 2**31 - 1 - 65535))
        before = proxy.resident_bytes()
        for _ in range(20):
            client.open(get("/big"))
        wait_until(lambda: len(proxy.access_lines()) >= 20, 20, "every stream's end")
        assert proxy.resident_bytes() - before < (150_000_000 if is_sanitized() else 20 * 300_000 + ALLOWED_GROWTH)
