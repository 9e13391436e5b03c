"""What has been broken in HTTP/2 towards clients."""

import pytest

from support.http2 import Http2Client
from test_http2_websocket import accepting, extended_connect


@pytest.fixture
def client_of():
    clients = []

    def start(proxy, **more):
        clients.append(Http2Client(proxy.address, **more))
        return clients[-1]

    yield start
    for client in clients:
        client.sock.close()


def test_a_websocket_client_that_ends_before_it_is_open(azulb, scripted, client_of):
    """The end was lost, and the exchange outlived its stream: its timeout then used freed memory."""

    def talk(peer):
        assert peer.read_to_end() == b"early"
        peer.send(b"last")

    proxy = azulb(scripted(accepting(talk)))
    client = client_of(proxy)
    answer = client.request(extended_connect(), body=b"early")
    assert (answer.status, answer.body, answer.reset) == (200, b"last", None)
    record = proxy.access_record(target="/ws")
    assert (record["status"], record["error"]) == (101, None)


def test_a_websocket_client_and_a_server_that_both_end_early(azulb, scripted, client_of):
    proxy = azulb(scripted(accepting(lambda peer: peer.send(b"last"))))
    client = client_of(proxy)
    for _ in range(3):
        assert client.request(extended_connect(), body=b"").body == b"last"
        assert proxy.access_record(target="/ws")["error"] is None
