"""A strict reader of HTTP/1 messages over a socket, used on both sides of azulb.

It refuses everything that RFC 9112 forbids a sender to produce, so that every test also checks azulb's own output.
"""

import re
import socket
import struct
import threading
from dataclasses import dataclass, field

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


class WireError(AssertionError):
    """The peer sent something that HTTP/1.1 forbids."""


class Incomplete(Exception):
    """The connection ended before the message did; `reset` says whether by RST."""

    def __init__(self, message, partial=None, reset=False):
        super().__init__(message)
        self.partial = partial
        self.reset = reset


@dataclass
class Message:
    headers: list = field(default_factory=list)  # (name, value) as str, latin-1, in the order they came
    body: bytes = b""
    trailers: list = field(default_factory=list)
    framing: str = "none"  # none | length | chunked | close
    chunks: list = field(default_factory=list)

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name, default=None):
        values = self.all(name)
        if len(values) > 1:
            raise WireError(f"{name} occurs {len(values)} times: {values}")
        return values[0] if values else default

    def names(self):
        return [key for key, _ in self.headers]


@dataclass
class Response(Message):
    version: str = ""
    status: int = 0
    reason: str = ""
    interim: list = field(default_factory=list)  # the 1xx responses before this one


@dataclass
class Request(Message):
    method: str = ""
    target: str = ""
    version: str = ""


class Wire:
    """A connected socket with a buffer; everything that was ever read is in `received`."""

    def __init__(self, sock, timeout=10.0):
        self.sock = sock
        self.sock.settimeout(timeout)
        self.received = bytearray()
        self.buffer = bytearray()
        self.lock = threading.Lock()

    # ---- raw bytes
    def send(self, data):
        self.sock.sendall(data)

    def fill(self):
        try:
            data = self.sock.recv(65536)
        except ConnectionError as error:
            raise Incomplete(f"reset: {error}", reset=True) from error
        if not data:
            raise Incomplete("closed")
        with self.lock:
            self.received += data
        self.buffer += data

    def read_exact(self, count):
        while len(self.buffer) < count:
            self.fill()
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def read_some(self):
        """At least one byte."""
        if not self.buffer:
            self.fill()
        return self.read_exact(len(self.buffer))

    def read_until(self, mark):
        while mark not in self.buffer:
            self.fill()
        return self.read_exact(self.buffer.index(mark) + len(mark))

    def read_to_end(self):
        """All bytes up to a clean close; raises Incomplete on a reset."""
        try:
            while True:
                self.fill()
        except Incomplete as end:
            data = bytes(self.buffer)
            self.buffer.clear()
            if end.reset:
                raise Incomplete("reset", data, True) from end
            return data

    def read_all(self):
        """All bytes until the connection ends in any way, and whether that was a reset."""
        try:
            return self.read_to_end(), False
        except Incomplete as end:
            return end.partial, True

    def wait_closed(self):
        """Waits until the peer has closed or reset; bytes that come before are recorded."""
        self.read_all()

    # ---- messages
    def read_line(self):
        line = self.read_until(b"\n")
        if not line.endswith(b"\r\n"):
            raise WireError(f"bare LF after {line[-40:]!r}")
        line = line[:-2]
        if b"\r" in line or b"\0" in line:
            raise WireError(f"control byte in {line!r}")
        return line

    def read_fields(self):
        fields = []
        while line := self.read_line():
            name, colon, value = line.partition(b":")
            if not colon or not TOKEN.fullmatch(name):
                raise WireError(f"bad field line {line!r}")
            fields.append((name.decode("latin-1"), value.strip(b" \t").decode("latin-1")))
        return fields

    def read_chunked(self, message):
        body = bytearray()
        try:
            while True:
                line = self.read_line()
                size = line.split(b";")[0]
                if not re.fullmatch(rb"[0-9A-Fa-f]+", size):
                    raise WireError(f"bad chunk size {line!r}")
                if int(size, 16) == 0:
                    break
                chunk = self.read_exact(int(size, 16))
                body += chunk
                message.chunks.append(chunk)
                if self.read_exact(2) != b"\r\n":
                    raise WireError("no CRLF after chunk data")
            message.trailers = self.read_fields()
        except Incomplete as end:
            message.body = bytes(body)
            raise Incomplete(f"chunked body, {end}", message, end.reset) from end
        message.body = bytes(body)

    def read_length(self, message, length):
        try:
            message.body = self.read_exact(length)
        except Incomplete as end:
            message.body = bytes(self.buffer)
            self.buffer.clear()
            raise Incomplete(f"body of {length}, {end}", message, end.reset) from end

    def read_body(self, message, default):
        length, coding = message.header("content-length"), message.header("transfer-encoding")
        if coding is not None and length is not None:
            raise WireError("both Content-Length and Transfer-Encoding")
        if coding is not None:
            if coding != "chunked":
                raise WireError(f"Transfer-Encoding {coding!r}")
            message.framing = "chunked"
            self.read_chunked(message)
        elif length is not None:
            if not length.isdecimal():
                raise WireError(f"Content-Length {length!r}")
            message.framing = "length"
            self.read_length(message, int(length))
        elif default == "close":
            message.framing = "close"
            try:
                message.body = self.read_to_end()
            except Incomplete as end:
                message.body = end.partial
                raise Incomplete("until-close body, reset", message, True) from end

    def close(self):
        self.sock.close()

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        """Closes with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
