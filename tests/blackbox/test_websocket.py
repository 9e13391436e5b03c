"""Upgrades: validated, tunnelled only after 101, both ways from the first byte to the last."""

import asyncio
import base64
import hashlib
import threading

import pytest
import websockets

from support.scripted_server import OK, always, response
from support.waiting import wait_until

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HANDSHAKE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": KEY, "Sec-WebSocket-Version": "13"}


def accept(key=KEY):
    digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    return base64.b64encode(digest).decode()


SWITCHING = (f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
             f"Sec-WebSocket-Accept: {accept()}\r\n\r\n").encode()


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


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 40))


def url(proxy, path="/ws"):
    return f"ws://127.0.0.1:{proxy.port}{path}"


# ---- a real client and a real server
def test_messages_of_every_size(azulb, crystal_apps):
    proxy = azulb(*crystal_apps(1))

    async def talk():
        async with websockets.connect(url(proxy), max_size=None) as socket:
            for size in (0, 1, 125, 126, 65535, 65536, 1_000_000):
                for message in ("x" * size, b"y" * size):
                    await socket.send(message)
                    assert await socket.recv() == message
            await (await socket.ping())
    run(talk())
    record = proxy.access_record(target="/ws")
    assert (record["status"], record["tunnel"], record["error"] or None) == (101, True, None)
    assert record["bytes_sent"] > 2_000_000 and record["bytes_received"] > 2_000_000


def test_many_at_once(azulb, crystal_apps):
    proxy = azulb(*crystal_apps(2), process={"workers": 2})

    async def one(number):
        async with websockets.connect(url(proxy)) as socket:
            names = set()
            for turn in range(20):
                await socket.send(f"{number}/{turn}")
                assert await socket.recv() == f"{number}/{turn}"
                await socket.send("name?")
                names.add(await socket.recv())
            assert len(names) == 1, "a tunnel stays with its server"

    async def talk():
        await asyncio.gather(*(one(number) for number in range(60)))
    run(talk())


def test_closing_from_either_side(azulb, crystal_apps):
    apps = crystal_apps(1)
    proxy = azulb(*apps)

    async def talk():
        socket = await websockets.connect(url(proxy))
        await socket.close(code=1000)
        socket = await websockets.connect(url(proxy))
        await socket.send("name?")
        assert await socket.recv() == "app1"
        apps[0].kill()
        with pytest.raises(websockets.exceptions.ConnectionClosed):
            await socket.recv()
    run(talk())


def test_a_websocket_goes_on_beside_other_traffic(azulb, crystal_apps):
    proxy = azulb(*crystal_apps(1))

    async def talk():
        async with websockets.connect(url(proxy)) as socket:
            for number in range(30):
                await socket.send(str(number))
                status = await asyncio.to_thread(lambda: proxy.fetch().status)
                assert status == 200
                assert await socket.recv() == str(number)
    run(talk())


# ---- the handshake
def test_what_the_server_gets(azulb, scripted):
    server = scripted(upgrading(echo_bytes))
    proxy = azulb(server)
    with proxy.client() as client:
        head = handshake(client, {**HANDSHAKE, "Sec-WebSocket-Protocol": "chat", "Origin": "http://a"})
        assert head.status == 101
        assert head.header("upgrade").lower() == "websocket" and head.header("connection").lower() == "upgrade"
        assert head.header("sec-websocket-accept") == accept()
    request = server.requests[0]
    assert request.header("connection").lower() == "upgrade"
    assert (request.header("upgrade"), request.header("sec-websocket-key")) == ("websocket", KEY)
    assert request.header("sec-websocket-protocol") == "chat"
    assert request.header("x-forwarded-for") == "127.0.0.1"


@pytest.mark.parametrize("change,status", [
    ({"Sec-WebSocket-Key": None}, 400), ({"Sec-WebSocket-Key": ""}, 400), ({"Sec-WebSocket-Key": "short"}, 400),
    ({"Sec-WebSocket-Key": "not base64 at all!!!!!!=="}, 400), ({"Sec-WebSocket-Version": "8"}, 426),
    ({"Sec-WebSocket-Version": "12"}, 426), ({"Sec-WebSocket-Version": None}, 426), ({"Sec-WebSocket-Version": "x"}, 426)])
