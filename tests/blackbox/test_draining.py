"""WebSockets whose server is to serve no longer: each is closed with 1012 between two messages, one after another."""

import asyncio
import json
import signal
import threading

import pytest
import websockets

from support.http2 import DATA, END_STREAM
from support.http2 import frame as http2_frame
from support.scripted_server import OK, always
from support.waiting import wait_until
from support.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    HANDSHAKE,
    RESTART,
    SWITCHING,
    echo_bytes,
    echo_messages,
    frame,
    handshake,
    read_frame,
    upgrading,
)
from test_http2_websocket import accepting, opened

MASK = b"\x11\x22\x33\x44"
SOON = {"timeout": {"drain": "200ms"}}


def drain(proxy, server, action="drain"):
    answer = proxy.command(f"/servers/app/{server.name}/{action}", {})
    assert answer.status == 200, answer


class Talkers:
    """WebSockets that echo until they are closed, in a thread of their own."""

    def __init__(self, port, count):
        self.port, self.count = port, count
        self.open, self.echoed, self.codes, self.errors = 0, 0, [], []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self):
        self.thread.start()
        wait_until(lambda: self.open == self.count or self.errors, 20, "all WebSockets being open")
        return self

    def __exit__(self, *exc):
        self.ended.set()
        self.thread.join()

    async def _run(self):
        await asyncio.gather(*(self._talk(number) for number in range(self.count)))

    async def _talk(self, number):
        try:
            async with websockets.connect(f"ws://127.0.0.1:{self.port}/ws", ping_interval=None) as socket:
                self.open += 1
                try:
                    while not self.ended.is_set():
                        text = f"{number} " + "x" * (number * 40)
                        await socket.send(text)
                        assert text in await asyncio.wait_for(socket.recv(), 20)
                        self.echoed += 1
                        await asyncio.sleep(0.01)
                except websockets.ConnectionClosed as closed:
                    self.codes.append(closed.rcvd.code if closed.rcvd else None)
        except Exception as error:
            self.errors.append(repr(error))


# ---- the pace
@pytest.mark.parametrize("workers", [1, 2])
def test_clients_are_told_one_after_another_and_all_in_time(azulb, crystal_apps, workers):
    apps = crystal_apps(1)
    proxy = azulb(*apps, upstream={"timeout": {"drain": "4s"}}, process={"workers": workers})
    with Talkers(proxy.port, 30) as talkers:
        drain(proxy, apps[0])
        wait_until(lambda: 0 < len(talkers.codes) < 15, what="the first ones being closed, and not all")
        echoed = talkers.echoed
        wait_until(lambda: talkers.echoed > echoed + 20, what="the others going on")
        assert len(talkers.codes) < 30
        wait_until(lambda: len(talkers.codes) == 30, 30, "all being closed")
        wait_until(lambda: proxy.servers_state()[apps[0].name]["active"] == 0, what="the server being empty")
    assert set(talkers.codes) == {RESTART} and not talkers.errors
    def tunnels():
        records = map(json.loads, proxy.access_lines())
        return [(record["status"], record["error"]) for record in records if record["tunnel"]]

    wait_until(lambda: len(tunnels()) == 30, what="the access log")
    assert tunnels() == [(101, "draining")] * 30


def test_a_server_that_is_enabled_again_keeps_what_it_still_has(azulb, crystal_apps):
    apps = crystal_apps(1)
    proxy = azulb(*apps, upstream={"timeout": {"drain": "6s"}})
    with Talkers(proxy.port, 20) as talkers:
        drain(proxy, apps[0])
        wait_until(lambda: talkers.codes, what="the first one being closed")
        drain(proxy, apps[0], "enable")
        wait_until(lambda: proxy.servers_state()[apps[0].name]["tunnels"] == 20 - len(talkers.codes), what="the closed ones being gone")
        left = 20 - len(talkers.codes)
        assert left > 0
        echoed = talkers.echoed
        wait_until(lambda: talkers.echoed > echoed + 10 * left, 30, "the others going on")
        assert proxy.servers_state()[apps[0].name]["tunnels"] == left


