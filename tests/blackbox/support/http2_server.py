"""An HTTP/2 server at the level of frames, over a scripted peer: it answers as it is told to, right or wrong.

What azulb sends is checked on the way: the preface, frame sizes, names in lower case, no connection-specific field,
no stream beyond what was allowed.
"""

import struct
from dataclasses import dataclass, field

from hpack import Decoder, Encoder

from support.http2 import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FORBIDDEN,
    GOAWAY,
    HEADERS,
    MAX_CONCURRENT_STREAMS,
    NO_ERROR,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Frame,
    frame,
    rst_stream,
    settings,
    window_update,
)
from support.wire import WireError


@dataclass
class Asked:
    """What has come of a request."""

    number: int
    fields: list = field(default_factory=list)
    trailers: list = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    ended: bool = False
    reset: int = None

    def header(self, name):
        return dict(self.fields).get(name)

    @property
    def path(self):
        return self.header(":path")


class Http2Server:
    """One connection, `peer` of a ScriptedServer. With `auto_window` it returns what it has read."""

    def __init__(self, peer, values=(), hello=True, auto_window=True):
        self.peer = peer
        self.encoder, self.decoder = Encoder(), Decoder()
        self.streams, self.order, self.block = {}, [], None
        self.auto_window, self.auto_ping, self.auto_settings = auto_window, True, True
        self.limit = dict(values).get(MAX_CONCURRENT_STREAMS, 1 << 31)
        self.pings, self.window_updates, self.client_settings, self.goaway = [], [], {}, None
        peer.http2 = self
        if peer.read_exact(len(PREFACE)) != PREFACE:
            raise WireError("no preface")
        if hello:
            peer.send(settings(values))

    # ---- sending
    def head(self, stream, status=200, fields=(), end=False):
        self.raw_head(stream, [(":status", str(status)), *fields], end)

    def raw_head(self, stream, fields, end=False):
        block = self.encoder.encode(fields, huffman=False)
        self.peer.send(frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block))

    def data(self, stream, body, end=False):
        for at in range(0, len(body) or 1, 16384):
            last = at + 16384 >= len(body)
            self.peer.send(frame(DATA, END_STREAM if end and last else 0, stream, body[at : at + 16384]))

    def respond(self, stream, status=200, body=b"ok", fields=()):
        self.head(stream, status, [("content-length", str(len(body))), *fields])
        self.data(stream, body, end=True)

    def reset(self, stream, code):
        self.peer.send(rst_stream(stream, code))

    def goodbye(self, last, code=NO_ERROR):
        self.peer.send(frame(GOAWAY, 0, 0, struct.pack(">II", last, code)))

    # ---- reading
    def read_frame(self):
        size_high, size, kind, flags, stream = struct.unpack(">BHBBI", self.peer.read_exact(9))
        size += size_high << 16
        if size > 16384:
            raise WireError(f"a frame of {size} bytes")
        read = Frame(kind, flags, stream, self.peer.read_exact(size))
        self._note(read)
        return read

    def _note(self, read):
        if read.kind == HEADERS:
            self.block = (read.stream, read.flags & END_STREAM, bytearray(read.payload))
        elif read.kind == CONTINUATION:
            self.block[2].extend(read.payload)
        elif read.kind == DATA:
            self._data(read)
        elif read.kind == RST_STREAM:
            self.streams[read.stream].reset = struct.unpack(">I", read.payload)[0]
        elif read.kind == SETTINGS and not read.flags & ACK:
            self.client_settings.update(struct.iter_unpack(">HI", read.payload))
            if self.auto_settings:
                self.peer.send(frame(SETTINGS, ACK))
        elif read.kind == PING:
            self.pings.append((bool(read.flags & ACK), read.payload))
            if self.auto_ping and not read.flags & ACK:
                self.peer.send(frame(PING, ACK, 0, read.payload))
        elif read.kind == WINDOW_UPDATE:
            self.window_updates.append((read.stream, struct.unpack(">I", read.payload)[0]))
        elif read.kind == GOAWAY:
            self.goaway = struct.unpack(">II", read.payload[:8])
        if read.kind in (HEADERS, CONTINUATION) and read.flags & END_HEADERS:
            self._block_complete()

    def _data(self, read):
        asked = self.streams[read.stream]
        if asked.ended:
            raise WireError("DATA after the end")
        asked.body += read.payload
        asked.ended = bool(read.flags & END_STREAM)
        if self.auto_window and read.payload:
            self.peer.send(window_update(0, len(read.payload)))
            if not asked.ended:
                self.peer.send(window_update(read.stream, len(read.payload)))

    def _block_complete(self):
        number, ended, block = self.block
        self.block = None
        fields = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in self.decoder.decode(bytes(block), raw=True)
        ]
        for name, value in fields:
            if name != name.lower() or name in FORBIDDEN - {"te"} or (name == "te" and value != "trailers"):
                raise WireError(f"field {name}: {value!r} (RFC 9113 §8.2)")
        asked = self.streams.get(number)
        if asked is None:
            asked = self.streams[number] = Asked(number, fields)
            self.order.append(asked)
            self.peer.server.note(asked)
            running = [one for one in self.order if one.reset is None and not getattr(one, "answered", False)]
            if len(running) > self.limit:
                raise WireError("more streams than were allowed")
        else:
            asked.trailers = fields
        asked.ended = asked.ended or bool(ended)

    # ---- waiting
    def until(self, predicate):
        while not (value := predicate()):
            self.read_frame()
        return value

    def next_head(self):
        """The next request as soon as its head has come."""
        self.taken = getattr(self, "taken", 0)
        self.until(lambda: len(self.order) > self.taken)
        self.taken += 1
        return self.order[self.taken - 1]

    def next_request(self):
        """The next request, whole."""
        asked = self.next_head()
        self.until(lambda: asked.ended or asked.reset is not None)
        self.peer.server.note(asked, complete=True)
        return asked

    def serve(self, answer=None):
        """Answers each request, in turn, until the connection ends."""
        while True:
            asked = self.next_request()
            if asked.reset is None:
                (answer or (lambda server, one: server.respond(one.number)))(self, asked)
            asked.answered = True


def http2(script, **options):
    """A scripted server's handler: `script` gets an Http2Server for each connection."""

    def handler(peer):
        script(Http2Server(peer, **options))

    return handler


def answering(answer=None, **options):
    """Answers every request with `answer(server, asked)`, or 200 "ok"."""
    return http2(lambda server: server.serve(answer), **options)
