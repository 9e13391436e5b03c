"""What a connection may begin with that is no PROXY header (HAProxy's proxy-protocol.txt, sections 2.1 and 2.2).

tests/unit/net/test_proxy_header.cpp has the full table, with what is wrong with each.
"""

from support import proxy_protocol as pp

CLIENT = ("192.0.2.7", 40000, "198.51.100.1", 443)
LINE = pp.line(*CLIENT)

MALFORMED = {
    "no header": b"GET / HTTP/1.1\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "lower case": LINE.lower(),
    "bare LF": LINE.replace(b"\r\n", b"\n"),
    "two spaces": LINE.replace(b" ", b"  ", 1),
    "UDP4": LINE.replace(b"TCP4", b"UDP4"),
    "families mixed": b"PROXY TCP4 ::1 ::1 1 2\r\n",
    "no port": b"PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n",
    "port too large": b"PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n",
    "leading zero": b"PROXY TCP4 1.1.1.01 2.2.2.2 1 2\r\n",
    "NUL": b"PROXY TCP4 1.1.1.1\0 2.2.2.2 1 2\r\n",
    "a host name": b"PROXY TCP4 localhost 2.2.2.2 1 2\r\n",
    "108 bytes": b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n",
    "v2 version 1": pp.binary(*CLIENT, command=0x11),
    "v2 command 2": pp.binary(*CLIENT, command=0x22),
    "v2 family 4": pp.raw(0x21, 0x41, pp.block(*CLIENT)),
    "v2 protocol 3": pp.raw(0x21, 0x13, pp.block(*CLIENT)),
    "v2 short addresses": pp.raw(0x21, 0x11, pp.block(*CLIENT)[:-1]),
    "v2 IPv4 as IPv6": pp.raw(0x21, 0x21, pp.block(*CLIENT)),
    "v2 over 4 KiB": pp.binary(*CLIENT, pp.tlv(4, bytes(4096 - 12 - 2))),
    "v2 TLV past the end": pp.binary(*CLIENT, b"\x04\x00\x10"),
    "v2 half a TLV": pp.binary(*CLIENT, b"\x04\x00"),
    "v2 wrong checksum": pp.binary(*CLIENT, pp.tlv(3, b"abcd")),
    "v2 short checksum": pp.binary(*CLIENT, pp.tlv(3, b"abc")),
}
