"""Clients of the stress test. What they ask good servers for must come, whole and unmixed, whatever all others do."""

import asyncio
import collections
import contextlib
import random
import socket

from support.stress_wire import Gone, Stress, body_of, chunked, mutate
from support.websocket import HANDSHAKE


class Asked:
    """A request: its bytes, and what its answer must be."""

    def __init__(self, rng, ident, good, version=b"1.1"):
        self.ident, self.good = ident, good
        self.method = rng.choice([b"GET"] * 5 + [b"POST"] * 3 + [b"PUT", b"HEAD"])
        self.size = rng.choice([0, 10, 500, 500, 5000, 70_000, 300_000])
        takes_body = self.method in (b"POST", b"PUT")
        upload = rng.choice([0, 1, 100, 100, 3000, 63_000, 200_000]) if takes_body else 0
        body = body_of(ident + "up", upload)
        self.head = b"%s /%s HTTP/%s\r\nHost: h\r\nX-Id: %s\r\nX-Size: %d\r\nX-Body: %d\r\n" % (
            (self.method, b"good" if good else b"bad", version, ident.encode(), self.size, upload)
        )
        if upload and version == b"1.1" and rng.random() < 0.15:
            self.head += b"Expect: 100-continue\r\n"
        if upload and version == b"1.1" and rng.random() < 0.4:
            self.head += b"Transfer-Encoding: chunked\r\n"
            body = chunked(body, rng)
        elif takes_body:
            self.head += b"Content-Length: %d\r\n" % upload
        self.bytes = self.head + b"\r\n" + body


class StressClients:
    KINDS = {"ask": 8, "leave": 5, "half_close": 2, "pipeline": 3, "garble": 4, "dribble": 1, "tunnel": 3}

    def __init__(self, rng, address):
        self.rng, self.address, self.serial = rng, address, 0
        self.failures, self.counts = [], collections.Counter()

    async def run(self, seconds):
        """Random clients, one after the other."""
        rng = random.Random(self.rng.random())
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while loop.time() < deadline:
            kind = rng.choices(list(self.KINDS), list(self.KINDS.values()))[0]
            good = rng.random() < 0.5
            self.counts[kind] += 1
            peer = await self._connect(rng)
            try:
                await getattr(self, kind)(peer, rng, good)
            except (Gone, ValueError) as error:
                if good and kind in ("ask", "pipeline", "tunnel"):
                    self.failures.append(f"{kind}: {error!r}")
            finally:
                peer.end()

    async def _connect(self, rng):
        sock = socket.socket()
        sock.setblocking(False)
        if rng.random() < 0.15:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await asyncio.wait_for(asyncio.get_running_loop().sock_connect(sock, self.address), 10)
        return Stress(sock, rng)

    def _ident(self):
        self.serial += 1
        return f"i{self.serial}"

    async def _response(self, peer, asked):
        """True if the connection can be used further."""
        status = 100
        while status < 200:
            line, fields = await peer.head()
            status = int(line.split(" ")[1])
        body = b""
        if asked.method != b"HEAD" and status not in (204, 304):
            body = await peer.body(fields)
        self.counts[status] += 1
        if asked.good and (status != 200 or fields.get("x-id") != asked.ident):
            self.failures.append(f"{asked.head!r} got {line} {fields}")
        elif asked.good and asked.method != b"HEAD" and body != body_of(asked.ident, asked.size):
            self.failures.append(f"{asked.head!r} got a wrong body of {len(body)} bytes")
        return fields.get("connection") != "close"

    async def ask(self, peer, rng, good):
        for _ in range(rng.choice([1, 3, 12])):
            version = b"1.0" if rng.random() < 0.1 else b"1.1"
            asked = Asked(rng, self._ident(), good, version)
            await peer.send_split(asked.bytes)
            if not await self._to_the_end(peer, asked, version) or version == b"1.0":
                return

    async def _to_the_end(self, peer, asked, version):
        if version == b"1.1":
            return await self._response(peer, asked)
        # A body that ends with the connection is known to be whole by its size.
        line, fields = await peer.head()
        while line.split(" ")[1].startswith("1"):
            line, fields = await peer.head()
        if asked.good and asked.method != b"HEAD":
            if await peer.exactly(asked.size) != body_of(asked.ident, asked.size):
                self.failures.append(f"{asked.head!r} got a wrong body")
        return False

    async def pipeline(self, peer, rng, good):
        all_asked = [Asked(rng, self._ident(), good) for _ in range(rng.choice([2, 5, 30]))]
        data = b"".join(asked.bytes for asked in all_asked)
        sending = asyncio.ensure_future(peer.send_split(data))
        try:
            await asyncio.sleep(rng.choice([0, 0, rng.random()]))
            for asked in all_asked:
                if not await self._response(peer, asked):
                    return
        finally:
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, Gone):
                await sending

    async def leave(self, peer, rng, good):
        """Goes away at any moment."""
        for _ in range(rng.choice([1, 1, 4])):
            data = Asked(rng, self._ident(), good).bytes
            cut = rng.randrange(len(data)) if rng.random() < 0.6 else len(data)
            await peer.send(data[:cut])
            if rng.random() < 0.5:
                await asyncio.sleep(rng.random() * rng.choice([0.002, 0.1]))
            if rng.random() < 0.5:
                await peer.fill(0.2)
            if rng.random() < 0.3:
                peer.half_close()
            if cut < len(data):
                return  # what followed would be taken for the rest

    async def half_close(self, peer, rng, good):
        """Ends its side after the request, and still reads what comes soon."""
        asked = Asked(rng, self._ident(), False)
        await peer.send_split(asked.bytes)
        peer.half_close()
        await self._response(peer, asked)

    async def garble(self, peer, rng, good):
        asked = Asked(rng, "garbled", good)
        asked.good = False
        await peer.send_split(mutate(asked.bytes[:4000], rng))
        for _ in range(3):
            await peer.fill(0.3)

    async def dribble(self, peer, rng, good):
        for byte in Asked(rng, self._ident(), good).bytes[: rng.randrange(60, 200)]:
            await peer.send(bytes([byte]))
            await asyncio.sleep(0.003)

    async def tunnel(self, peer, rng, good):
        fields = "".join(f"{name}: {value}\r\n" for name, value in HANDSHAKE.items())
        early = rng.randbytes(rng.choice([0, 0, 50]))
        head = f"GET /{'good' if good else 'bad'} HTTP/1.1\r\nHost: h\r\n{fields}\r\n".encode()
        await peer.send_split(head + early)
        line, _ = await peer.head()
        if " 101 " not in line:
            if good:
                self.failures.append(f"an upgrade got {line}")
            return
        expected = early
        for _ in range(rng.choice([0, 1, 5])):
            data = rng.randbytes(rng.choice([1, 40, 40, 2000, 300_000]))
            expected += data
            sending = asyncio.ensure_future(peer.send_split(data))
            try:
                back = await peer.exactly(len(expected))
                await sending
            finally:
                sending.cancel()
                with contextlib.suppress(asyncio.CancelledError, Gone):
                    await sending
            if good and back != expected:
                self.failures.append("a tunnel gave back other bytes")
            expected = b""
            await asyncio.sleep(rng.choice([0, 0, rng.random()]))
