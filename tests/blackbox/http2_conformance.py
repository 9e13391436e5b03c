"""What RFC 9113 and RFC 7541 say about single frames, as cases of bytes: the checks that h2spec makes, by section.

A case is a list of actions: bytes are sent; SYNC waits for a PING's answer, ANSWERED for as much of that of stream 1 as windows
let through, SETTLED for the acknowledgement of all SETTINGS sent. Verdicts: OK (the connection goes on), SERVED (stream 1 has an
answer, and it goes on), `pong`, `data` (sizes of stream 1's first frames of a body), PREFACE_SETTINGS, CLOSED, `connection`: codes of
a GOAWAY (None: just the connection's end), or `stream`: codes of an RST_STREAM of stream 1, which a GOAWAY with one of them may
stand in for (RFC 9113 §5.4.2 lets an endpoint treat a stream error as one of the connection). What h2spec accepts without a
code, the mere end of a connection, is not enough here.
"""

import struct
from dataclasses import dataclass

from support.http2 import (
    ACK,
    COMPRESSION_ERROR,
    CONTINUATION,
    DATA,
    ENABLE_PUSH,
    END_HEADERS,
    END_STREAM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEADERS,
    HEADER_TABLE_SIZE,
    INITIAL_WINDOW_SIZE,
    MAX_FRAME_SIZE,
    NO_ERROR,
    PADDED,
    PING,
    PREFACE,
    PRIORITIZED,
    PRIORITY,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    STREAM_CLOSED,
    WINDOW_UPDATE,
    frame,
    rst_stream,
    settings,
    window_update,
)

OK, SERVED, PREFACE_SETTINGS, CLOSED = "ok", "served", "preface settings", "closed"
SYNC, ANSWERED, SETTLED = "sync", "answered", "settled"
HELLO = PREFACE + settings()
# Literals without indexing, so that a case needs no encoder: GET (static 2), http (6), / (4), :authority a.test.
BLOCK = b"\x82\x86\x84\x01\x06a.test"
POST_BLOCK = b"\x83\x86\x84\x01\x06a.test"
WHOLE = END_STREAM | END_HEADERS


def request(stream=1, block=BLOCK, flags=WHOLE):
    return frame(HEADERS, flags, stream, block)


def post(stream=1):
    """A request whose body is still to come."""
    return request(stream, POST_BLOCK, END_HEADERS)


def priority(stream, depends_on, exclusive=False):
    return frame(PRIORITY, 0, stream, struct.pack(">IB", depends_on | (exclusive << 31), 15))


@dataclass(frozen=True)
class Case:
    section: str
    name: str
    actions: tuple
    verdict: object
    hello: bool = True
    watched: int = 1  # the stream that the verdict is about


CASES = []


def case(section, name, verdict, *actions, hello=True, watched=1):
    CASES.append(Case(section, name, actions, verdict, hello, watched))


def connection(*codes):
    return frozenset(codes)


def stream(*codes):
    return ("stream", frozenset(codes))


def pong(payload):
    return ("pong", payload)


def data(*sizes):
    return ("data", sizes)


# ---- RFC 9113 §3.4: preface
case("3.4", "a first frame that is not SETTINGS", connection(PROTOCOL_ERROR), PREFACE + frame(PING, 0, 0, b"12345678"),
     hello=False)

case("3.4", "something else than the preface", connection(PROTOCOL_ERROR), b"INVALID CONNECTION PREFACE\r\n\r\n", hello=False)

