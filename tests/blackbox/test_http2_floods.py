"""What a client can send too much of: it is cut off with ENHANCE_YOUR_CALM and counted, memory stays bounded, and other
clients are served meanwhile."""

import contextlib
import struct
import threading

import pytest

from support.azulb import is_sanitized
from support.http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    SETTINGS,
    Http2Client,
    frame,
    get,
    rst_stream,
    settings,
    window_update,
)
from support.scripted_server import OK, always, hang, response
from support.waiting import wait_until
from support.wire import Incomplete

ALLOWED_GROWTH = 100_000_000 if is_sanitized() else 10_000_000


@pytest.fixture
def proxy(azulb, scripted):
    return azulb(scripted(always(OK)))


def flood_count(proxy, kind):
    return proxy.metrics().total("azulb_client_floods_total", listener="http", kind=kind)


def request_blocks(client, first, count):
    """HEADERS of so many requests."""
    return [client.headers(number, get("/flood")) for number in range(first, first + 2 * count, 2)]


def wait_reset(client, number):
    """So that no more streams are open at once than are allowed."""
    wait_until(lambda: client.goaway or client.stream(number).reset is not None, 10, "a reset", interval=0.001)


# Each: what the attacker repeats, given its client and a first free stream number; and the kind that is counted.
def rapid_reset(client):
    for first in range(1, 200_000, 200):
        yield b"".join(head + rst_stream(first + 2 * at) for at, head in enumerate(request_blocks(client, first, 100)))


def slow_rapid_reset(client):
    """One request at a time reaches a server before it is taken back."""
    for number in range(1, 200_000, 2):
        yield client.headers(number, get("/flood"))
        yield rst_stream(number)


def provoked_reset(client):
    """CVE-2025-8671: a window of a stream opened too far makes the other side reset it."""
    for first in range(1, 200_000, 20):
        heads = [client.headers(number, get("/flood"), END_HEADERS) for number in range(first, first + 20, 2)]
        yield b"".join(head + window_update(first + 2 * at, 2**31 - 1) for at, head in enumerate(heads))
        wait_reset(client, first + 18)


def malformed_requests(client):
    for first in range(1, 200_000, 20):
        yield b"".join(client.headers(number, [*get(), ("Bad", "1")]) for number in range(first, first + 20, 2))
        wait_reset(client, first + 18)


def pings(client):
    while True:
        yield frame(PING, 0, 0, b"12345678") * 500


def empty_settings(client):
    while True:
        yield frame(SETTINGS) * 500


def window_settings(client):
    while True:
        yield b"".join(settings({INITIAL_WINDOW_SIZE: 65535 + at}) for at in range(100))


def priorities(client):
    while True:
        yield b"".join(frame(PRIORITY, 0, number, struct.pack(">IB", 0, 7)) for number in range(1, 1001, 2))


def priority_updates(client):
    while True:
        yield frame(0x10, 0, 0, struct.pack(">I", 1) + b"u=1") * 500


def unknown_frames(client):
    while True:
        yield frame(0xF0, 0, 0, b"") * 500


def window_updates(client):
    while True:
        yield window_update(0, 1) * 500


def empty_data(client):
    yield client.headers(1, get(method="POST"), END_HEADERS)
    while True:
        yield frame(DATA, 0, 1) * 500


def padding_only(client):
    yield client.headers(1, get(method="POST"), END_HEADERS)
    while True:
        yield frame(DATA, PADDED, 1, b"\x03\0\0\0") * 100


def empty_continuations(client):
    yield frame(HEADERS, END_STREAM, 1, client.encoder.encode(get(), huffman=False))
    while True:
        yield frame(CONTINUATION, 0, 1) * 500


def long_continuations(client):
    yield frame(HEADERS, END_STREAM, 1, client.encoder.encode(get(), huffman=False))
    for at in range(1_000_000):
        field = b"\x00\x06x%05d\x7f\xbd\x01" % (at % 90000) + b"v" * 316  # a literal that is not indexed
        yield frame(CONTINUATION, 0, 1, field * 45)


def hpack_bomb(client):
    """A large field once, then one byte for each time it comes again."""
    yield client.headers(1, [*get(), ("x-bomb", "b" * 4000)])
    bomb = b"\xbe" * 16000  # the newest entry of the dynamic table
    for number in range(3, 200_000, 2):
        yield frame(HEADERS, END_STREAM | END_HEADERS, number, bomb)


FLOODS = {
    rapid_reset: "reset",
    slow_rapid_reset: "reset",
    provoked_reset: "bad_frame",
    malformed_requests: "bad_frame",
    pings: "ping",
    empty_settings: "settings",
    window_settings: "settings",
    priorities: "priority",
    priority_updates: "priority",
    unknown_frames: "priority",
    window_updates: "window_update",
    empty_data: "empty_frame",
    padding_only: "empty_frame",
    empty_continuations: "continuation",
    long_continuations: ("continuation", "header_block"),
    hpack_bomb: "header_block",
}