def test_bad_handshakes_never_reach_the_server(azulb, scripted, change, status):
    server = scripted(always(OK))
    proxy = azulb(server)
    headers = {name: value for name, value in {**HANDSHAKE, **change}.items() if value is not None}
    with proxy.client() as client:
        head = handshake(client, headers)
        assert head.status in ((400, 426) if change == {"Sec-WebSocket-Version": None} else (status,))
        if head.status == 426:
            assert head.header("sec-websocket-version") == "13"
    assert server.requests == []
    assert proxy.access_log()[0]["error"] in ("bad_request", "upgrade_required")


def test_an_upgrade_by_post_is_none(azulb, scripted):
    server = scripted(always(OK))
    proxy = azulb(server)
    with proxy.client() as client:
        answer = client.request("POST", "/ws", HANDSHAKE, body=b"x")
        assert answer.status in (200, 400)
    for request in server.requests:
        assert request.all("upgrade") == []


def test_an_http_1_0_upgrade_is_none(azulb, scripted):
    server = scripted(always(OK))
    proxy = azulb(server)
    answer = proxy.fetch("GET", "/ws", HANDSHAKE, version="1.0")
    assert answer.status in (200, 400)
    for request in server.requests:
        assert request.all("upgrade") == []


def test_upgrade_without_connection_is_an_ordinary_request(azulb, scripted):
    server = scripted(always(OK))
    proxy = azulb(server)
    headers = {name: value for name, value in HANDSHAKE.items() if name != "Connection"}
    assert proxy.fetch("GET", "/ws", headers).status == 200
    assert server.requests[0].all("upgrade") == []


@pytest.mark.parametrize("status", [200, 401, 403, 404, 500])
def test_other_answers_than_101_are_relayed(azulb, scripted, status):
    server = scripted(always(response(status, b"no socket here", {"X-Why": "because"})))
    proxy = azulb(server)
    with proxy.client() as client:
        answer = client.request("GET", "/ws", HANDSHAKE)
        assert (answer.status, answer.body, answer.header("x-why")) == (status, b"no socket here", "because")
        if answer.header("connection") != "close":
            assert client.request().status == status, "the connection is as good as any other"


def test_bytes_behind_a_refused_handshake_are_no_tunnel(azulb, scripted):
    """What follows is at most the next request, never opaque bytes at the server."""
    server = scripted(always(response(403, b"no")))
    proxy = azulb(server)
    with proxy.client() as client:
        assert handshake(client, extra=b"\x81\x05hello").status == 403
        client.read_all()
    assert b"hello" not in server.received()


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
], ids=["another protocol", "no Upgrade", "wrong accept"])
def test_a_bad_101_is_a_502(azulb, scripted, answer):
    proxy = azulb(scripted(always(answer)), upstream={"retry": {"on": ["off"]}})
    with proxy.client() as client:
        assert handshake(client).status == 502


def test_a_handshake_is_tried_at_another_server(azulb, scripted):
    dead, good = scripted(always(OK)), scripted(upgrading(echo_bytes))
    dead.close()
    proxy = azulb(dead, good)
    for _ in range(3):
        with proxy.client() as client:
            assert handshake(client).status == 101


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
        client.send(b"GET /ws HTTP/1.1\r\nHost: a\r\n" + "".join(f"{n}: {v}\r\n" for n, v in HANDSHAKE.items()).encode() + b"\r\nearly")
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
        expected.update(block[:size - whole * len(block)])
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
    proxy = azulb(scripted(upgrading(after)), listener={"timeout": {"header": "200ms", "body": "200ms", "keepalive": "200ms"}},
                  upstream={"timeout": {"response": "200ms", "idle": "200ms", "tunnel": "30s"}, "keepalive": {"idle": "200ms"}})
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
