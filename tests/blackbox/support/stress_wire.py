"""What the random clients and the random servers of the stress test share: a socket in an event loop, and bodies that
their receiver can foretell."""

import asyncio
import contextlib
import hashlib
import random
import socket
import struct

PATTERN = random.Random(7).randbytes(65521) * 8


def body_of(ident, size):
    """The body that belongs to this request: bytes of another's are noticed."""
    start = int(hashlib.md5(ident.encode()).hexdigest()[:6], 16) % 60000
    return PATTERN[start : start + size]


class Gone(Exception):
    """The peer ended, broke or stalled the connection."""


class Stress:
    """One connection; all decisions come from its own random generator."""

    def __init__(self, sock, rng):
        sock.setblocking(False)
        self.sock, self.rng, self.buffer = sock, rng, b""
        self.loop = asyncio.get_running_loop()

    async def fill(self, timeout=8):
        size = self.rng.choice([1, 100, 4096, 65536, 262144])
        try:
            data = await asyncio.wait_for(self.loop.sock_recv(self.sock, size), timeout)
        except (asyncio.TimeoutError, OSError) as error:
            raise Gone(repr(error)) from None
        if not data:
            raise Gone("end")
        self.buffer += data

    async def until(self, mark):
        while mark not in self.buffer:
            await self.fill()
        found, self.buffer = self.buffer.split(mark, 1)
        return found

    async def exactly(self, size):
        while len(self.buffer) < size:
            await self.fill()
        found, self.buffer = self.buffer[:size], self.buffer[size:]
        return found

    async def head(self):
        """The start line, and the fields with names in lower case."""
        lines = (await self.until(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            fields[name.strip().lower()] = value.strip()
        return lines[0], fields

    async def chunked_body(self):
        parts = []
        while size := int((await self.until(b"\r\n")).split(b";")[0], 16):
            parts.append(await self.exactly(size))
            if await self.exactly(2) != b"\r\n":
                raise ValueError("no CRLF after a chunk")
        while await self.until(b"\r\n"):
            pass
        return b"".join(parts)

    async def body(self, fields):
        """A body with Content-Length, in chunks, or none."""
        if "chunked" in fields.get("transfer-encoding", ""):
            return await self.chunked_body()
        return await self.exactly(int(fields.get("content-length", 0)))

    async def send(self, data, timeout=8):
        try:
            await asyncio.wait_for(self.loop.sock_sendall(self.sock, data), timeout)
        except (asyncio.TimeoutError, OSError) as error:
            raise Gone(repr(error)) from None

    async def send_split(self, data):
        """Whole, or in random pieces with random pauses."""
        if self.rng.random() < 0.5:
            return await self.send(data)
        cuts = sorted(self.rng.randrange(len(data) + 1) for _ in range(self.rng.randint(2, 10)))
        for begin, end in zip([0, *cuts], [*cuts, len(data)]):
            if end > begin:
                await self.send(data[begin:end])
            if self.rng.random() < 0.3:
                await asyncio.sleep(self.rng.random() * self.rng.choice([0.001, 0.02]))

    def half_close(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def end(self):
        """Closed, or reset, as it falls."""
        if self.rng.random() < 0.3:
            self.reset()
        else:
            self.sock.close()


def chunked(data, rng):
    """`data` in random chunks, some with extensions, perhaps with trailers."""
    out, at = [], 0
    while at < len(data):
        piece = data[at : at + rng.choice([10, 500, 5000, 40000])]
        at += len(piece)
        out.append(b"%x%s\r\n%s\r\n" % (len(piece), rng.choice([b"", b"", b";a=b"]), piece))
    return b"".join(out) + b"0\r\n" + rng.choice([b"", b"X-T: 1\r\n"]) + b"\r\n"


def mutate(data, rng, first=0):
    """A few bytes from `first` on changed, dropped, repeated or put in."""
    data = bytearray(data)
    for _ in range(rng.randint(1, 5)):
        at = rng.randrange(first, len(data)) if len(data) > first else first
        how = rng.randrange(4)
        if how == 0 and at < len(data):
            data[at] = rng.randrange(256)
        elif how == 1:
            del data[at : at + rng.randint(1, 20)]
        elif how == 2:
            data[at:at] = rng.choice([b"\r\n", b"\0", b":", b" ", b"\n", b"\r", b"chunked", b"Content-Length: 5\r\n"])
        else:
            data[at:at] = data[at : at + 50]
    return bytes(data)