# ---- the place
class Crowd:
    """A WebSocket whose server runs `special`, and nine idle ones after it, to whose first azulb comes second: when that
    is told, the special one has been asked to close, and there is much time left."""

    upstream = {"timeout": {"drain": "20s"}}

    def __init__(self, azulb, scripted, special):
        self.server = scripted(upgrading(lambda peer: special(peer) if peer.number == 0 else echo_messages(peer)))
        self.proxy = azulb(self.server, upstream=self.upstream)
        self.client = self.proxy.client(timeout=20)
        assert handshake(self.client).status == 101
        self.others = [self.proxy.client(timeout=20) for _ in range(9)]
        for client in self.others:
            assert handshake(client).status == 101

    def drain(self):
        drain(self.proxy, self.server)
        assert read_frame(self.others[0]).close_code == RESTART

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for client in [self.client, *self.others]:
            client.close()
        self.server.check()


def test_a_message_of_the_server_is_finished_first(azulb, scripted):
    go, seen = threading.Event(), []
    whole = frame(b"a" * 70_000, BINARY)

    def half(peer):
        peer.send(whole[:30_000])
        assert go.wait(30)
        peer.send(whole[30_000:] + frame(b"after it"))
        seen.append(read_frame(peer))
        seen.append(read_frame(peer))

    with Crowd(azulb, scripted, half) as crowd:
        client = crowd.client
        assert client.read_exact(30_000) == whole[:30_000]
        crowd.drain()
        go.set()
        assert client.read_exact(len(whole) - 30_000) == whole[30_000:]
        told = read_frame(client)
        assert (told.close_code, told.masked, told.payload[2:]) == (RESTART, False, b"service restart")
        # What the client had to say still gets there, and its answer is the server's close frame.
        client.send(frame(b"last words", mask=MASK) + frame(told.payload, CLOSE, mask=MASK))
        assert client.at_end()
        assert [(got.payload, got.masked) for got in seen] == [(b"last words", True), (told.payload, True)]


def test_a_message_in_several_frames_is_finished_first(azulb, scripted):
    go = threading.Event()
    parts = [frame(b"one", final=False), frame(b"two", CONTINUATION, final=False), frame(b"three", CONTINUATION)]

    def slowly(peer):
        peer.send(parts[0])
        assert go.wait(30)
        peer.send(parts[1] + frame(b"ping", 9))
        peer.send(parts[2] + frame(b"after it"))
        peer.read_to_end()

    with Crowd(azulb, scripted, slowly) as crowd:
        assert crowd.client.read_exact(len(parts[0])) == parts[0]
        crowd.drain()
        go.set()
        rest = parts[1] + frame(b"ping", 9) + parts[2]
        assert crowd.client.read_exact(len(rest)) == rest
        assert read_frame(crowd.client).close_code == RESTART


def test_a_large_message_passes_whole_before_the_close(azulb, scripted):
    """Most of it inside the kernel."""
    go = threading.Event()
    whole = frame(bytes(range(256)) * 40_000, BINARY)

    def much(peer):
        peer.send(whole[:1_000_000])
        assert go.wait(30)
        peer.send(whole[1_000_000:] + frame(b"after it"))
        peer.read_to_end()

    with Crowd(azulb, scripted, much) as crowd:
        assert crowd.client.read_exact(1_000_000) == whole[:1_000_000]
        crowd.drain()
        go.set()
        assert crowd.client.read_exact(len(whole) - 1_000_000) == whole[1_000_000:]
        assert read_frame(crowd.client).close_code == RESTART


def test_many_large_messages_both_ways_are_followed(azulb, scripted):
    """Where frames begin and end is known though most bytes are never seen."""
    sizes = [1_000_000, 10, 300_000, 70_000, 126, 0, 2_000_000, 65_536]

    server = scripted(upgrading(echo_messages))
    proxy = azulb(server, upstream={"timeout": {"drain": "1s"}})
    with proxy.client(timeout=20) as client:
        assert handshake(client).status == 101
        for size in sizes:
            text = bytes([size % 251]) * size
            client.send(frame(text, BINARY, mask=MASK))
            assert read_frame(client).payload == text
        drain(proxy, server)
        told = read_frame(client)
        assert told.close_code == RESTART
        client.send(frame(told.payload, CLOSE, mask=MASK))
        assert client.at_end()
    wait_until(lambda: proxy.servers_state()[server.name]["active"] == 0, what="the server being empty")


