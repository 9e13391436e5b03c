"""After the 101: bytes, half-closes and time, in both directions."""

import hashlib
import threading

from support.waiting import wait_until
from support.websocket import HANDSHAKE, SWITCHING, echo_bytes, handshake, upgrading


# ---- bytes
def test_early_bytes_of_the_client(azulb, scripted):
    """Sent in the same packet as the handshake, before the 101."""
    server = scripted(upgrading(echo_bytes))
    proxy = azulb(server)
    with proxy.client() as client:
        assert handshake(client, extra=b"early bytes\r\n\r\n").status == 101
        assert client.read_exact(15) == b"early bytes\r\n\r\n"


def test_early_bytes_wait_for_the_101(azulb, scripted):
    go = threading.Event()
    before = []

    def handler(peer):
        peer.read_request_head()
        assert go.wait(10)
        before.append(bytes(peer.buffer))
        peer.send(SWITCHING)
        echo_bytes(peer)

    proxy = azulb(scripted(handler))
    with proxy.client() as client:
        client.send(
            b"GET /ws HTTP/1.1\r\nHost: a\r\n"
            + "".join(f"{n}: {v}\r\n" for n, v in HANDSHAKE.items()).encode()
            + b"\r\nearly"
        )
        go.set()
        assert client.read_head().status == 101
        assert client.read_exact(5) == b"early"
    assert before == [b""], "bytes were passed on before the server had agreed"


def test_early_bytes_of_the_server(azulb, scripted):
    def handler(peer):
        peer.read_request_head()
        peer.send(SWITCHING + b"welcome")
        echo_bytes(peer)

    proxy = azulb(scripted(handler))
    with proxy.client() as client:
        assert handshake(client).status == 101
        assert client.read_exact(7) == b"welcome"
        client.send(b"thanks")
        assert client.read_exact(6) == b"thanks"


def test_a_half_close_of_the_client_passes(azulb, scripted):
    def after(peer):
        data = peer.read_to_end()
        peer.send(b"got " + data)

    proxy = azulb(scripted(upgrading(after)))
    with proxy.client() as client:
        handshake(client)
        client.send(b"all")
        client.half_close()
        assert client.read_to_end() == b"got all"


def test_a_half_close_of_the_server_passes(azulb, scripted):
    received = []

    def after(peer):
        peer.send(b"bye")
        peer.half_close()
        received.append(peer.read_to_end())

    server = scripted(upgrading(after))
    proxy = azulb(server)
    with proxy.client() as client:
        handshake(client)
        assert client.read_to_end() == b"bye"
        client.send(b"still here")
        client.half_close()
        assert server.peers[0].finished.wait(5)
    assert received == [b"still here"]


def test_a_reset_passes(azulb, scripted):
    server = scripted(upgrading(lambda peer: peer.wait_closed()))
    proxy = azulb(server)
    client = proxy.client()
    handshake(client)
    client.reset()
    assert server.peers[0].finished.wait(5)


def test_large_transfers_both_ways_at_once(azulb, scripted):
    size = 20_000_000

    def after(peer):
        total = 0
        while total < size:
            data = peer.read_some()
            total += len(data)
            peer.send(data)
        peer.wait_closed()

    proxy = azulb(scripted(upgrading(after)))
    with proxy.client() as client:
        handshake(client)
        block = bytes(range(256)) * 256
        sender = threading.Thread(target=lambda: [client.send(block) for _ in range(size // len(block) + 1)])
        sender.start()
        digest, expected = hashlib.sha1(), hashlib.sha1()
        left = size
        while left:
            data = client.read_exact(min(left, 65536))
            digest.update(data)
            left -= len(data)
        sender.join(10)
        whole = size // len(block)
        for _ in range(whole):
            expected.update(block)
        expected.update(block[: size - whole * len(block)])
        assert digest.digest() == expected.digest()


# ---- time
def test_an_idle_tunnel_ends(azulb, scripted):
    server = scripted(upgrading(lambda peer: peer.wait_closed()))
    proxy = azulb(server, upstream={"timeout": {"tunnel": "300ms"}})
    with proxy.client() as client:
        handshake(client)
        client.read_all()
    assert server.peers[0].finished.wait(5)
    assert proxy.access_record(target="/ws")["error"] == "tunnel_timeout"


def test_only_the_tunnels_timeout_applies(azulb, scripted):
    """Shorter timeouts of everything else have no say once the tunnel stands."""
    go = threading.Event()

    def after(peer):
        assert go.wait(10)
        peer.send(b"late")
        peer.wait_closed()

    proxy = azulb(
        scripted(upgrading(after)),
        listener={"timeout": {"header": "200ms", "body": "200ms", "keepalive": "200ms"}},
        upstream={
            "timeout": {"response": "200ms", "idle": "200ms", "tunnel": "30s"},
            "keepalive": {"idle": "200ms"},
        },
    )
    with proxy.client() as client, proxy.client() as other:
        handshake(client)
        assert other.request("GET", "/x", HANDSHAKE).status == 101
        other.sock.close()
        with proxy.client() as witness:  # closed by keepalive = 200 ms, which the tunnel outlives twice
            for _ in range(2):
                with proxy.client() as witness:
                    witness.read_all()
        go.set()
        assert client.read_exact(4) == b"late"


def test_one_way_traffic_keeps_a_tunnel(azulb, scripted):
    stop = threading.Event()

    def after(peer):
        while not stop.wait(0.1):
            peer.send(b".")
        peer.send(b"!")
        peer.wait_closed()

    proxy = azulb(scripted(upgrading(after)), upstream={"timeout": {"tunnel": "500ms"}})
    with proxy.client() as client:
        handshake(client)
        wait_until(lambda: len(client.buffer) >= 15 or client.fill(), what="fifteen bytes in 1.5 s")
        stop.set()
        client.read_until(b"!")
