"""Upgrades: validated, and tunnelled only after a server's 101."""

import asyncio

import pytest
import websockets

from support.scripted_server import OK, always, response
from support.websocket import HANDSHAKE, KEY, accept, echo_bytes, handshake, upgrading


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
        assert (
            head.header("upgrade").lower() == "websocket" and head.header("connection").lower() == "upgrade"
        )
        assert head.header("sec-websocket-accept") == accept()
    request = server.requests[0]
    assert request.header("connection").lower() == "upgrade"
    assert (request.header("upgrade"), request.header("sec-websocket-key")) == ("websocket", KEY)
    assert request.header("sec-websocket-protocol") == "chat"
    assert request.header("x-forwarded-for") == "127.0.0.1"


@pytest.mark.parametrize(
    "change,status",
    [
        ({"Sec-WebSocket-Key": None}, 400),
        ({"Sec-WebSocket-Key": ""}, 400),
        ({"Sec-WebSocket-Key": "short"}, 400),
        ({"Sec-WebSocket-Key": "not base64 at all!!!!!!=="}, 400),
        ({"Sec-WebSocket-Version": "8"}, 426),
        ({"Sec-WebSocket-Version": "12"}, 426),
        ({"Sec-WebSocket-Version": None}, 426),
        ({"Sec-WebSocket-Version": "x"}, 426),
    ],
)
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


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
    ],
    ids=["another protocol", "no Upgrade", "wrong accept"],
)
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