def test_a_client_that_does_not_answer_is_spoken_for(azulb, scripted):
    """Once its message is complete."""
    seen = []

    def keep(peer):
        while True:
            seen.append(read_frame(peer))
            if seen[-1].opcode == CLOSE:
                return peer.send(frame(seen[-1].payload, CLOSE))

    server = scripted(upgrading(keep))
    proxy = azulb(server, upstream=SOON)
    message = frame(b"hello", mask=MASK)
    with proxy.client(timeout=20) as client:
        assert handshake(client).status == 101
        client.send(message[:4])
        drain(proxy, server)
        assert read_frame(client).close_code == RESTART
        client.send(message[4:])
        wait_until(lambda: len(seen) == 2, 20, "the close frame at the server")
        assert client.at_end()
    assert (seen[0].payload, seen[1].close_code, seen[1].masked) == (b"hello", RESTART, True)
    assert proxy.access_record(error="draining")["tunnel"]


def test_what_a_peer_closes_itself_is_left_to_it(azulb, scripted):
    asked = threading.Event()

    def closing(peer):
        peer.send(frame(b"\x03\xe8", CLOSE))
        asked.set()
        assert read_frame(peer).close_code == 1000

    with Crowd(azulb, scripted, closing) as crowd:
        assert asked.wait(20)
        told = read_frame(crowd.client)
        assert told.close_code == 1000
        crowd.drain()
        crowd.client.send(frame(told.payload, CLOSE, mask=MASK))
        assert crowd.client.at_end()
        crowd.client.close()
        assert crowd.proxy.access_record(tunnel=True, error=None)


def test_a_frame_that_never_ends_is_cut_at_the_end_of_the_time(azulb, scripted):
    def half(peer):
        peer.send(frame(b"a" * 1000)[:500])
        peer.read_to_end()

    server = scripted(upgrading(half))
    proxy = azulb(server, upstream=SOON)
    with proxy.client(timeout=20) as client:
        assert handshake(client).status == 101
        drain(proxy, server)
        client.wait_closed()
    assert proxy.access_record(error="draining")["tunnel"]


def test_an_upgrade_to_anything_else_is_cut_at_the_end_of_the_time(azulb, scripted):
    def other(peer):
        peer.read_request_head()
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n")
        echo_bytes(peer)

    server = scripted(other)
    proxy = azulb(server, upstream={"timeout": {"drain": "1500ms"}})
    with proxy.client(timeout=20) as client:
        assert handshake(client, {"Connection": "Upgrade", "Upgrade": "other"}).status == 101
        drain(proxy, server)
        client.send(b"\x88\x02\x03\xe8")  # not what it seems
        assert client.read_exact(4) == b"\x88\x02\x03\xe8"
        client.wait_closed()
    assert proxy.access_record(error="draining")["tunnel"]


def test_over_http2_clients_are_told_in_the_stream(azulb, scripted, http2_client):
    seen = []

    def polite(peer):
        seen.append(read_frame(peer))
        peer.send(frame(seen[0].payload, CLOSE))

    server = scripted(accepting(polite))
    proxy = azulb(server, upstream={"timeout": {"drain": "1s"}})
    client = http2_client(proxy)
    number, stream = opened(client)
    drain(proxy, server)
    client.until(lambda: len(stream.body) >= 19)
    assert bytes(stream.body) == frame(b"\x03\xf4service restart", CLOSE)
    client.send(http2_frame(DATA, END_STREAM, number, frame(b"\x03\xf4", CLOSE, mask=MASK)))
    client.until(lambda: stream.ended)
    wait_until(lambda: seen, what="the client's answer at the server")
    assert (seen[0].close_code, seen[0].masked) == (RESTART, True)
    assert proxy.access_record(target="/ws")["error"] == "draining"


# ---- what drains a server
def test_a_disabled_server_is_emptied_too(azulb, scripted):
    server = scripted(upgrading(echo_messages))
    proxy = azulb(server, upstream=SOON)
    with proxy.client(timeout=20) as client:
        assert handshake(client).status == 101
        drain(proxy, server, "disable")
        assert read_frame(client).close_code == RESTART