# ---- §4.1, §4.2: frames
case("4.1", "an unknown frame type is ignored", OK, frame(0xF7, 0, 0, b"grease"))
case("4.1", "an unknown frame type on an idle stream is ignored", OK, frame(0xF7, 0, 99, b"grease"))
case("4.1", "undefined flags are ignored", OK, frame(PING, 0xF0, 0, b"12345678"))
case("4.1", "the reserved bit is ignored", OK, frame(PING, 0, 0x80000000, b"12345678"))
case("4.2", "DATA of 2^14 bytes", OK, post(), frame(DATA, END_STREAM, 1, bytes(16384)))
case("4.2", "DATA over the maximum", stream(FRAME_SIZE_ERROR), post(), frame(DATA, END_STREAM, 1, bytes(16385)))
case("4.2", "HEADERS over the maximum", connection(FRAME_SIZE_ERROR), frame(HEADERS, WHOLE, 1, BLOCK + bytes(16385)))
case("4.2", "SETTINGS over the maximum", connection(FRAME_SIZE_ERROR), frame(SETTINGS, 0, 0, bytes(16386)))
case("4.2", "an unknown frame over the maximum", connection(FRAME_SIZE_ERROR), frame(0xF7, 0, 0, bytes(16385)))

# ---- §4.3: header blocks
case("4.3", "an invalid block", connection(COMPRESSION_ERROR), request(block=b"\x40\x0f"))
case("4.3", "PRIORITY within a block", connection(PROTOCOL_ERROR), request(flags=END_STREAM), priority(1, 0))
case("4.3", "another stream's HEADERS within a block", connection(PROTOCOL_ERROR), request(flags=END_STREAM), request(3))
case("4.3", "an unknown frame within a block", connection(PROTOCOL_ERROR), request(flags=END_STREAM), frame(0xF7, 0, 0, b"x"))
case("4.3", "a literal without anything behind", connection(COMPRESSION_ERROR), request(block=b"\x40"))
case("4.3", "PRIORITY within a block, then its end", connection(PROTOCOL_ERROR), request(flags=0), priority(1, 0),
     frame(CONTINUATION, END_HEADERS, 1, b"\x00\x01x\x01y"))
case("4.3", "DATA within a block", connection(PROTOCOL_ERROR), request(flags=0), frame(DATA, END_STREAM, 1, b"x"))

# ---- §5.1: states
case("5.1", "idle: DATA", connection(PROTOCOL_ERROR, STREAM_CLOSED), frame(DATA, END_STREAM, 1, b"x"))
case("5.1", "idle: RST_STREAM", connection(PROTOCOL_ERROR), rst_stream(1))
case("5.1", "idle: WINDOW_UPDATE", connection(PROTOCOL_ERROR), window_update(1, 100))
case("5.1", "idle: CONTINUATION", connection(PROTOCOL_ERROR), frame(CONTINUATION, END_HEADERS, 1, BLOCK))
case("5.1", "idle: PRIORITY is allowed", OK, priority(1, 0))
case("5.1", "half closed: DATA", stream(STREAM_CLOSED, PROTOCOL_ERROR), request(), frame(DATA, END_STREAM, 1, b"x"))
case("5.1", "half closed: HEADERS", stream(STREAM_CLOSED, PROTOCOL_ERROR), request(), request())
case("5.1", "half closed: CONTINUATION", stream(STREAM_CLOSED, PROTOCOL_ERROR), request(),
     frame(CONTINUATION, END_HEADERS, 1, BLOCK))
case("5.1", "half closed: PRIORITY, WINDOW_UPDATE and RST_STREAM are allowed", OK, request(),
     priority(1, 0) + window_update(1, 100) + rst_stream(1))
case("5.1", "closed: DATA", connection(STREAM_CLOSED), request(), ANSWERED, frame(DATA, END_STREAM, 1, b"x"))
case("5.1", "closed: HEADERS", connection(STREAM_CLOSED, PROTOCOL_ERROR), request(), rst_stream(1), SYNC, request())
case("5.1", "closed: CONTINUATION", connection(STREAM_CLOSED, PROTOCOL_ERROR), request(), rst_stream(1), SYNC,
     frame(CONTINUATION, END_HEADERS, 1, BLOCK))
