"""A client that works at the level of bytes."""

import contextlib
import socket

from support.wire import Incomplete, Response, Wire, WireError


def connect(address, timeout=10.0, receive_buffer=None, source=None):
    """A socket connected to ("host", port) or to a unix socket's path, perhaps from the address `source`."""
    family = (
        socket.AF_UNIX
        if isinstance(address, str)
        else (socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    )
    sock = socket.socket(family, socket.SOCK_STREAM)
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(timeout)
    if source:
        sock.bind((source, 0))
    try:
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    if family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


class Client(Wire):
    def __init__(self, address, timeout=10.0, receive_buffer=None, source=None):
        super().__init__(connect(address, timeout, receive_buffer, source), timeout)

    def send_request(
        self, method="GET", target="/", headers=(), body=None, version="1.1", host="example.test"
    ):
        """Sends a request; a bytes `body` goes with Content-Length, a list of bytes as chunks."""
        lines = [f"{method} {target} HTTP/{version}"]
        fields = list(headers.items()) if isinstance(headers, dict) else list(headers)
        if host is not None and not any(name.lower() == "host" for name, _ in fields):
            fields.insert(0, ("Host", host))
        if isinstance(body, bytes):
            fields.append(("Content-Length", str(len(body))))
        elif body is not None:
            fields.append(("Transfer-Encoding", "chunked"))
            body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in body) + b"0\r\n\r\n"
        lines += [f"{name}: {value}" for name, value in fields]
        self.send("\r\n".join(lines + ["", ""]).encode("latin-1") + (body or b""))

    def read_head(self):
        """The next response's head, final or interim, without its body."""
        version, _, rest = self.read_line().decode("latin-1").partition(" ")
        code, _, reason = rest.partition(" ")
        if not version.startswith("HTTP/1.") or len(code) != 3 or not code.isdecimal():
            raise WireError(f"bad status line {version} {rest}")
        return Response(version=version, status=int(code), reason=reason, headers=self.read_fields())

    def read_response(self, method="GET"):
        """The next final response. Raises Incomplete (with what there was) when it is cut short."""
        interim = []
        while True:
            response = self.read_head()
            if response.status >= 200 or response.status == 101:
                break
            interim.append(response)
        response.interim = interim
        if method == "HEAD" or response.status in (101, 204, 304):
            if response.status in (101, 204) and (
                response.all("content-length") or response.all("transfer-encoding")
            ):
                raise WireError(f"framing fields on {response.status} (RFC 9110 §8.6, RFC 9112 §6.1)")
            return response
        self.read_body(response, "close")
        return response

    def request(self, method="GET", target="/", headers=(), body=None, **more):
        self.send_request(method, target, headers, body, **more)
        return self.read_response(method)

    def at_end(self):
        """True when the server closes now without another byte."""
        data, _ = self.read_all()
        return data == b""


def fetch(address, method="GET", target="/", headers=(), body=None, **more):
    """One request on a connection of its own."""
    with contextlib.closing(Client(address)) as client:
        return client.request(method, target, headers, body, **more)


def outcome(client, method="GET"):
    """("complete", response) or ("aborted", partial response or None)."""
    try:
        return "complete", client.read_response(method)
    except Incomplete as end:
        return "aborted", end.partial