def test_a_reload_that_takes_a_server_away_closes_no_tunnel(azulb, scripted):
    leaving, staying = scripted(upgrading(echo_messages)), scripted(always(OK))
    at_once = {"timeout": {"drain": "0"}}
    proxy = azulb(leaving, upstream=at_once)
    with proxy.client(timeout=20) as client:
        assert handshake(client).status == 101
        for servers in ([staying.name], [staying.name, leaving.name], [staying.name]):
            proxy.reload({"upstream": {"app": {**at_once, "servers": servers}}})
        proxy.reload({"upstream": {"other": {"servers": [staying.name]}}, "route": [{"upstream": "other"}]})
        assert proxy.fetch().status == 200 and staying.requests
        for turn in range(5):
            client.send(frame(b"still there", mask=MASK))
            assert read_frame(client).payload == b"still there"


def test_a_server_that_comes_back_keeps_what_it_still_has(azulb, scripted, tmp_path):
    leaving, staying = scripted(upgrading(echo_messages)), scripted(always(OK))
    path = tmp_path / "servers.json"
    path.write_text(json.dumps([leaving.name]))
    proxy = azulb(upstream={"servers": [], "discover": {"file": str(path)}, "timeout": {"drain": "30s"}})
    clients = [proxy.client(timeout=20) for _ in range(20)]
    for client in clients:
        assert handshake(client).status == 101
    path.write_text(json.dumps([staying.name]))
    assert read_frame(clients[0]).close_code == RESTART
    path.write_text(json.dumps([staying.name, leaving.name]))
    wait_until(lambda: len(proxy.servers_state()) == 2, what="both servers")
    for turn in range(5):
        clients[-1].send(frame(b"still there", mask=MASK))
        assert read_frame(clients[-1]).payload == b"still there"
    path.write_text(json.dumps([staying.name]))
    assert {read_frame(client).close_code for client in clients[1:4]} == {RESTART}
    for client in clients:
        client.close()


def test_a_server_that_leaves_the_discovered_ones_is_emptied(azulb, scripted, tmp_path):
    server, other = scripted(upgrading(echo_messages)), scripted(always(OK))
    path = tmp_path / "servers.json"
    path.write_text(json.dumps([server.name, other.name]))
    proxy = azulb(upstream={"servers": [], "discover": {"file": str(path)}, **SOON})
    with proxy.client(timeout=20) as client:
        path.write_text(json.dumps([server.name]))
        wait_until(lambda: len(proxy.servers_state()) == 1, what="one server")
        assert handshake(client).status == 101
        path.write_text(json.dumps([other.name]))
        assert read_frame(client).close_code == RESTART


def test_a_websocket_that_opens_on_a_draining_server_is_closed_too(azulb, scripted):
    go = threading.Event()

    def handler(peer):
        peer.read_request_head()
        assert go.wait(20)
        peer.send(SWITCHING)
        echo_messages(peer)

    server = scripted(handler)
    proxy = azulb(server, upstream=SOON)
    with proxy.client(timeout=20) as client:
        head = "".join(f"{name}: {value}\r\n" for name, value in HANDSHAKE.items())
        client.send(f"GET /ws HTTP/1.1\r\nHost: a\r\n{head}\r\n".encode())
        server.wait_requests(1)
        drain(proxy, server)
        go.set()
        assert client.read_head().status == 101
        assert read_frame(client).close_code == RESTART


def test_at_azulbs_own_end_websockets_are_closed_in_the_second_half_of_its_time(azulb, crystal_apps):
    proxy = azulb(*crystal_apps(1), process={"drain_timeout": "6s", "workers": 2})
    with Talkers(proxy.port, 20) as talkers:
        proxy.signal(signal.SIGTERM)
        wait_until(lambda: "draining" in proxy.stderr(), what="the drain")
        echoed = talkers.echoed
        wait_until(lambda: talkers.echoed > echoed + 20, what="all going on")
        assert proxy.wait_exit(30) == 0
    assert talkers.codes == [RESTART] * 20 and not talkers.errors
