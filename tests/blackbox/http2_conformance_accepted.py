"""What RFC 9113 and RFC 7541 want accepted, as cases of the same form as http2_conformance.py: the part of h2spec that it calls
generic, and the cases of its other parts that end in an answer."""

import struct

from http2_conformance import (
    ANSWERED,
    BLOCK,
    CLOSED,
    HELLO,
    OK,
    POST_BLOCK,
    PREFACE_SETTINGS,
    SERVED,
    SETTLED,
    case,
    data,
    pong,
    post,
    priority,
    request,
)
from support.http2 import (
    ACK,
    CONTINUATION,
    DATA,
    ENABLE_PUSH,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    HEADER_TABLE_SIZE,
    INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE,
    MAX_HEADER_LIST_SIZE,
    PADDED,
    PING,
    PRIORITIZED,
    SETTINGS,
    frame,
    rst_stream,
    settings,
    window_update,
)

WHOLE = END_STREAM | END_HEADERS
HEAD_BLOCK = b"\x02\x04HEAD" + BLOCK[1:]
LONG_FIELD = b"\x40\x08x-dummy0\x7f\xa1\x1e" + b"x" * 4000  # a literal of 4000 bytes, indexed
SHUT = settings({INITIAL_WINDOW_SIZE: 0})


def weighed(stream, depends_on, weight, exclusive=False):
    return frame(2, 0, stream, struct.pack(">IB", depends_on | (exclusive << 31), weight))


# ---- generic 1, http2 3.5: the preface
case("generic 1", "the preface and SETTINGS", PREFACE_SETTINGS, HELLO, hello=False)

# ---- generic 2: frames that every state allows
case("generic 2", "PRIORITY on an idle stream", pong(b"after it"), priority(1, 0), frame(PING, 0, 0, b"after it"))
case("generic 2", "WINDOW_UPDATE on a half-closed stream", data(1), SHUT, request(), window_update(1, 1))
case("generic 2", "PRIORITY on a half-closed stream", data(1), SHUT, request(), priority(1, 0), window_update(1, 1))
case("generic 2", "RST_STREAM on a half-closed stream", pong(b"after it"), request(), rst_stream(1), frame(PING, 0, 0, b"after it"))
case("generic 2", "PRIORITY on a closed stream", pong(b"after it"), request(), ANSWERED, priority(1, 0), frame(PING, 0, 0, b"after it"))

# ---- generic 3.1 to 3.10: every kind of frame
case("generic 3.1", "DATA", SERVED, post(), frame(DATA, END_STREAM, 1, b"test"))
case("generic 3.1", "several DATA", SERVED, post(), frame(DATA, 0, 1, b"test"), frame(DATA, END_STREAM, 1, b"test"))
case("generic 3.1", "DATA with padding", SERVED, post(), frame(DATA, END_STREAM | PADDED, 1, b"\x06testpadded"))
case("generic 3.2", "HEADERS", SERVED, request())
case("generic 3.2", "HEADERS with padding", SERVED, frame(HEADERS, WHOLE | PADDED, 1, b"\x06" + BLOCK + b"padded"))
case("generic 3.2", "HEADERS with a priority", SERVED, frame(HEADERS, WHOLE | PRIORITIZED, 1, struct.pack(">IB", 0, 255) + BLOCK))
case("generic 3.3", "PRIORITY 1", SERVED, weighed(1, 0, 0), request())
case("generic 3.3", "PRIORITY 256", SERVED, weighed(1, 0, 255), request())
case("generic 3.3", "PRIORITY with a dependency", SERVED, weighed(3, 1, 0), request())
case("generic 3.3", "PRIORITY, exclusive", SERVED, weighed(1, 0, 0, exclusive=True), request())
case("generic 3.3", "PRIORITY of an idle stream, then HEADERS of a lower one", SERVED, weighed(3, 0, 255), request())
case("generic 3.4", "RST_STREAM", pong(b"after it"), post(), rst_stream(1), frame(PING, 0, 0, b"after it"))
case("generic 3.5", "SETTINGS, all of them", OK,
     settings({HEADER_TABLE_SIZE: 4096, ENABLE_PUSH: 1, MAX_CONCURRENT_STREAMS: 100, INITIAL_WINDOW_SIZE: 65535,
               MAX_FRAME_SIZE: 16384, MAX_HEADER_LIST_SIZE: 100}), SETTLED)