case("5.1", "closed by RST_STREAM: DATA", connection(STREAM_CLOSED), post(), rst_stream(1), SYNC,
     frame(DATA, END_STREAM, 1, b"x"))
case("5.1", "closed by RST_STREAM, in the same bytes: HEADERS", connection(STREAM_CLOSED), request() + rst_stream(1) + request())
case("5.1", "closed long ago: HEADERS are ignored", OK, request(), ANSWERED, request(1 + 2 * 64), SYNC, request())
case("5.1", "closed: PRIORITY and RST_STREAM are allowed", OK, request(), ANSWERED, priority(1, 0) + rst_stream(1))
case("5.1.1", "an even stream number", connection(PROTOCOL_ERROR), request(2))
case("5.1.1", "a stream number that falls", connection(PROTOCOL_ERROR, STREAM_CLOSED), request(5), SYNC, request(3))
case("5.1.1", "a stream number that falls, DATA", connection(PROTOCOL_ERROR, STREAM_CLOSED), request(5), SYNC,
     frame(DATA, END_STREAM, 3, b"x"))
case("5.1.1", "stream number 0", connection(PROTOCOL_ERROR), request(0))

case("5.1.1", "HEADERS again on a stream other than the first", connection(STREAM_CLOSED), request(5), request(5))
case("5.1.2", "more streams than allowed", stream(PROTOCOL_ERROR, REFUSED_STREAM), settings({INITIAL_WINDOW_SIZE: 0}),
     b"".join(request(number) for number in range(3, 3 + 2 * 128, 2)), SYNC, *[request(1 + 2 * 200)], watched=1 + 2 * 200)
case("5.4.1", "an error of the connection ends it", connection(PROTOCOL_ERROR), frame(PING, 0, 3, bytes(8)))

# ---- §5.3: priorities are ignored, their frames still have a size
case("5.3", "HEADERS with a priority", OK, frame(HEADERS, WHOLE | PRIORITIZED, 1, struct.pack(">IB", 0, 15) + BLOCK))
case("7540 5.3.1", "HEADERS that depend on their own stream", connection(PROTOCOL_ERROR),
     frame(HEADERS, WHOLE | PRIORITIZED, 1, struct.pack(">IB", 1, 15) + BLOCK))
case("7540 5.3.1", "PRIORITY that depends on its own stream", connection(PROTOCOL_ERROR), request(), priority(1, 1))
case("6.3", "PRIORITY on stream 0", connection(PROTOCOL_ERROR), priority(0, 1))
case("6.3", "PRIORITY of a wrong size", stream(FRAME_SIZE_ERROR), request(flags=WHOLE), frame(PRIORITY, 0, 1, bytes(4)))

# ---- §6.1: DATA
case("6.1", "DATA on stream 0", connection(PROTOCOL_ERROR), frame(DATA, END_STREAM, 0, b"x"))
case("6.1", "padding", OK, post(), frame(DATA, END_STREAM | PADDED, 1, b"\x03x\0\0\0"))
case("6.1", "padding as long as the payload", connection(PROTOCOL_ERROR), post(),
     frame(DATA, END_STREAM | PADDED, 1, b"\x05x\0\0\0"))
case("6.1", "padding without its length", connection(FRAME_SIZE_ERROR, PROTOCOL_ERROR), post(),
     frame(DATA, END_STREAM | PADDED, 1, b""))

case("6.1", "padding longer than the payload", connection(PROTOCOL_ERROR),
     request(block=POST_BLOCK + b"\x0f\x0d\x014", flags=END_HEADERS), frame(DATA, END_STREAM | PADDED, 1, b"\x06Test"))

# ---- §6.2: HEADERS
case("6.2", "padding", OK, frame(HEADERS, WHOLE | PADDED, 1, b"\x03" + BLOCK + bytes(3)))
case("6.2", "padding longer than the payload", connection(PROTOCOL_ERROR), frame(HEADERS, WHOLE | PADDED, 1, b"\xff" + BLOCK))
case("6.2", "padding and priority", OK,
     frame(HEADERS, WHOLE | PADDED | PRIORITIZED, 1, b"\x03" + struct.pack(">IB", 0, 15) + BLOCK + bytes(3)))
