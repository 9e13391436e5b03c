"""Servers of the stress test: good ones keep to HTTP/1.1 (and like to close kept connections), bad ones do anything."""

import asyncio
import collections
import contextlib
import random
import socket

from support.stress_wire import Gone, Stress, body_of, chunked, mutate
from support.websocket import accept


class StressServers:
    def __init__(self, rng):
        self.rng, self.posts, self.errors, self.tasks = rng, collections.Counter(), [], set()

    def listen(self, good):
        """A new server; returns its "host:port". Inside the event loop."""
        sock = socket.create_server(("127.0.0.1", 0), backlog=512)
        sock.setblocking(False)
        self._spawn(self._accept(sock, good))
        return "127.0.0.1:%d" % sock.getsockname()[1]

    def _spawn(self, work):
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def close(self):
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _accept(self, listening, good):
        with listening:
            while True:
                sock, _ = await asyncio.get_running_loop().sock_accept(listening)
                if self.rng.random() < 0.15:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                self._spawn(self._serve(sock, good))

    async def _serve(self, sock, good):
        rng = random.Random(self.rng.random())
        peer = Stress(sock, rng)
        with contextlib.suppress(Gone, ValueError):
            try:
                while await self._answer(peer, good):
                    pass
            except Exception as error:
                if not isinstance(error, (Gone, ValueError)):
                    self.errors.append(repr(error))
                raise
            finally:
                sock.close() if good else peer.end()

    async def _answer(self, peer, good):
        """Answers one request. False ends the connection."""
        line, fields = await peer.head()
        ident = fields.get("x-id", "")
        if line.startswith("POST "):
            self.posts[ident] += 1
        if fields.get("upgrade"):
            return await self._upgrade(peer, fields, good)
        size = int(fields.get("x-size", 10))
        body = b"" if line.startswith("HEAD ") else body_of(ident, size)
        start = b"HTTP/1.1 200 OK\r\nX-Id: %s\r\n" % ident.encode()
        if good:
            return await self._answer_well(peer, ident, fields, start, size, body)
        return await self._answer_badly(peer, fields, start, size, body)

    async def _answer_well(self, peer, ident, fields, start, size, body):
        rng = peer.rng
        if "expect" in fields:
            await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        got = await peer.body(fields)
        if ident.startswith("i") and got != body_of(ident + "up", int(fields.get("x-body", 0))):
            self.errors.append(f"the request body of {ident} is wrong")
        if rng.random() < 0.1:
            await peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
        kind, close = rng.random(), rng.random() < 0.1
        if kind < 0.3:
            data = start + b"Transfer-Encoding: chunked\r\n\r\n" + (chunked(body, rng) if body or not size else b"")
        elif kind < 0.4:
            data, close = start + b"Connection: close\r\n\r\n" + body, True
        else:
            data = start + b"Content-Length: %d\r\n\r\n" % size + body
        await peer.send_split(data)
        if close and rng.random() < 0.5:
            await asyncio.sleep(rng.random() * 0.05)  # perhaps just as the next request arrives
        return not close

    async def _answer_badly(self, peer, fields, start, size, body):
        rng = peer.rng
        if rng.random() < 0.7:
            if "expect" in fields:
                await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            await peer.body(fields)
        whole = start + b"Content-Length: %d\r\n\r\n" % size + body
        in_chunks = start + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body[:3000], rng)
        answers = [
            whole,
            in_chunks,
            start + b"\r\n" + body,
            b"HTTP/1.1 103 x\r\nA: b\r\n\r\n" * rng.choice([1, 2000]) + whole,
            whole[: rng.randrange(len(start))],
            whole[: rng.randrange(len(whole))],
            rng.randbytes(rng.randrange(1, 300)),
            b"HTTP/1.1 %d x\r\nContent-Length: 3\r\n\r\nbad" % rng.choice([500, 502, 503, 504, 404]),
            whole + b"extra bytes",
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            b"HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\nstray",
            b"HTTP/1.1 200 OK\r\n" + b"".join(b"H%d: xxxxxxxxxxxx\r\n" % n for n in range(rng.choice([90, 3000]))),
            mutate(whole[: len(start) + 60], rng),
            mutate(in_chunks, rng, first=len(start)),
            b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % size + body,
            b"",
        ]
        await peer.send_split(rng.choice(answers))
        end = rng.random()
        if end < 0.2:
            peer.half_close()
        if end < 0.3:
            await asyncio.sleep(rng.random() * rng.choice([0.1, 1.5]))
        return end > 0.4

    async def _upgrade(self, peer, fields, good):
        rng = peer.rng
        answer = (
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Accept: {accept(fields.get('sec-websocket-key', ''))}\r\n\r\n"
        ).encode()
        if not good:
            how = rng.randrange(6)
            if how == 0:
                answer = answer.replace(b"Accept: ", b"Accept: x")
            elif how == 1:
                answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
            elif how == 2:
                answer += rng.randbytes(rng.choice([10, 5000, 200_000]))
            elif how == 3:
                return False
        await peer.send_split(answer)
        while True:
            data, peer.buffer = peer.buffer, b""
            await peer.send(data)
            if not good and rng.random() < 0.1:
                return False
            try:
                await peer.fill()
            except Gone:
                return False