case("generic 3.7", "PING", pong(b"h2spec\0\0"), frame(PING, 0, 0, b"h2spec\0\0"))
case("generic 3.8", "GOAWAY", CLOSED, frame(GOAWAY, 0, 0, bytes(8) + b"goodbye"))
case("generic 3.9", "WINDOW_UPDATE of the connection", pong(b"after it"), window_update(0, 1), frame(PING, 0, 0, b"after it"))
case("generic 3.9", "WINDOW_UPDATE of a stream", SERVED, request(), window_update(1, 1))
case("generic 3.10", "CONTINUATION", SERVED, frame(HEADERS, END_STREAM, 1, BLOCK[:5]), frame(CONTINUATION, END_HEADERS, 1, BLOCK[5:]))
case("generic 3.10", "several CONTINUATION", SERVED, frame(HEADERS, END_STREAM, 1, BLOCK[:5]),
     frame(CONTINUATION, 0, 1, BLOCK[5:9]), frame(CONTINUATION, END_HEADERS, 1, BLOCK[9:]))

# ---- generic 4: messages
case("generic 4", "GET", SERVED, request())
case("generic 4", "HEAD", SERVED, request(block=HEAD_BLOCK))
case("generic 4", "POST", SERVED, post(), frame(DATA, END_STREAM, 1, b"test"))
case("generic 4", "POST with trailers", SERVED, request(block=POST_BLOCK + b"\x00\x07trailer\x06x-test", flags=END_HEADERS),
     frame(DATA, 0, 1, b"test"), request(block=b"\x00\x06x-test\x02ok"))

# ---- generic 5: representations of fields
PLAIN_NAME, HUFFMAN_NAME = b"\x06x-test", b"\x85\xf2\xb2\x4a\x84\xff"
PLAIN_VALUE, HUFFMAN_VALUE = b"\x06h2spec", b"\x84\x9c\x48\xac\xa4"
case("generic 5", "indexed", SERVED, request(block=BLOCK + b"\xba"))
for kind, first, indexed_name in (("with indexing", b"\x40", b"\x7a"), ("without indexing", b"\x00", b"\x0f\x2b"),
                                  ("never indexed", b"\x10", b"\x1f\x2b")):
    case("generic 5", f"a literal {kind}, known name", SERVED, request(block=BLOCK + indexed_name + PLAIN_VALUE))
    case("generic 5", f"a literal {kind}, known name, Huffman", SERVED, request(block=BLOCK + indexed_name + HUFFMAN_VALUE))
    case("generic 5", f"a literal {kind}, new name", SERVED, request(block=BLOCK + first + PLAIN_NAME + PLAIN_VALUE))
    case("generic 5", f"a literal {kind}, new name, Huffman", SERVED, request(block=BLOCK + first + HUFFMAN_NAME + HUFFMAN_VALUE))
case("generic 5", "a table size", SERVED, request(block=b"\x20" + BLOCK))
case("generic 5", "two table sizes", SERVED, request(block=b"\x20\x3f\xe1\x1f" + BLOCK))

# ---- http2: what is ignored, and what windows allow
case("4.1", "an unknown frame, answered PING", pong(bytes(8)), frame(0x16, 0, 0, bytes(8)), frame(PING, 0, 0, bytes(8)))
case("4.1", "undefined flags of a PING, answered", pong(bytes(8)), frame(PING, 0x16, 0, bytes(8)))
case("4.1", "the reserved bit of a PING, answered", pong(bytes(8)), frame(PING, 0x16, 0x80000000, bytes(8)))
case("6.5.3", "two INITIAL_WINDOW_SIZE, the last of which counts", data(1),
     frame(SETTINGS, 0, 0, struct.pack(">HIHI", INITIAL_WINDOW_SIZE, 100, INITIAL_WINDOW_SIZE, 1)), SETTLED, request())
case("6.5.3", "SETTINGS are acknowledged", OK, settings({ENABLE_PUSH: 0}), SETTLED)
case("6.7", "an acknowledgement is not answered", pong(b"h2spec\0\0"), frame(PING, ACK, 0, b"invalid\0"), frame(PING, 0, 0, b"h2spec\0\0"))
case("6.9.1", "a window of 1", data(1), settings({INITIAL_WINDOW_SIZE: 1}), SETTLED, request())
case("6.9.2", "a window opened by SETTINGS", data(1), SHUT, SETTLED, request(), settings({INITIAL_WINDOW_SIZE: 1}))
case("6.9.2", "a window that has become negative", data(3, 1), settings({INITIAL_WINDOW_SIZE: 3}), SETTLED, request(), ANSWERED,
     settings({INITIAL_WINDOW_SIZE: 2}), SETTLED, window_update(1, 2))
case("6.10", "a long block in parts", SERVED, frame(HEADERS, END_STREAM, 1, BLOCK), frame(CONTINUATION, 0, 1, LONG_FIELD),
     frame(CONTINUATION, END_HEADERS, 1, LONG_FIELD))
case("7", "GOAWAY with an unknown code", CLOSED, frame(GOAWAY, 0, 0, struct.pack(">II", 0, 0xFF)))
case("7", "RST_STREAM with an unknown code", pong(bytes(8)), post(), rst_stream(1, 0xFF), frame(PING, 0, 0, bytes(8)))
