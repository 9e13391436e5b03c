"""Interim responses without end: what the client does not take waits at the server."""

import threading

from support.azulb import is_sanitized
from support.scripted_server import SilentPort
from support.waiting import wait_until, wait_until_steady

INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n" * 500
ALLOWED_GROWTH = 60_000_000 if is_sanitized() else 8_000_000


class Flood:
    """Sends interim responses until it is told to stop."""

    def __init__(self):
        self.sent, self.stopping = 0, threading.Event()

    def __call__(self, peer):
        peer.read_request()
        peer.sock.settimeout(0.2)
        while not self.stopping.is_set():
            try:
                self.sent += peer.sock.send(INTERIM)
            except TimeoutError:
                pass
        peer.wait_closed()


def test_a_flood_that_is_not_read_stops_at_the_server(azulb, scripted):
    flood = Flood()
    proxy = azulb(scripted(flood))
    before = proxy.resident_bytes()
    with proxy.client(receive_buffer=4096) as client:
        client.send_request()
        wait_until_steady(lambda: flood.sent, 0.5, 20)
        assert proxy.resident_bytes() - before < ALLOWED_GROWTH
        flood.stopping.set()
        for _ in range(200):  # it comes on when it is read
            assert client.read_head().status == 103


def test_a_client_that_takes_the_flood_after_its_attempt_was_given_up(azulb, scripted):
    """It was behind when the server's time ran out; when it catches up, no server is connected."""
    flood, silent = Flood(), SilentPort()
    proxy = azulb(
        {"address": scripted(flood), "weight": 100},
        silent.name,
        upstream={"timeout": {"response": "500ms", "connect": "1s"}, "retry": {"attempts": 2}},
    )
    with proxy.client(receive_buffer=4096, timeout=20) as client:
        client.send_request()
        wait_until(lambda: proxy.metrics().total("azulb_server_retries_total") == 1, what="the second attempt")
        flood.stopping.set()
        answer = client.read_response()
    silent.close()
    assert answer.status in (502, 504)
    assert len(answer.interim) > 1000
