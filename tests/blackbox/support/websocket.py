"""The WebSocket handshake at the level of bytes, from both sides (RFC 6455 §4)."""

import base64
import hashlib

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


def accept(key=KEY):
    digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    return base64.b64encode(digest).decode()


SWITCHING = (
    f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    f"Sec-WebSocket-Accept: {accept()}\r\n\r\n"
).encode()


def upgrading(after):
    """Accepts the upgrade, then runs `after`."""

    def handler(peer):
        request = peer.read_request_head()
        assert request.header("upgrade").lower() == "websocket"
        peer.send(SWITCHING)
        after(peer)

    return handler


def echo_bytes(peer):
    while True:
        peer.send(peer.read_some())


def handshake(client, headers=HANDSHAKE, extra=b""):
    """Sends the handshake and `extra` in one write."""
    head = "GET /ws HTTP/1.1\r\nHost: a\r\n" + "".join(f"{n}: {v}\r\n" for n, v in headers.items()) + "\r\n"
    client.send(head.encode() + extra)
    return client.read_head()
