"""PROXY headers (HAProxy's proxy-protocol.txt), right and wrong."""

import socket
import struct

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL = SIGNATURE + b"\x20\x00\x00\x00"


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def line(source, source_port, destination, destination_port):
    family = "TCP6" if ":" in source else "TCP4"
    return f"PROXY {family} {source} {destination} {source_port} {destination_port}\r\n".encode()


def tlv(kind, value):
    return struct.pack(">BH", kind, len(value)) + value


def block(source, source_port, destination, destination_port):
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    addresses = socket.inet_pton(family, source) + socket.inet_pton(family, destination)
    return addresses + struct.pack(">HH", source_port, destination_port)


def binary(source, source_port, destination, destination_port, tlvs=b"", command=0x21, checksum=False):
    payload = block(source, source_port, destination, destination_port) + tlvs
    kind = 0x21 if ":" in source else 0x11
    if not checksum:
        return raw(command, kind, payload)
    empty = raw(command, kind, payload + tlv(3, b"\0\0\0\0"))
    return empty[:-4] + struct.pack(">I", crc32c(empty))


def raw(command, kind, payload):
    return SIGNATURE + struct.pack(">BBH", command, kind, len(payload)) + payload


def read_header(wire):
    """Reads a PROXY header: (version, source, source port, destination, destination port), or (version, None)."""
    first = wire.read_exact(1)
    if first == b"P":
        words = (first + wire.read_line()).decode().split(" ")
        assert words[0] == "PROXY", words
        if words[1] == "UNKNOWN":
            assert len(words) == 2
            return 1, None
        assert words[1] == ("TCP6" if ":" in words[2] else "TCP4"), words
        return 1, words[2], int(words[4]), words[3], int(words[5])
    head = first + wire.read_exact(15)
    assert head[:12] == SIGNATURE, head
    command, kind, size = struct.unpack(">BBH", head[12:])
    payload = wire.read_exact(size)
    if command == 0x20:
        assert (kind, size) == (0, 0)
        return 2, None
    assert command == 0x21 and kind in (0x11, 0x21)
    family, length = (socket.AF_INET, 4) if kind == 0x11 else (socket.AF_INET6, 16)
    assert size == 2 * length + 4
    source, destination = (
        socket.inet_ntop(family, payload[at : at + length]) for at in (0, length)
    )
    return 2, source, *struct.unpack(">H", payload[-4:-2]), destination, *struct.unpack(">H", payload[-2:])