case("6.2", "a priority cut short", connection(FRAME_SIZE_ERROR, PROTOCOL_ERROR),
     frame(HEADERS, WHOLE | PRIORITIZED, 1, b"\0\0"))

# ---- §6.4: RST_STREAM
case("6.4", "RST_STREAM on stream 0", connection(PROTOCOL_ERROR), rst_stream(0))
case("6.4", "RST_STREAM of a wrong size", connection(FRAME_SIZE_ERROR), request(), frame(RST_STREAM, 0, 1, bytes(3)))

# ---- §6.5: SETTINGS
case("6.5", "an acknowledgement with a payload", connection(FRAME_SIZE_ERROR), frame(SETTINGS, ACK, 0, bytes(6)))
case("6.5", "SETTINGS on a stream", connection(PROTOCOL_ERROR), frame(SETTINGS, 0, 1))
case("6.5", "SETTINGS of a size that is no multiple of 6", connection(FRAME_SIZE_ERROR), frame(SETTINGS, 0, 0, bytes(5)))
case("6.5.2", "ENABLE_PUSH 2", connection(PROTOCOL_ERROR), settings({ENABLE_PUSH: 2}))
case("6.5.2", "INITIAL_WINDOW_SIZE over 2^31-1", connection(FLOW_CONTROL_ERROR), settings({INITIAL_WINDOW_SIZE: 2**31}))
case("6.5.2", "MAX_FRAME_SIZE below 2^14", connection(PROTOCOL_ERROR), settings({MAX_FRAME_SIZE: 16383}))
case("6.5.2", "MAX_FRAME_SIZE over 2^24-1", connection(PROTOCOL_ERROR), settings({MAX_FRAME_SIZE: 2**24}))
case("6.5.2", "MAX_FRAME_SIZE at its largest", OK, settings({MAX_FRAME_SIZE: 2**24 - 1}))
case("6.5.2", "an unknown setting", OK, settings({0xFF: 1}))
case("6.5.2", "HEADER_TABLE_SIZE 0, and many others", OK, settings({HEADER_TABLE_SIZE: 0}), settings({HEADER_TABLE_SIZE: 2**32 - 1}))
case("6.5.3", "the same setting twice", OK, frame(SETTINGS, 0, 0, struct.pack(">HIHI", INITIAL_WINDOW_SIZE, 1, INITIAL_WINDOW_SIZE, 65535)))

# ---- §6.6, §8.4: PUSH_PROMISE
case("8.4", "PUSH_PROMISE on an idle stream", connection(PROTOCOL_ERROR), frame(PUSH_PROMISE, END_HEADERS, 1, struct.pack(">I", 3) + BLOCK))
case("6.6", "PUSH_PROMISE of a client", connection(PROTOCOL_ERROR), request(),
     frame(PUSH_PROMISE, END_HEADERS, 1, struct.pack(">I", 2) + BLOCK))

# ---- §6.7: PING
case("6.7", "PING on a stream", connection(PROTOCOL_ERROR), frame(PING, 0, 1, bytes(8)))
case("6.7", "PING of a wrong size", connection(FRAME_SIZE_ERROR), frame(PING, 0, 0, bytes(6)))
case("6.7", "an acknowledgement that nobody asked for", OK, frame(PING, ACK, 0, b"unasked!"))

# ---- §6.8: GOAWAY
case("6.8", "GOAWAY on a stream", connection(PROTOCOL_ERROR), frame(GOAWAY, 0, 1, bytes(8)))
case("6.8", "GOAWAY of a wrong size", connection(FRAME_SIZE_ERROR), frame(GOAWAY, 0, 0, bytes(7)))
case("6.8", "a client that says goodbye", connection(NO_ERROR, None), frame(GOAWAY, 0, 0, bytes(8)))