def attack(proxy, flood, limit=60_000_000):
    """Sends until azulb has had enough. Returns the GOAWAY's code (None: cut off without one arriving)."""
    client = Http2Client(proxy.address)
    client.ping()
    reader = threading.Thread(target=client.read_to_close, daemon=True)
    reader.start()
    sent = 0
    try:
        with contextlib.suppress(OSError):
            for data in flood(client):
                client.send(data)
                sent += len(data)
                if client.goaway:
                    break
                assert sent < limit, "nobody minds"
        reader.join(10)
        assert not reader.is_alive(), "the connection is still open"
        return client.goaway and client.goaway[1]
    finally:
        client.sock.close()


@pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: flood.__name__)
def test_an_attacker_is_cut_off_and_others_are_served(proxy, flood):
    kinds = FLOODS[flood] if isinstance(FLOODS[flood], tuple) else (FLOODS[flood],)
    with Http2Client(proxy.address) as honest:
        assert honest.request(get()).status == 200
        before = proxy.resident_bytes()
        for _ in range(3):
            assert attack(proxy, flood) in (ENHANCE_YOUR_CALM, None)
            assert honest.request(get()).status == 200
            assert proxy.fetch().status == 200
    assert sum(flood_count(proxy, kind) for kind in kinds) == 3
    assert proxy.resident_bytes() - before < ALLOWED_GROWTH


def test_the_goaway_says_why(proxy):
    assert attack(proxy, pings) == ENHANCE_YOUR_CALM


@pytest.mark.parametrize("flood", [rapid_reset, slow_rapid_reset, provoked_reset])
def test_resets_do_not_multiply_work_at_the_servers(azulb, scripted, flood):
    server = scripted(hang)
    proxy = azulb(server)
    attack(proxy, flood)
    wait_until(lambda: all(peer.finished.is_set() for peer in server.peers), 10, "every request given up")
    assert len(server.peers) < 600


def test_replies_that_nobody_reads_are_bounded(azulb, scripted):
    """Not even its budget of PINGs may a client send without reading the answers for ever."""
    proxy = azulb(scripted(always(OK)))
    before = proxy.resident_bytes()
    client = Http2Client(proxy.address, receive_buffer=4096)
    with contextlib.suppress(OSError):
        for _ in range(100):
            client.send(frame(PING, 0, 0, b"12345678") * 500)
    assert client.read_to_close() in (ENHANCE_YOUR_CALM, None)
    assert proxy.resident_bytes() - before < ALLOWED_GROWTH
    client.sock.close()


def test_streams_that_take_nothing_end_and_cost_little(azulb, scripted):
    body = b"z" * 10_000_000
    proxy = azulb(scripted(always(response(200, body))), listener={"timeout": {"send": "500ms"}})
    assert proxy.fetch().body == body
    before = proxy.resident_bytes()
    with Http2Client(proxy.address, initial_window=0) as client, Http2Client(proxy.address) as honest:
        numbers = [client.open(get(f"/{n}")) for n in range(100)]
        client.until(lambda: all(client.stream(number).heads for number in numbers))
        grown = proxy.resident_bytes() - before
        assert grown < (200_000_000 if is_sanitized() else 30_000_000), grown
        assert len(honest.request(get()).body) == len(body)
        client.until(lambda: all(client.stream(number).reset is not None for number in numbers))
        client.send(settings({INITIAL_WINDOW_SIZE: 65535}))
        assert len(client.request(get("/after")).body) == len(body)
    assert flood_count(proxy, "stall") == 100
    assert proxy.access_record(target="/1")["error"] == "client_closed"


def test_more_streams_than_allowed_are_refused(azulb, scripted):
    server = scripted(hang)
    proxy = azulb(server, listener={"limit": {"http2_streams": 10}})
    with Http2Client(proxy.address) as client:
        client.ping()
        assert client.server_settings[3] == 10
        with contextlib.suppress(OSError, Incomplete):
            client.send(b"".join(request_blocks(client, 1, 30)))
            client.until(lambda: client.goaway or client.stream(21).reset is not None)
    assert len(server.peers) <= 10


def test_a_client_that_says_hello_and_nothing_more(azulb, scripted):
    proxy = azulb(scripted(always(OK)), listener={"timeout": {"keepalive": "300ms"}})
    with Http2Client(proxy.address, hello=False) as client:
        client.send(PREFACE)
        client.read_to_close()


def test_pings_do_not_keep_an_idle_connection(azulb, scripted):
    proxy = azulb(scripted(always(OK)), listener={"timeout": {"keepalive": "500ms"}})
    with Http2Client(proxy.address) as client, contextlib.suppress(OSError, Incomplete):
        for _ in range(200):
            client.ping()
            threading.Event().wait(0.05)
        raise AssertionError("still open")
