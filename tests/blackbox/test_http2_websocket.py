"""WebSockets over HTTP/2 (RFC 8441): an extended CONNECT becomes the upgrade that HTTP/1 servers know."""

import struct

import pytest

from support.http2 import CANCEL, DATA, ENABLE_CONNECT_PROTOCOL, END_STREAM, INTERNAL_ERROR, frame, get
from support.scripted_server import OK, always, response
from support.websocket import accept, echo_bytes

WEBSOCKET = (("sec-websocket-version", "13"), ("sec-websocket-protocol", "chat"))


def extended_connect(path="/ws", *more, protocol="websocket"):
    fields = get(path, *WEBSOCKET, *more, method="CONNECT")
    return [fields[0], (":protocol", protocol), *fields[1:]]


def accepting(after, extra=""):
    """A server that opens the WebSocket with the right answer to the key it got."""

    def handler(peer):
        request = peer.read_request_head()
        assert request.method == "GET" and request.header("upgrade") == "websocket", request
        key = request.header("sec-websocket-key")
        peer.send(
            f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Accept: {accept(key)}\r\n{extra}\r\n".encode()
        )
        after(peer)

    return handler


def opened(client, fields=None):
    number = client.open(fields or extended_connect(), body=...)
    client.until(lambda: client.stream(number).heads)
    return number, client.stream(number)


def test_bytes_pass_both_ways_and_ends_pass(azulb, scripted, http2_client):
    def talk(peer):
        assert peer.read_exact(5) == b"hello"
        peer.send(b"welcome")
        assert peer.read_to_end() == b"bye"
        peer.send(b"last")

    server = scripted(accepting(talk, "Sec-WebSocket-Protocol: chat\r\n"))
    proxy = azulb(server)
    client = http2_client(proxy)
    number, stream = opened(client)
    assert client.server_settings[ENABLE_CONNECT_PROTOCOL] == 1
    assert stream.status == 200
    assert {name for name, _ in stream.headers} == {":status", "sec-websocket-protocol"}
    client.send(frame(DATA, 0, number, b"hello"))
    client.until(lambda: stream.body == b"welcome")
    client.send(frame(DATA, END_STREAM, number, b"bye"))
    assert client.response(number).body == b"welcomelast"
    assert stream.reset is None
    request = server.requests[0]
    assert request.header("host") == "a.test" and request.header("sec-websocket-version") == "13"
    assert request.header("connection") == "Upgrade"
    record = proxy.access_record(target="/ws")
    assert (record["tunnel"], record["error"], record["version"]) == (True, None, "HTTP/2.0")
    assert record["bytes_received"] > 8 and record["bytes_sent"] > 11


def test_real_frames_through_a_real_server(azulb, crystal_apps, http2_client):
    client = http2_client(azulb(*crystal_apps(1)))
    number, stream = opened(client)
    mask = b"\x01\x02\x03\x04"
    for size in (5, 200, 70_000):
        text = b"x" * size
        length = bytes([0x80 | size]) if size < 126 else (
            struct.pack(">BH", 0x80 | 126, size) if size < 65536 else struct.pack(">BQ", 0x80 | 127, size)
        )
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(text))
        message = b"\x81" + length + mask + masked
        stream.body.clear()
        for at in range(0, len(message), 10_000):
            client.send(frame(DATA, 0, number, message[at : at + 10_000]))
        client.until(lambda: len(stream.body) >= len(message) - 4 and stream.body.endswith(text))


def test_many_on_one_connection(azulb, scripted, http2_client):
    client = http2_client(azulb(scripted(accepting(echo_bytes))))
    sockets = [opened(client) for _ in range(50)]
    for number, _ in sockets:
        client.send(frame(DATA, 0, number, b"for %d" % number))
    for number, stream in sockets:
        client.until(lambda: stream.body == b"for %d" % number)


def test_a_server_that_resets_resets_the_stream(azulb, scripted, http2_client):
    client = http2_client(azulb(scripted(accepting(lambda peer: peer.reset()))))
    number, stream = opened(client)
    client.until(lambda: stream.reset is not None)
    assert stream.reset in (CANCEL, INTERNAL_ERROR)


def test_a_refusal_is_passed_on(azulb, scripted, http2_client):
    client = http2_client(azulb(scripted(always(response(403, b"no")))))
    number, stream = opened(client)
    assert (stream.status, client.response(number).body) == (403, b"no")


def test_an_ordinary_answer_does_not_look_like_an_open_websocket(azulb, scripted, http2_client):
    client = http2_client(azulb(scripted(always(OK))))
    number, stream = opened(client)
    assert stream.status == 502
    assert client.response(number).body == b""


def test_a_wrong_accept_is_no_upgrade(azulb, scripted, http2_client):
    wrong = (
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Accept: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    client = http2_client(azulb(scripted(always(wrong)), upstream={"retry": {"attempts": 1}}))
    assert opened(client)[1].status == 502


@pytest.mark.parametrize("protocol, status", [("connect-udp", 501), ("h2c", 501), ("", 501), ("WebSocket", 200)])
def test_other_protocols_are_not_known(azulb, scripted, http2_client, protocol, status):
    client = http2_client(azulb(scripted(accepting(echo_bytes))))
    assert opened(client, extended_connect(protocol=protocol))[1].status == status


def test_a_websocket_without_version_13(azulb, scripted, http2_client):
    server = scripted(always(OK))
    fields = [(name, "8" if name == "sec-websocket-version" else value) for name, value in extended_connect()]
    stream = opened(http2_client(azulb(server)), fields)[1]
    assert (stream.status, stream.header("sec-websocket-version")) == (426, "13")
    assert server.requests == []


def test_a_websocket_with_a_length(azulb, scripted, http2_client):
    server = scripted(always(OK))
    stream = opened(http2_client(azulb(server)), extended_connect("/ws", ("content-length", "5")))[1]
    assert stream.status == 400
    assert server.requests == []


def test_the_clients_own_key_is_not_used(azulb, scripted, http2_client):
    server = scripted(accepting(echo_bytes))
    key = "AAAAAAAAAAAAAAAAAAAAAA=="
    assert opened(http2_client(azulb(server)), extended_connect("/ws", ("sec-websocket-key", key)))[1].status == 200
    assert server.requests[0].header("sec-websocket-key") != key


def test_a_client_that_leaves_its_websocket(azulb, scripted, http2_client):
    ended = []

    def until_end(peer):
        try:
            peer.read_to_end()
        finally:
            ended.append(True)

    proxy = azulb(scripted(accepting(until_end)))
    client = http2_client(proxy)
    number, _ = opened(client)
    client.send(frame(3, 0, number, struct.pack(">I", CANCEL)))
    assert proxy.access_record(target="/ws")["error"] == "client_closed"
