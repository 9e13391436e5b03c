"""TLS clients and servers for the tests: Python's ssl module, and the `openssl` command."""

import contextlib
import pathlib
import re
import ssl
import subprocess

from support.client import Client, connect
from support.scripted_server import ScriptedServer
from support.wire import Incomplete

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def client_context(certificates=None, version=None, own=None, alpn=("http/1.1",), ciphers=None):
    """Verifies only if it is given `certificates`; `version` is the only one it speaks, `own` a Leaf to show."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificates:
        context.load_verify_locations(certificates.authority.bundle)
        context.check_hostname = True
        context.verify_mode = ssl.CERT_REQUIRED
    if version:
        context.minimum_version = context.maximum_version = version
    if own:
        context.load_cert_chain(own.cert, own.key)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if ciphers:
        context.set_ciphers(ciphers)
    return context


class TlsClient(Client):
    """A Client over TLS."""

    def __init__(self, address, context=None, name="both.test", timeout=10.0, session=None, receive_buffer=None, source=None):
        sock = connect(address, timeout, receive_buffer, source)
        try:
            wrapped = (context or client_context()).wrap_socket(
                sock, server_hostname=name, session=session, suppress_ragged_eofs=False
            )
        except BaseException:
            sock.close()
            raise
        super(Client, self).__init__(wrapped, timeout)

    def fill(self):
        try:
            super().fill()
        except ssl.SSLZeroReturnError as error:
            raise Incomplete("closed") from error
        except ssl.SSLEOFError as error:
            raise Incomplete("ended without close_notify", reset=True) from error


def tls_fetch(address, method="GET", target="/", headers=(), body=None, context=None, name="both.test", **more):
    """One request on a connection of its own."""
    with contextlib.closing(TlsClient(address, context, name)) as client:
        return client.request(method, target, headers, body, **more)


def handshake_error(address, context=None, name="both.test"):
    """The error of a handshake that must fail. (In TLS 1.3 a refused client learns it with its first read.)"""
    try:
        with contextlib.closing(TlsClient(address, context, name)) as client:
            client.send_request()
            client.read_response()
    except (ssl.SSLError, OSError, Incomplete) as error:
        return f"{error!r} {error.__cause__!r}"
    raise AssertionError("the handshake passed")


class SClient:
    """What `openssl s_client` said. `request` is sent after the handshake; `failed` if there was none."""

    def __init__(self, address, *options, name="both.test", request=b""):
        command = ["openssl", "s_client", "-connect", f"{address[0]}:{address[1]}", *options]
        if name:
            command += ["-servername", name]
        result = subprocess.run(command, input=request, capture_output=True, timeout=30)
        self.output = result.stdout.decode(errors="replace")
        self.errors = result.stderr.decode(errors="replace")
        cipher = re.search(r"Cipher is (\S+)", self.output)
        self.cipher = cipher.group(1) if cipher else "(NONE)"
        self.failed = self.cipher == "(NONE)"
        self.resumed = "\nReused, " in self.output
        self.certificates = self.output.count("-----BEGIN CERTIFICATE-----")


def server_context(leaf, client_ca=None, version=None, alpn=("http/1.1",)):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf.cert, leaf.key)
    if client_ca:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    if version:
        context.minimum_version = context.maximum_version = version
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


class TlsScriptedServer(ScriptedServer):
    """A scripted server over TLS: the handler runs after the handshake. `names` are those asked for (SNI)."""

    def __init__(self, handler, context, **more):
        self.context, self.names, self.resumed = context, [], []
        context.sni_callback = lambda sock, name, _: self.names.append(name)
        super().__init__(self._over_tls(handler), **more)

    def _over_tls(self, handler):
        def serve(peer):
            peer.sock.settimeout(30.0)
            try:
                peer.sock = self.context.wrap_socket(peer.sock, server_side=True, suppress_ragged_eofs=False)
            except (ssl.SSLError, OSError):
                return
            self.resumed.append(peer.sock.session_reused)
            try:
                handler(peer)
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return

        return serve


def write_bundle(path, *parts):
    pathlib.Path(path).write_text("".join(pathlib.Path(part).read_text() for part in parts))
    return str(path)


class WireClient:
    """A TLS client whose records and bytes are in the test's hands: what it received is `wire`."""

    def __init__(self, address, context=None, name="both.test", receive_buffer=None):
        self.sock = connect(address, receive_buffer=receive_buffer)
        self.wire = bytearray()
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = (context or client_context()).wrap_bio(self.incoming, self.outgoing, server_hostname=name)

    def _pull(self):
        data = self.sock.recv(65536)
        if not data:
            raise Incomplete("closed")
        self.wire += data
        self.incoming.write(data)

    def flight(self):
        """The bytes of the next flight of the handshake; empty when it is done and has nothing more to say."""
        while True:
            try:
                self.tls.do_handshake()
                return self.outgoing.read()
            except ssl.SSLWantReadError:
                if self.outgoing.pending:
                    return self.outgoing.read()
                self._pull()

    def shake_hands(self, send=None):
        while data := self.flight():
            (send or self.sock.sendall)(data)

    def send_bytewise(self, data):
        for position in range(len(data)):
            self.sock.sendall(data[position : position + 1])

    def encrypt(self, data):
        self.tls.write(data)
        return self.outgoing.read()

    def read(self):
        """At least one byte of plain text; Incomplete at the end, clean or not."""
        while True:
            try:
                if data := self.tls.read(65536):
                    return data
                raise Incomplete("close_notify")
            except ssl.SSLWantReadError:
                self._pull()

    def read_until(self, mark):
        data = b""
        while mark not in data:
            data += self.read()
        return data

    def record_sizes(self, begin=0):
        """Of the application data records in `wire` from `begin` on."""
        sizes, position = [], begin
        while position + 5 <= len(self.wire):
            size = int.from_bytes(self.wire[position + 3 : position + 5], "big")
            if self.wire[position] == 23:
                sizes.append(size)
            position += 5 + size
        return sizes

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
