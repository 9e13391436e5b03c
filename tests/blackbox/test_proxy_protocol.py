"""PROXY protocol from the proxies in front: who is believed, what is refused, and whose connection it then is."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time

import pytest

from malformed_proxy_headers import CLIENT, LINE, MALFORMED
from support import proxy_protocol as pp
from support.client import Client
from support.scripted_server import OK, always, echo
from support.waiting import wait_until

CLIENT_6 = ("2001:db8::7", 40000, "2001:db8::1", 443)
REFUSED = "azulb_proxy_headers_refused_total"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def expecting(start, server, trusted=("127.0.0.1",), **listener):
    return start(
        server, listener={"proxy_protocol": True, "trusted_proxies": list(trusted), **listener}
    )


@pytest.fixture(scope="module")
def server(module_scripted):
    return module_scripted(echo)


@pytest.fixture(scope="module")
def proxy(module_azulb, server):
    return expecting(module_azulb, server)


@contextlib.contextmanager
def introduced(proxy, header):
    with proxy.client() as client:
        client.send(header)
        yield client


def seen(answer):
    """The fields that the echoing server saw, by lower-case name."""
    lines = answer.body.decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


HEADERS = {
    "v1 IPv4": (LINE, CLIENT),
    "v1 IPv6": (pp.line(*CLIENT_6), CLIENT_6),
    "v2 IPv4": (pp.binary(*CLIENT), CLIENT),
    "v2 IPv6": (pp.binary(*CLIENT_6), CLIENT_6),
    "v2 checksum": (pp.binary(*CLIENT, checksum=True), CLIENT),
    "v2 TLVs": (pp.binary(*CLIENT, pp.tlv(1, b"h2") + pp.tlv(2, b"example.test") + pp.tlv(4, b"")), CLIENT),
    "v2 4 KiB": (pp.binary(*CLIENT, pp.tlv(0xE0, bytes(4096 - 12 - 3))), CLIENT),
}
OWN = {
    "v1 UNKNOWN": b"PROXY UNKNOWN\r\n",
    "v1 UNKNOWN with more": b"PROXY UNKNOWN 192.0.2.7 198.51.100.1 1 2\r\n",
    "v2 LOCAL": pp.LOCAL,
    "v2 LOCAL with addresses": pp.binary(*CLIENT, command=0x20),
    "v2 UNSPEC": pp.raw(0x21, 0x00, b""),
    "v2 unix": pp.raw(0x21, 0x31, b"\0" * 216),
    "v2 UDP": pp.raw(0x21, 0x12, pp.block(*CLIENT)),
}


@pytest.mark.parametrize("name", HEADERS)
def test_the_header_s_source_is_the_client(proxy, name):
    header, (source, source_port, _, port) = HEADERS[name]
    target = "/" + name.replace(" ", "-")
    with introduced(proxy, header) as client:
        for _ in range(2):
            fields = seen(client.request(target=target, headers={"X-Forwarded-For": "6.6.6.6"}))
            assert fields["x-real-ip"] == fields["x-forwarded-for"] == fields["remote_addr"] == source
            assert fields["x-forwarded-port"] == str(port)
    record = proxy.access_record(target=target)
    assert (record["client_ip"], record["client_port"]) == (source, source_port)


@pytest.mark.parametrize("name", OWN)
def test_without_a_client_in_the_header_the_connection_s_own_addresses_count(proxy, name):
    target = "/" + name.replace(" ", "-")
    with introduced(proxy, OWN[name]) as client:
        own_port = client.sock.getsockname()[1]
        fields = seen(client.request(target=target))
        assert fields["x-real-ip"] == "127.0.0.1"
        assert fields["x-forwarded-port"] == str(proxy.port)
    assert proxy.access_record(target=target)["client_port"] == own_port


@pytest.mark.parametrize("header", [LINE, pp.binary(*CLIENT_6, pp.tlv(4, b"x" * 20), checksum=True)], ids=["v1", "v2"])
def test_a_header_that_comes_byte_by_byte(proxy, header):
    with proxy.client() as client:
        for byte in header + GET:
            client.send(bytes([byte]))
            time.sleep(0.002)  # so that each is an arrival of its own
        assert seen(client.read_response())["x-real-ip"] in (CLIENT[0], CLIENT_6[0])


@pytest.mark.parametrize("header", [LINE, pp.binary(*CLIENT)], ids=["v1", "v2"])
def test_a_header_in_two_pieces_wherever_it_is_cut(proxy, header):
    clients = []
    for cut in range(1, len(header)):
        client = proxy.client()
        client.send(header[:cut])
        clients.append(client)
    for cut, client in enumerate(clients, 1):
        client.send(header[cut:] + GET)
    for client in clients:
        with client:
            assert seen(client.read_response())["x-real-ip"] == CLIENT[0]


def test_a_header_and_several_requests_in_one_packet(proxy):
    with introduced(proxy, LINE + GET + GET) as client:
        assert client.read_response().status == client.read_response().status == 200


def test_a_client_that_ends_its_side_behind_the_request_is_answered(proxy):
    with introduced(proxy, LINE + b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") as client:
        client.half_close()
        assert seen(client.read_response())["x-real-ip"] == CLIENT[0]


def test_a_second_header_is_no_request(proxy):
    with introduced(proxy, LINE + LINE + GET) as client:
        assert client.read_response().status == 400


@pytest.mark.parametrize("pieces", [1, 2], ids=["whole", "in pieces"])
@pytest.mark.parametrize("name", MALFORMED)
def test_anything_else_is_refused_and_nothing_reaches_a_server(proxy, server, name, pieces):
    refused, requests = proxy.metrics().total(REFUSED), len(server.requests)
    data = MALFORMED[name] + GET
    with proxy.client() as client:
        with contextlib.suppress(ConnectionError):
            for begin, end in [(0, len(data))] if pieces == 1 else [(0, 3), (3, 14), (14, len(data))]:
                client.send(data[begin:end])
                time.sleep(0.005 * (pieces - 1))
        assert client.at_end()
    wait_until(lambda: proxy.metrics().total(REFUSED) == refused + 1, what="the refusal being counted")
    assert len(server.requests) == requests


@pytest.mark.parametrize("part", [b"P", LINE[:-1], pp.binary(*CLIENT)[:-1]], ids=["P", "v1", "v2"])
def test_a_client_that_ends_within_its_header(proxy, server, part):
    refused = proxy.metrics().total(REFUSED)
    with introduced(proxy, part) as client:
        client.half_close()
        assert client.at_end()
    wait_until(lambda: proxy.metrics().total(REFUSED) == refused + 1, what="the refusal being counted")


def test_connections_that_open_and_close_are_no_refusals(azulb, scripted):
    proxy = expecting(azulb, scripted(always(OK)))
    for _ in range(5):
        proxy.client().close()
    with proxy.client() as client:
        client.reset()
    with introduced(proxy, LINE) as client:
        assert client.request().status == 200
    wait_until(lambda: proxy.metrics().total("azulb_connections_active") == 0, what="all being closed")
    assert proxy.metrics().total(REFUSED) == 0
    assert "refused" not in proxy.stderr()


def test_only_trusted_peers_may_connect_at_all(azulb, scripted):
    server = scripted(always(OK))
    proxy = expecting(azulb, server, trusted=["127.0.0.2/31"])
    for data in (LINE + GET, GET, b""):
        with proxy.client() as client:
            with contextlib.suppress(ConnectionError):
                client.send(data)
            assert client.at_end()
    assert not server.peers
    wait_until(lambda: proxy.metrics().total(REFUSED) >= 3, what="the refusals being counted")
    assert proxy.metrics().total("azulb_connections_active") == 0
    lines = [line for line in proxy.stderr().splitlines() if "refused" in line]
    assert len(lines) == 1 and "127.0.0.1" in lines[0] and "trusted_proxies" in lines[0], lines
    with proxy.client(source="127.0.0.3") as client:
        client.send(LINE)
        assert client.request().status == 200


def test_a_header_that_does_not_come_in_time(azulb, scripted):
    server = scripted(always(OK))
    proxy = expecting(azulb, server, timeout={"header": "200ms"})
    with proxy.client() as silent, proxy.client() as slow, introduced(proxy, LINE) as good:
        slow.send(LINE[:20])
        assert good.request().status == 200
        assert silent.at_end() and slow.at_end()
        assert good.request().status == 200, "it had its header in time"
    assert proxy.metrics().total(REFUSED) == 2
    assert "in time" in proxy.stderr()


def test_waiting_for_a_header_counts_as_a_connection(azulb, scripted):
    server = scripted(always(OK))
    proxy = azulb(
        server,
        process={"workers": 1, "max_connections": 3},
        listener={"proxy_protocol": True, "trusted_proxies": ["127.0.0.1"], "timeout": {"header": "1s"}},
    )

    def active():
        return proxy.metrics().total("azulb_connections_active")

    wait_until(lambda: active() == 0, what="the start's own connection being gone")
    silent = [proxy.client() for _ in range(3)]
    wait_until(lambda: active() == 3, what="three connections")
    with introduced(proxy, LINE) as waiting:
        waiting.send(GET)
        assert waiting.read_response().status == 200, "it got its turn when the others' time was up"
    for client in silent:
        client.close()
    wait_until(lambda: active() == 0, what="all being closed")
    assert proxy.metrics().total(REFUSED) == 3


def test_a_limit_per_client_counts_the_header_s_clients(azulb, scripted):
    proxy = expecting(azulb, scripted(always(OK)), limit={"connections_per_client": 1})
    with introduced(proxy, LINE) as one, introduced(proxy, pp.line("192.0.2.8", 1, "198.51.100.1", 443)) as other:
        assert one.request().status == other.request().status == 200
        with introduced(proxy, pp.binary(CLIENT[0], 1, *CLIENT[2:])) as again:
            assert again.request().status == 429


def test_hash_client_ip_follows_the_header(azulb, scripted):
    servers = [scripted(always(OK)) for _ in range(4)]
    proxy = azulb(
        *servers,
        upstream={"balance": "hash", "hash_key": "client_ip"},
        listener={"proxy_protocol": True, "trusted_proxies": ["127.0.0.1"]},
    )
    for last in range(1, 31):
        with introduced(proxy, pp.line(f"192.0.2.{last}", 1, "198.51.100.1", 443)) as client:
            assert client.request().status == 200
    assert sum(1 for server in servers if server.requests) > 1


def test_x_forwarded_for_is_believed_only_from_a_trusted_source_in_the_header(azulb, scripted):
    server = scripted(echo)
    proxy = expecting(azulb, server, trusted=["127.0.0.1", "203.0.113.0/24"])
    claim = {"X-Forwarded-For": "6.6.6.6"}
    with introduced(proxy, LINE) as client:
        assert seen(client.request(headers=claim))["x-forwarded-for"] == CLIENT[0]
    with introduced(proxy, pp.line("203.0.113.9", 1, "198.51.100.1", 443)) as client:
        fields = seen(client.request(headers=claim))
        assert fields["x-forwarded-for"] == "6.6.6.6, 203.0.113.9" and fields["x-real-ip"] == "6.6.6.6"
    with introduced(proxy, pp.LOCAL) as client:
        assert seen(client.request(headers=claim))["x-real-ip"] == "6.6.6.6", "the proxy's own request"


def test_over_a_unix_socket_peers_are_trusted_and_must_send_it(azulb, scripted, tmp_path):
    path = str(tmp_path / "front.sock")
    server = scripted(echo)
    proxy = azulb(
        server, extra={"listener": {"unix": {"address": f"unix:{path}", "proxy_protocol": True}}}
    )
    wait_until(lambda: os.path.exists(path), what="the socket")
    for header in (LINE, pp.binary(*CLIENT)):
        with Client(path) as client:
            for byte in header + GET:
                client.send(bytes([byte]))
            assert seen(client.read_response())["x-real-ip"] == CLIENT[0]
    with Client(path) as client:
        client.send(pp.LOCAL + GET)
        assert client.read_response().status == 200
    with Client(path) as client:
        client.send(GET)
        assert client.at_end()
    assert proxy.metrics().total(REFUSED, listener="unix") == 1


def test_a_large_upload_behind_a_header(proxy, server):
    body = b"x" * 3_000_000
    with introduced(proxy, pp.binary(*CLIENT, checksum=True)) as client:
        client.send_request("POST", "/upload", body=body)
        assert client.read_response().status == 200
    assert [request.body for request in server.completed if request.target == "/upload"] == [body]


def test_at_the_drain_a_header_on_its_way_has_a_moment(azulb, scripted):
    server = scripted(always(OK))
    proxy = expecting(azulb, server)
    with proxy.client() as late, proxy.client() as silent:
        late.send(LINE[:10])
        wait_until(lambda: proxy.metrics().total("azulb_connections_active") == 2, what="both being accepted")
        proxy.signal(signal.SIGTERM)
        wait_until(lambda: proxy.admin("/readyz").status == 503, what="draining")
        late.send(LINE[10:] + GET)
        answer = late.read_response()
        assert answer.status == 200 and answer.header("connection") == "close"
        assert silent.at_end()
    assert proxy.wait_exit() == 0


def test_at_the_end_of_the_drain_time_waiting_connections_are_closed(azulb, scripted):
    proxy = azulb(
        scripted(always(OK)),
        process={"drain_timeout": "100ms"},
        listener={"proxy_protocol": True, "trusted_proxies": ["127.0.0.1"]},
    )
    with proxy.client() as silent:
        wait_until(lambda: proxy.metrics().total("azulb_connections_active") == 1, what="it being accepted")
        proxy.signal(signal.SIGTERM)
        assert proxy.wait_exit() == 0
        assert silent.at_end()


def test_curl(proxy):
    url = f"http://127.0.0.1:{proxy.port}/curl"
    done = subprocess.run(
        [shutil.which("curl"), "-sS", "--haproxy-protocol", "--max-time", "10", url, url],
        capture_output=True,
        check=True,
        timeout=30,
    )
    assert done.stdout.count(b"X-Real-IP: 127.0.0.1") == 2, done.stdout


@pytest.mark.parametrize("options", ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"])
def test_haproxy_in_front(proxy, haproxy, options):
    front = haproxy(f"server azulb {proxy.name} {options}")
    with Client(front.address) as client:
        port = client.sock.getsockname()[1]
        assert seen(client.request(target="/haproxy"))["x-real-ip"] == "127.0.0.1"
        assert seen(client.request())["x-forwarded-port"] == str(front.port)
    assert proxy.access_record(target="/haproxy", client_port=port)


def test_haproxy_checks_azulb(proxy, server, haproxy):
    """Its checks are UNKNOWN or LOCAL."""
    before = proxy.metrics().total(REFUSED)
    front = haproxy(
        f"option httpchk GET /check\n  server azulb {proxy.name} send-proxy-v2 check inter 100ms fall 1"
    )
    wait_until(lambda: any(request.target == "/check" for request in server.requests), what="a check")
    with Client(front.address) as client:
        assert client.request().status == 200
    assert proxy.metrics().total(REFUSED) == before


def test_a_crowd_that_does_everything_at_once(azulb, scripted):
    """Whole, slow, wrong, half and reset headers side by side: all end, and who behaves is served."""
    proxy = expecting(azulb, scripted(echo), timeout={"header": "500ms"})
    choice = random.Random(7)
    beginnings = [*(header for header, _ in HEADERS.values()), *OWN.values(), *MALFORMED.values(), b""]
    for _ in range(20):
        crowd = []
        for _ in range(20):
            data = choice.choice(beginnings) + GET
            client = proxy.client()
            crowd.append((client, data, choice.randrange(len(data))))
            client.send(data[: crowd[-1][2]])
        choice.shuffle(crowd)
        for client, data, sent in crowd:
            with contextlib.suppress(OSError):  # it may have been refused meanwhile
                ending = choice.randrange(5)
                if ending == 0:
                    client.reset()
                elif ending == 1:
                    client.close()
                elif ending == 2:
                    client.half_close()
                else:
                    client.send(data[sent:])
        with introduced(proxy, LINE) as client:
            assert seen(client.request())["x-real-ip"] == CLIENT[0]
        for client, _, _ in crowd:
            client.close()
    wait_until(lambda: proxy.metrics().total("azulb_connections_active") == 0, what="all being closed")