# ---- §6.9: WINDOW_UPDATE
case("6.9", "an increment of 0 for the connection", connection(PROTOCOL_ERROR), window_update(0, 0))
case("6.9", "an increment of 0 for a stream", stream(PROTOCOL_ERROR), post(), window_update(1, 0))
case("6.9", "WINDOW_UPDATE of a wrong size", connection(FRAME_SIZE_ERROR), frame(WINDOW_UPDATE, 0, 0, bytes(3)))
case("6.9.1", "the connection's window over 2^31-1", connection(FLOW_CONTROL_ERROR), window_update(0, 2**31 - 1), window_update(0, 1))
case("6.9.1", "a stream's window over 2^31-1", stream(FLOW_CONTROL_ERROR), post(), window_update(1, 2**31 - 1), window_update(1, 1))
case("6.9.2", "INITIAL_WINDOW_SIZE that overflows a stream's window", stream(FLOW_CONTROL_ERROR), post(),
     window_update(1, 2**31 - 1 - 65535), settings({INITIAL_WINDOW_SIZE: 65536}))

# ---- §6.10: CONTINUATION
case("6.10", "a block in three parts", OK, frame(HEADERS, END_STREAM, 1, BLOCK[:2]), frame(CONTINUATION, 0, 1, BLOCK[2:5]),
     frame(CONTINUATION, END_HEADERS, 1, BLOCK[5:]))
case("6.10", "CONTINUATION after the end of a block", connection(PROTOCOL_ERROR, STREAM_CLOSED), post(),
     frame(CONTINUATION, END_HEADERS, 1, BLOCK))
case("6.10", "CONTINUATION on stream 0", connection(PROTOCOL_ERROR), request(flags=END_STREAM),
     frame(CONTINUATION, END_HEADERS, 0, BLOCK))
case("6.10", "CONTINUATION of another stream", connection(PROTOCOL_ERROR), request(flags=END_STREAM),
     frame(CONTINUATION, END_HEADERS, 3, BLOCK))
case("6.10", "CONTINUATION after the CONTINUATION that ended the block", connection(PROTOCOL_ERROR, STREAM_CLOSED),
     request(flags=END_STREAM), frame(CONTINUATION, END_HEADERS, 1, b"\x00\x01x\x01y"), frame(CONTINUATION, END_HEADERS, 1, b"\x00\x01x\x01y"))
case("6.10", "DATA after CONTINUATION", connection(PROTOCOL_ERROR), request(flags=0, block=POST_BLOCK),
     frame(CONTINUATION, 0, 1, b"\x00\x01x\x01y"), frame(DATA, END_STREAM, 1, b"test"))
case("6.10", "DATA within a block, then CONTINUATION", connection(PROTOCOL_ERROR), request(flags=0, block=POST_BLOCK),
     frame(DATA, END_STREAM, 1, b"test"), frame(CONTINUATION, END_HEADERS, 0, b"\x00\x01x\x01y"))
case("6.10", "CONTINUATION after DATA", connection(PROTOCOL_ERROR), post(), frame(DATA, 0, 1, b"x"),
     frame(CONTINUATION, END_HEADERS, 1, BLOCK))

# ---- §8.1: trailers
case("8.1", "a second HEADERS that does not end the stream", stream(PROTOCOL_ERROR), post(),
     request(block=b"\x00\x01x\x01y", flags=END_HEADERS))
case("8.1", "a pseudo-field in trailers", stream(PROTOCOL_ERROR), post(), frame(DATA, 0, 1, b"test"), request(block=b"\x83"))
case("8.1.1", "content-length 1 with 4 bytes", stream(PROTOCOL_ERROR), request(block=POST_BLOCK + b"\x0f\x0d\x011", flags=END_HEADERS),
     frame(DATA, END_STREAM, 1, b"test"))
