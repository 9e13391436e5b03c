"""The WebSocket handshake at the level of bytes, from both sides (RFC 6455 §4)."""

import base64
import dataclasses
import hashlib
import struct

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


# ---- frames (RFC 6455 §5)
CONTINUATION, TEXT, BINARY, CLOSE = 0, 1, 2, 8
RESTART = 1012


def frame(payload=b"", opcode=TEXT, final=True, mask=None):
    """`mask`: four bytes, as clients must."""
    first = bytes([(0x80 if final else 0) | opcode])
    bit = 0x80 if mask else 0
    if len(payload) < 126:
        length = bytes([bit | len(payload)])
    elif len(payload) < 65536:
        length = struct.pack(">BH", bit | 126, len(payload))
    else:
        length = struct.pack(">BQ", bit | 127, len(payload))
    return first + length + (mask or b"") + (masked(payload, mask) if mask else payload)


def masked(payload, mask):
    key = (mask * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(len(payload), "big")


@dataclasses.dataclass
class Frame:
    opcode: int
    payload: bytes
    final: bool
    masked: bool

    @property
    def close_code(self):
        return struct.unpack(">H", self.payload[:2])[0] if self.opcode == CLOSE and self.payload else None


def read_frame(wire):
    """The next frame of a Client or a Peer, unmasked."""
    first, second = wire.read_exact(2)
    length = second & 0x7F
    if length == 126:
        (length,) = struct.unpack(">H", wire.read_exact(2))
    elif length == 127:
        (length,) = struct.unpack(">Q", wire.read_exact(8))
    mask = bytes(wire.read_exact(4)) if second & 0x80 else None
    payload = bytes(wire.read_exact(length))
    return Frame(first & 0x0F, masked(payload, mask) if mask else payload, bool(first & 0x80), mask is not None)


def echo_messages(peer):
    """A polite server: sends every message back, and answers the close."""
    while True:
        got = read_frame(peer)
        peer.send(frame(got.payload, got.opcode, got.final))
        if got.opcode == CLOSE:
            return
