"""An HTTP/2 client at the level of frames: it sends what it is told to, right or wrong, and reads what comes.

What azulb sends is checked on the way: frame sizes, window limits, names in lower case, no connection-specific field.
"""

import struct
from dataclasses import dataclass, field

from hpack import Decoder, Encoder

from support.client import connect
from support.wire import Incomplete, Wire, WireError

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITIZED = 0x1, 0x1, 0x4, 0x8, 0x20

NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED = range(6)
FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM = range(6, 12)

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = range(1, 6)
MAX_HEADER_LIST_SIZE, ENABLE_CONNECT_PROTOCOL = 6, 8

FORBIDDEN = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "te"}


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(values=()):
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", key, value) for key, value in dict(values).items()))


def window_update(stream, increment):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def rst_stream(stream, code=CANCEL):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def get(path="/", *more, method="GET", authority="a.test"):
    return [(":method", method), (":scheme", "http"), (":authority", authority), (":path", path), *more]


@dataclass
class Frame:
    kind: int
    flags: int
    stream: int
    payload: bytes
    headers: list = None  # of HEADERS, decoded


@dataclass
class Stream:
    """What has come on a stream."""

    heads: list = field(default_factory=list)  # all header blocks, the interim ones and the trailers too
    body: bytearray = field(default_factory=bytearray)
    ended: bool = False
    reset: int = None  # the code of an RST_STREAM

    @property
    def headers(self):
        """The final head."""
        return next((head for head in self.heads if dict(head).get(":status", "1")[0] != "1"), None)

    @property
    def status(self):
        return int(dict(self.headers)[":status"]) if self.headers else None

    @property
    def interim(self):
        return [head for head in self.heads if dict(head).get(":status", "2")[0] == "1"]

    @property
    def trailers(self):
        return next((head for head in self.heads if ":status" not in dict(head)), [])

    def header(self, name):
        return dict(self.headers).get(name)


class Http2Client(Wire):
    """Give it windows by `initial_window`; with `auto_window` it returns what it has read."""

    def __init__(self, address, timeout=10.0, initial_window=None, auto_window=True, hello=True, receive_buffer=None,
                 sock=None):
        super().__init__(sock or connect(address, timeout, receive_buffer), timeout)
        self.encoder, self.decoder = Encoder(), Decoder()
        self.decoder.max_allowed_table_size = 4096
        self.frames, self.streams, self.block = [], {}, None
        self.goaway = None  # (last stream, code)
        self.server_settings = {}
        self.auto_window = auto_window
        self.keep_frames = True
        self.answer_settings = True
        self.pings = []
        self.next_stream = 1
        if hello:
            self.send(PREFACE + settings({INITIAL_WINDOW_SIZE: initial_window} if initial_window is not None else {}))

    # ---- sending
    def headers(self, stream, fields, flags=END_STREAM | END_HEADERS, prefix=b"", suffix=b""):
        """The bytes of a HEADERS frame."""
        return frame(HEADERS, flags, stream, prefix + self.encoder.encode(fields, huffman=False) + suffix)

    def open(self, fields, body=None):
        """Sends a request whole (or, with body=..., its head only) and returns its stream's number."""
        stream, self.next_stream = self.next_stream, self.next_stream + 2
        data = self.headers(stream, fields, END_HEADERS | (END_STREAM if body is None else 0))
        if isinstance(body, bytes):
            data += frame(DATA, END_STREAM, stream, body)
        self.send(data)
        return stream

    # ---- reading
    def read_frame(self):
        size_high, size, kind, flags, stream = struct.unpack(">BHBBI", self.read_exact(9))
        size += size_high << 16
        if size > 16384:
            raise WireError(f"a frame of {size} bytes")
        read = Frame(kind, flags, stream, self.read_exact(size))
        if self.keep_frames:
            self.frames.append(read)
        self._note(read)
        return read

    def stream(self, number):
        return self.streams.setdefault(number, Stream())

    def _note(self, read):
        if self.block is not None and (read.kind != CONTINUATION or read.stream != self.block[0]):
            raise WireError("a header block is interrupted (RFC 9113 §4.3)")
        if read.kind == DATA:
            self._data(read)
        elif read.kind == HEADERS:
            self.block = (read.stream, read.flags & END_STREAM, bytearray(read.payload))
        elif read.kind == CONTINUATION:
            self.block[2].extend(read.payload)
        elif read.kind == RST_STREAM:
            self.stream(read.stream).reset = struct.unpack(">I", read.payload)[0]
        elif read.kind == SETTINGS and not read.flags & ACK:
            self.server_settings.update(struct.iter_unpack(">HI", read.payload))
            if self.answer_settings:
                self.send(frame(SETTINGS, ACK))
        elif read.kind == PING:
            self.pings.append((bool(read.flags & ACK), read.payload))
        elif read.kind == GOAWAY:
            self.goaway = struct.unpack(">II", read.payload[:8])
        if read.kind in (HEADERS, CONTINUATION) and read.flags & END_HEADERS:
            self._block_complete(read)

    def _data(self, read):
        stream = self.stream(read.stream)
        if stream.ended or stream.headers is None:
            raise WireError("DATA out of place")
        stream.body += read.payload
        stream.ended = bool(read.flags & END_STREAM)
        if self.auto_window and read.payload:
            self.send(window_update(0, len(read.payload)))
            if not stream.ended:
                self.send(window_update(read.stream, len(read.payload)))

    def _block_complete(self, read):
        number, ended, block = self.block
        self.block = None
        fields = [
            (name if isinstance(name, str) else name.decode("latin-1"), value if isinstance(value, str) else value.decode("latin-1"))
            for name, value in self.decoder.decode(bytes(block), raw=True)
        ]
        for name, value in fields:
            if name != name.lower() or name in FORBIDDEN or value != value.strip(" \t"):
                raise WireError(f"field {name}: {value!r} (RFC 9113 §8.2)")
        read.headers = fields
        stream = self.stream(number)
        if stream.ended:
            raise WireError("HEADERS after the end")
        stream.heads.append(fields)
        stream.ended = bool(ended)

    # ---- waiting
    def until(self, predicate):
        """Reads frames until `predicate()` is true and returns its value; Incomplete if the connection ends before."""
        while not (value := predicate()):
            self.read_frame()
        return value

    def response(self, number):
        """The stream when it has ended or been reset."""
        self.until(lambda: self.stream(number).ended or self.stream(number).reset is not None)
        return self.stream(number)

    def request(self, fields, body=None):
        return self.response(self.open(fields, body))

    def ping(self, payload=b"12345678"):
        """A round trip: everything sent before has been handled."""
        self.send(frame(PING, 0, 0, payload))
        self.until(lambda: (True, payload) in self.pings)
        self.pings.remove((True, payload))

    def read_to_close(self):
        """All frames until the connection ends in any way; returns the GOAWAY's code, or None if there was none."""
        try:
            while True:
                self.read_frame()
        except (Incomplete, ConnectionError):
            return self.goaway[1] if self.goaway else None