case("8.1.1", "content-length 1 with 4 and 4 bytes", stream(PROTOCOL_ERROR), request(block=POST_BLOCK + b"\x0f\x0d\x011", flags=END_HEADERS),
     frame(DATA, 0, 1, b"test"), frame(DATA, END_STREAM, 1, b"test"))
AUTHORITY = b"\x01\x06a.test"
for name, block in {
    "a name with capitals": BLOCK + b"\x00\x06X-TEST\x02ok",
    "an unknown pseudo-field": BLOCK + b"\x00\x05:test\x02ok",
    "a response's pseudo-field": BLOCK + b"\x88",
    "a pseudo-field after a field": b"\x00\x06x-test\x02ok" + BLOCK,
    "connection": BLOCK + b"\x00\x0aconnection\x0akeep-alive",
    "te with more than trailers": BLOCK + b"\x00\x02te\x11trailers, deflate",
    "an empty :path": b"\x82\x86\x04\x00" + AUTHORITY,
    "no :method": b"\x86\x84" + AUTHORITY,
    "no :scheme": b"\x82\x84" + AUTHORITY,
    "no :path": b"\x82\x86" + AUTHORITY,
    "two :method": BLOCK + b"\x82",
    "two :scheme": BLOCK + b"\x86",
    "two :path": BLOCK + b"\x84",
}.items():
    case("8.2, 8.3", name, stream(PROTOCOL_ERROR), request(block=block))
case("8.1", "an error code nobody knows", OK, request(), rst_stream(1, 0xFFFF))

# ---- RFC 7541
case("7541 2.3.3", "an index beyond the tables", connection(COMPRESSION_ERROR), request(block=BLOCK + b"\xff\x40"))
case("7541 2.3.3", "index 126", connection(COMPRESSION_ERROR), request(block=BLOCK + b"\xfe"))
case("7541 4.2", "a table size at the end of a block", connection(COMPRESSION_ERROR), request(block=BLOCK + b"\x20"))
case("7541 5.2", "huffman padding longer than 7 bits", connection(COMPRESSION_ERROR),
     request(block=BLOCK + b"\x00\x85\xf2\xb2\x4a\x84\xff\x84\x49\x50\x9f\xff"))
case("7541 5.2", "huffman padding of zeros", connection(COMPRESSION_ERROR),
     request(block=BLOCK + b"\x00\x85\xf2\xb2\x4a\x84\xff\x83\x49\x50\x90"))
case("7541 5.2", "the EOS symbol", connection(COMPRESSION_ERROR),
     request(block=BLOCK + b"\x00\x85\xf2\xb2\x4a\x84\xff\x87\x49\x51\xff\xff\xff\xfa\x7f"))
case("7541 5.2", "the EOS symbol first", connection(COMPRESSION_ERROR),
     request(block=BLOCK + b"\x00\x85\xf2\xb2\x4a\x87\xff\xff\xff\xfd\x25\x42\x7f"))
case("7541 6.3", "a table size one over the limit", connection(COMPRESSION_ERROR), request(block=b"\x3f\xe2\x1f" + BLOCK))
case("7541 6.1", "index 0", connection(COMPRESSION_ERROR), request(block=BLOCK + b"\x80"))
case("7541 6.3", "a table size over the limit", connection(COMPRESSION_ERROR), request(block=b"\x3f\xe1\xff\x03" + BLOCK))
case("7541 6.3", "a table size within the limit", OK, request(block=b"\x3f\xe1\x1f" + BLOCK))
case("7541 6.2", "a literal that ends before its length", connection(COMPRESSION_ERROR), request(block=BLOCK + b"\x00\x05ab"))
case("7541 5.1", "an integer that overflows", connection(COMPRESSION_ERROR), request(block=BLOCK + b"\xff" + b"\xff" * 12))
