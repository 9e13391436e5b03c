"""A server that does exactly what a test tells it to, wrong or right, and records every byte it reads.

A handler is a function that gets a Peer (one accepted connection) and runs in a thread of its own; when it returns,
the connection is closed. Handlers raise Incomplete when azulb closes, which is not an error of the test.
"""

import contextlib
import os
import socket
import threading

from support.waiting import wait_until
from support.wire import Incomplete, Request, Wire

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def response(status=200, body=b"", headers=(), reason="Whatever"):
    """The bytes of a response with a Content-Length."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in dict(headers).items())
    return (
        f"HTTP/1.1 {status} {reason}\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body
    )


class Peer(Wire):
    def __init__(self, server, sock, number):
        super().__init__(sock, timeout=30.0)
        self.server = server
        self.number = number  # 0 for the first connection
        self.requests = []
        self.finished = threading.Event()

    def read_request_head(self):
        method, target, version = self.read_line().decode("latin-1").split(" ")
        request = Request(method=method, target=target, version=version, headers=self.read_fields())
        self.requests.append(request)
        self.server.note(request)
        return request

    def read_request(self):
        request = self.read_request_head()
        self.read_body(request, "none")
        self.server.note(request, complete=True)
        return request


class ScriptedServer:
    def __init__(self, handler, unix=None, host="127.0.0.1", port=0, backlog=512):
        self.handler = handler
        if unix:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.bind(str(unix))
            self.name, self.address = f"unix:{unix}", str(unix)
        else:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self.sock = socket.socket(family, socket.SOCK_STREAM)
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.sock.bind((host, port))
            port = self.sock.getsockname()[1]
            self.name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            self.address = (host, port)
        self.sock.listen(backlog)
        self.peers, self.errors = [], []
        self.requests, self.completed = [], []  # those whose head, and those whose body too, was read
        self.lock = threading.Lock()
        self.closing = False
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def note(self, request, complete=False):
        with self.lock:
            (self.completed if complete else self.requests).append(request)

    def received(self):
        """All bytes of all connections, in the order of the connections."""
        with self.lock:
            return b"".join(bytes(peer.received) for peer in self.peers)

    def wait_requests(self, count, timeout=10.0):
        wait_until(lambda: len(self.requests) >= count, timeout, f"request {count} at the server")
        return self.requests

    def wait_peers(self, count, timeout=10.0):
        wait_until(lambda: len(self.peers) >= count, timeout, f"connection {count} at the server")
        return self.peers

    def _accept(self):
        while True:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            if self.closing:
                sock.close()
                return
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                peer = Peer(self, sock, len(self.peers))
                self.peers.append(peer)
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        try:
            self.handler(peer)
        except (Incomplete, ConnectionError, TimeoutError):
            pass
        except OSError as error:
            if not self.closing and peer.sock.fileno() != -1:
                self.errors.append(error)
        except BaseException as error:  # handed to the test by check()
            self.errors.append(error)
        finally:
            with contextlib.suppress(OSError):
                peer.close()
            peer.finished.set()

    def stop_listening(self):
        """New connections are refused from now on; established ones go on."""
        self.closing = True
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        self.thread.join(5)

    def check(self):
        """Raises what a handler raised, such as a failed assertion about the bytes it got."""
        if self.errors:
            raise self.errors[0]

    def close(self):
        self.stop_listening()
        with self.lock:
            peers = list(self.peers)
        for peer in peers:
            with contextlib.suppress(OSError):
                peer.sock.shutdown(socket.SHUT_RDWR)
        if isinstance(self.address, str):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.address)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


# ---- common handlers
def always(data):
    """Reads requests whole and answers each with `data`."""

    def handler(peer):
        while True:
            peer.read_request()
            peer.send(data)

    return handler


def echo(peer):
    """Answers each request with the head it got, as the body."""
    while True:
        request = peer.read_request()
        head = "\r\n".join([f"{request.method} {request.target}"] + [f"{n}: {v}" for n, v in request.headers])
        peer.send(response(200, head.encode("latin-1")))


def status_from_target(peer):
    """Answers GET /NNN with that status."""
    while True:
        peer.send(response(int(peer.read_request().target[1:])))


def per_connection(*handlers):
    """The nth connection runs the nth handler, later ones the last."""

    def handler(peer):
        handlers[min(peer.number, len(handlers) - 1)](peer)

    return handler


def per_request(*actions):
    """The nth request over all connections runs the nth action(peer, request), later ones the last."""
    count, lock = [0], threading.Lock()

    def handler(peer):
        while True:
            request = peer.read_request()
            with lock:
                action = actions[min(count[0], len(actions) - 1)]
                count[0] += 1
            if action(peer, request) is False:
                return

    return handler


def send(data):
    return lambda peer, request: peer.send(data)


def close(peer, request=None):
    return False


def reset(peer, request=None):
    peer.reset()
    return False


def hang(peer, request=None):
    """Says nothing until azulb goes away."""
    peer.wait_closed()
    return False


class SilentPort:
    """A TCP port whose connections are never completed: its backlog is full, so a connect times out."""

    def __init__(self):
        self.sock = socket.socket()
        self.sock.bind(("127.0.0.1", 0))
        self.sock.listen(0)
        self.address = self.sock.getsockname()
        self.name = f"127.0.0.1:{self.address[1]}"
        self.fillers = []
        for _ in range(8):
            filler = socket.socket()
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(self.address)
            self.fillers.append(filler)

    def accept(self):
        """Empties the backlog, then accepts the one connection that is not ours: its SYN is repeated after a second."""
        own = {filler.getsockname() for filler in self.fillers}
        self.sock.settimeout(10)
        while True:
            sock, address = self.sock.accept()
            if address not in own:
                return Wire(sock)
            sock.close()

    def close(self):
        for sock in self.fillers + [self.sock]:
            sock.close()
