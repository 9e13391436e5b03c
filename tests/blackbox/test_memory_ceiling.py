"""process.max_memory: what is idle makes room, new work is refused, and nothing dies of it."""

import json

from support import http2
from support.azulb import is_sanitized
from support.client import Client
from support.http2 import Http2Client
from support.memory import Peak
from support.scripted_server import OK, always, hang, per_request, response
from support.waiting import wait_until

MANY_H1, MANY_H2, STREAMS = 100, 8, 25
BIG = response(200, b"x" * 1_000_000)


def test_past_max_memory_there_is_503_and_no_crash(azulb, scripted):
    """Bodies kept for replay while the server says nothing are what fills it."""
    server = scripted(per_request(hang))
    proxy = azulb(server, process={"max_memory": "256KiB"}, upstream={"retry": {"buffer": "64KiB"}})
    clients = [proxy.client() for _ in range(20)]
    for client in clients:
        client.send(b"PUT /held HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n" + b"x" * 59999)
    wait_until(
        lambda: any(json.loads(line)["error"] == "overload" for line in proxy.access_lines()),
        what="a refusal",
    )
    assert proxy.access_record(error="overload")["status"] == 503
    for client in clients:
        client.reset()
    server.handler = always(OK)
    wait_until(lambda: proxy.fetch("PUT", "/after", body=b"x" * 60000).status == 200, what="room again")


def test_what_http2_keeps_for_each_connection_counts_in_max_memory(azulb, scripted):
    server = scripted(always(OK))
    proxy = azulb(server, process={"max_memory": "256KiB"})
    assert proxy.fetch().status == 200
    server.handler = per_request(hang)
    clients = [Http2Client(proxy.address) for _ in range(40)]
    for client in clients:
        client.open(http2.get("/held"))  # an idle one would make room
        client.ping()
    server.handler = always(OK)
    assert proxy.fetch().status == 503
    for client in clients:
        client.sock.close()
    wait_until(lambda: proxy.fetch().status == 200, what="room again")


def hold_upload(proxy):
    client = proxy.client()
    client.send(b"PUT /held HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n" + b"x" * 59999)
    return client


def test_idle_connections_make_room_and_what_runs_goes_on(azulb, scripted):
    server = scripted(always(OK))
    proxy = azulb(server, process={"max_memory": "256KiB", "workers": 2}, upstream={"retry": {"buffer": "64KiB"}})
    idle = [proxy.client() for _ in range(10)]
    for client in idle:
        assert client.request().status == 200
    idle_http2 = Http2Client(proxy.address)
    assert idle_http2.request(http2.get()).status == 200
    fresh = proxy.client()  # has not asked anything yet
    held = []
    while len(held) < 20 and not any(json.loads(line)["error"] == "overload" for line in proxy.access_lines()):
        held.append(hold_upload(proxy))
    for client in idle:
        assert client.at_end()
    idle_http2.read_to_close()
    refused = fresh.request()
    assert (refused.status, refused.header("Retry-After")) == (503, "1")
    statuses = set()
    for client in held:
        client.send(b"x")
        statuses.add(client.read_response().status)
        client.close()
    assert 200 in statuses and statuses <= {200, 503}
    wait_until(lambda: proxy.fetch().status == 200, what="room again")


def test_clients_that_do_not_read_and_stalled_windows_are_no_way_past_it(azulb, scripted):
    server = scripted(always(BIG))
    proxy = azulb(server, process={"max_memory": "512KiB", "workers": 2})
    pid, before = proxy.pid, proxy.resident_bytes()
    with Peak(proxy) as peak:
        deaf = [Client(proxy.address, receive_buffer=4096) for _ in range(MANY_H1)]
        for client in deaf:
            client.send_request(target="/deaf")
        stalled = [Http2Client(proxy.address, auto_window=False, initial_window=0) for _ in range(MANY_H2)]
        for client in stalled:
            for _ in range(STREAMS):
                client.open(http2.get("/stalled"))
        wait_until(lambda: any('"overload"' in line for line in proxy.access_lines()), what="a refusal", timeout=15)
        for _ in range(50):
            answer = proxy.fetch()
            assert answer.status == 503 and answer.header("Retry-After") == "1"
    # Beside what buffers hold: connections, and the reserves of both workers.
    if not is_sanitized():
        assert peak.bytes - before < 16_000_000
    for client in (*deaf, *stalled):
        client.sock.close()
    wait_until(lambda: proxy.fetch().status == 200, what="room again")
    assert proxy.alive() and proxy.pid == pid
