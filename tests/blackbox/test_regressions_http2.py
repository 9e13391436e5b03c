"""What has been broken in HTTP/2 towards clients."""

import pytest

from support.http2 import DATA, END_STREAM, PROTOCOL_ERROR, frame, get
from support.scripted_server import OK, always
from test_http2_websocket import accepting, extended_connect, opened


def test_a_websocket_client_that_ends_before_it_is_open(azulb, scripted, http2_client):
    """The end was lost, and the exchange outlived its stream: its timeout then used freed memory."""

    def talk(peer):
        assert peer.read_to_end() == b"early"
        peer.send(b"last")

    proxy = azulb(scripted(accepting(talk)))
    client = http2_client(proxy)
    answer = client.request(extended_connect(), body=b"early")
    assert (answer.status, answer.body, answer.reset) == (200, b"last", None)
    record = proxy.access_record(target="/ws")
    assert (record["status"], record["error"]) == (101, None)


def test_a_websocket_client_and_a_server_that_both_end_early(azulb, scripted, http2_client):
    proxy = azulb(scripted(accepting(lambda peer: peer.send(b"last"))))
    client = http2_client(proxy)
    for _ in range(3):
        assert client.request(extended_connect(), body=b"").body == b"last"
        assert proxy.access_record(target="/ws")["error"] is None


@pytest.mark.parametrize("body", [b"", b"abc", b"abcdefg"])
def test_a_body_known_to_be_of_another_length_reaches_no_server(azulb, scripted, http2_client, body):
    """The head left for a kept connection, which then had to be closed."""
    server = scripted(always(OK))
    proxy = azulb(server)
    client = http2_client(proxy)
    assert client.request(get("/first")).status == 200
    assert client.request(get("/wrong", ("content-length", "5"), method="PUT"), body=body).reset == PROTOCOL_ERROR
    assert client.request(get("/last")).status == 200
    assert [request.target for request in server.requests] == ["/first", "/last"]
    assert proxy.access_record(target="/wrong")["status"] == 400


def test_a_websocket_that_its_server_ends_first(azulb, scripted, http2_client):
    """The client's own end then looked like a client that has gone: its last bytes could be lost."""
    told = []

    def talk(peer):
        peer.send(b"last")
        peer.half_close()
        told.append(peer.read_to_end())

    proxy = azulb(scripted(accepting(talk)))
    client = http2_client(proxy)
    number, stream = opened(client)
    assert client.response(number).body == b"last"
    client.send(frame(DATA, END_STREAM, number, b"bye"))
    assert proxy.access_record(target="/ws")["error"] is None
    assert told == [b"bye"]
