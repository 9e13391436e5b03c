"""TLS towards servers: who is believed, what is sent to whom, and what becomes of a server that fails."""

import contextlib
import hashlib
import os
import re
import socket
import subprocess
import threading

import pytest

from support.client import Client, outcome
from support.ports import free_port
from support.scripted_server import OK, ScriptedServer, always, echo, response
from support.tls import TLS12, TLS13, TlsScriptedServer, server_context, tls_fetch
from support.waiting import wait_until
from support.websocket import echo_bytes, handshake, upgrading

VERSIONS = pytest.mark.parametrize("version", [TLS12, TLS13], ids=["1.2", "1.3"])


@pytest.fixture
def tls_scripted(certificates):
    """Factory: tls_scripted(handler, leaf, …) starts a scripted server over TLS; without a leaf it shows certificates.ec."""
    servers = []

    def start(handler, leaf=None, **more):
        options = {key: more.pop(key) for key in ("client_ca", "version", "alpn") if key in more}
        server = TlsScriptedServer(handler, server_context(leaf or certificates.ec, **options), **more)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.close()
    for server in servers:
        server.check()


@pytest.fixture
def proxy_to(azulb, certificates):
    """As azulb, speaking TLS to servers that `certificates.authority` vouches for."""

    def start(*servers, tls=None, upstream=None, **more):
        table = {"ca": certificates.authority.bundle, **(tls or {})}
        table = {key: value for key, value in table.items() if value is not None}
        return azulb(*servers, upstream={**(upstream or {}), "tls": table}, **more)

    return start


# ---- pages
@VERSIONS
def test_a_page_comes_over_a_kept_connection(proxy_to, tls_scripted, version):
    server = tls_scripted(echo, version=version)
    proxy = proxy_to(server)
    with proxy.client() as client:
        for number in range(5):
            answer = client.request("GET", f"/{number}")
            assert answer.status == 200 and answer.body.startswith(b"GET /%d\r\n" % number)
            assert b"X-Forwarded-Proto: http\r\n" in answer.body
    assert len(server.peers) == 1


def test_nginx_serves_over_tls_and_resumes_its_sessions(proxy_to, nginx, certificates):
    leaf = certificates.ec
    server = nginx(
        "location / { add_header X-Reused $ssl_session_reused; add_header X-Version $ssl_protocol;"
        " add_header X-Name $ssl_server_name; return 200 'page'; }",
        server_options=f"ssl; ssl_certificate {leaf.cert}; ssl_certificate_key {leaf.key}",
    )
    proxy = proxy_to(server, upstream={"keepalive": {"connections": 0}})
    reused = []
    for _ in range(5):
        answer = proxy.fetch()
        assert answer.status == 200 and answer.body == b"page"
        reused.append(answer.header("x-reused"))
    assert reused == [".", "r", "r", "r", "r"]


@VERSIONS
def test_sessions_are_resumed_on_new_connections(proxy_to, tls_scripted, version):
    server = tls_scripted(always(OK), version=version)
    proxy = proxy_to(server, upstream={"keepalive": {"connections": 0}})
    for _ in range(4):
        assert proxy.fetch().status == 200
    assert server.resumed == [False, True, True, True]


def test_a_post_goes_over_a_new_connection_and_is_sent_once(proxy_to, tls_scripted):
    server = tls_scripted(always(OK))
    proxy = proxy_to(server)
    for _ in range(3):
        assert proxy.fetch("GET").status == 200
        assert proxy.fetch("POST", body=b"x").status == 200
    assert len([request for request in server.requests if request.method == "POST"]) == 3


# ---- who is believed
WRONG = {
    "expired": "expired",
    "wrong_name": "mismatch",
    "unknown": "unable to get local issuer certificate",
    "self_signed": "self-signed certificate",
}


@VERSIONS
@pytest.mark.parametrize("which,word", WRONG.items())
def test_a_server_with_a_wrong_certificate_gets_no_request(proxy_to, tls_scripted, certificates, which, word, version):
    server = tls_scripted(always(OK), getattr(certificates, which), version=version)
    proxy = proxy_to(server)
    for method in ("GET", "POST"):
        answer = proxy.fetch(method, body=b"x" if method == "POST" else None)
        assert answer.status == 502
    assert [record["error"] for record in proxy.access_log(2)] == ["upstream_tls"] * 2
    assert re.search(f"warn.*{re.escape(server.name)}.*{word}", proxy.stderr()), proxy.stderr()
    assert not server.requests
    assert proxy.metrics().total("azulb_server_errors_total", kind="tls") >= 2


@pytest.mark.parametrize("which", WRONG)
def test_verify_false_believes_anybody(proxy_to, tls_scripted, certificates, which):
    server = tls_scripted(always(OK), getattr(certificates, which))
    assert proxy_to(server, tls={"verify": False, "ca": None}).fetch().status == 200


def test_another_failure_with_verify_false_is_not_blamed_on_the_certificate(proxy_to, tls_scripted, certificates):
    server = tls_scripted(
        always(OK), certificates.self_signed, client_ca=certificates.authority.bundle, version=TLS12
    )
    proxy = proxy_to(server, tls={"verify": False})
    assert proxy.fetch().status == 502
    assert "handshake failure" in proxy.stderr() and "not accepted" not in proxy.stderr()


def test_without_a_bundle_the_systems_decides(proxy_to, tls_scripted, certificates):
    server = tls_scripted(always(OK))
    assert proxy_to(server, tls={"ca": None}).fetch().status == 502
    bundle = {"SSL_CERT_FILE": certificates.authority.bundle}
    assert proxy_to(server, tls={"ca": None}, environment=bundle).fetch().status == 200


def test_the_name_is_verified_and_asked_for_and_an_address_only_verified(proxy_to, tls_scripted, certificates):
    server = tls_scripted(always(OK))
    assert proxy_to(server).fetch().status == 200
    assert server.names == [None], "no SNI for an address (RFC 6066 section 3)"
    assert proxy_to(f"localhost:{server.address[1]}").fetch().status == 200
    assert proxy_to(server, tls={"server_name": "both.test"}).fetch().status == 200
    assert server.names[1:] == ["localhost", "both.test"]
    assert proxy_to(server, tls={"server_name": "other.test"}).fetch().status == 502


def test_a_wildcard_certificate_is_for_one_label(proxy_to, tls_scripted, certificates):
    server = tls_scripted(always(OK), certificates.wildcard)
    for name, status in (("a.wild.test", 200), ("A.Wild.Test", 200), ("a.b.wild.test", 502), ("wild.test", 502)):
        assert proxy_to(server, tls={"server_name": name}).fetch().status == status, name


# ---- azulb's own certificate
@VERSIONS
def test_azulb_shows_its_certificate_to_who_asks(proxy_to, tls_scripted, certificates, version):
    c = certificates
    server = tls_scripted(always(OK), client_ca=c.authority.bundle, version=version)
    assert proxy_to(server, tls=c.client.pair).fetch().status == 200
    for more in ({}, c.unknown_client.pair):
        proxy = proxy_to(server, tls=more)
        answer = proxy.fetch()
        assert answer.status == 502


def test_nginx_verifies_azulbs_certificate(proxy_to, nginx, certificates):
    c = certificates
    server = nginx(
        "location / { return 200 '$ssl_client_verify $ssl_client_s_dn'; }",
        server_options=f"ssl; ssl_certificate {c.ec.cert}; ssl_certificate_key {c.ec.key};"
        f" ssl_client_certificate {c.authority.bundle}; ssl_verify_client on",
    )
    assert proxy_to(server, tls=c.client.pair).fetch().body == b"SUCCESS CN=app one,O=Example"
    assert proxy_to(server).fetch().status == 400, "nginx asks for a certificate"


# ---- servers that fail
def test_a_server_with_a_bad_certificate_is_passed_over(proxy_to, tls_scripted, certificates):
    bad, good = tls_scripted(always(OK), certificates.expired), tls_scripted(always(OK))
    proxy = proxy_to(bad, good)
    for method in ("GET", "POST") * 3:
        assert proxy.fetch(method, body=b"x" if method == "POST" else None).status == 200
    assert not bad.requests
    assert len(good.requests) == 6


def test_a_plain_server_on_that_port_is_a_failed_handshake(proxy_to, scripted, tls_scripted):
    """It answers the ClientHello with an HTTP error, as servers do."""

    def handler(peer):
        peer.read_some()
        peer.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

    proxy = proxy_to(scripted(handler))
    assert proxy.fetch().status == 502
    assert proxy.access_log()[0]["error"] == "upstream_tls"
    assert "TLS: " in proxy.stderr()


@pytest.mark.parametrize("how", ["close", "reset", "alert", "close_notify"])
def test_a_server_that_breaks_off_the_handshake_is_passed_over(proxy_to, scripted, tls_scripted, how):
    def handler(peer):
        peer.read_some()
        if how == "reset":
            peer.reset()
        elif how == "alert":
            peer.send(b"\x15\x03\x03\x00\x02\x02\x28")
        elif how == "close_notify":
            peer.send(b"\x15\x03\x03\x00\x02\x01\x00")
            peer.wait_closed()

    bad, good = scripted(handler), tls_scripted(always(OK))
    proxy = proxy_to(bad, good)
    for _ in range(2):
        assert proxy.fetch("POST", body=b"x").status == 200
    assert len(good.requests) == 2
    alone = proxy_to(bad)
    assert alone.fetch().status == 502
    assert alone.access_log()[0]["error"] == "upstream_tls"


def test_a_handshake_that_hangs_counts_as_connecting(proxy_to, scripted, tls_scripted):
    hanging, good = scripted(lambda peer: peer.wait_closed()), tls_scripted(always(OK))
    proxy = proxy_to(hanging, good, upstream={"timeout": {"connect": "200ms"}})
    for _ in range(2):
        assert proxy.fetch("POST", body=b"x").status == 200
    alone = proxy_to(hanging, upstream={"timeout": {"connect": "200ms"}})
    assert alone.fetch().status == 504
    assert len(good.requests) == 2


# ---- kept connections
@pytest.mark.parametrize("idle", [0, 1.1], ids=["at once", "idle for over a second"])
def test_what_tls_1_3_says_on_an_idle_connection_is_no_stray_byte(proxy_to, certificates, idle):
    """A key update, as a late ticket, is a record that no application sees. `openssl s_server` serves one connection."""
    leaf, port = certificates.ec, free_port()
    command = ["stdbuf", "-oL", "openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-tls1_3"]
    command += ["-cert", leaf.cert, "-key", leaf.key]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as server:
        try:
            seen = b""

            def read_until(mark, count):
                nonlocal seen
                while seen.count(mark) < count:
                    seen += server.stdout.read1(65536)

            def write(data):
                server.stdin.write(data)
                server.stdin.flush()

            read_until(b"ACCEPT", 1)
            proxy = proxy_to(f"127.0.0.1:{port}", upstream={"keepalive": {"idle": "60s"}})
            with proxy.client() as client:
                for number in (1, 2, 3):
                    client.send_request()
                    read_until(b"GET / HTTP/1.1", number)
                    write(OK)
                    assert client.read_response().status == 200
                    write(b"K\n")
                    read_until(b"SSL_do_handshake -> 1", number)
                    threading.Event().wait(idle)  # what is tested is a time
            assert proxy.metrics().total("azulb_server_connections_opened_total") == 1
        finally:
            server.kill()


def test_a_kept_connection_whose_server_closed_it_is_replaced(proxy_to, tls_scripted):
    for clean in (False, True):
        leave = threading.Event()

        def handler(peer, clean=clean, leave=leave):
            peer.read_request()
            peer.send(OK)
            if peer.number == 0:
                leave.wait(10)
                if clean:
                    peer.sock.settimeout(1)
                    with contextlib.suppress(OSError):
                        peer.sock.unwrap()
                return
            peer.wait_closed()

        server = tls_scripted(handler)
        proxy = proxy_to(server)
        assert proxy.fetch().status == 200
        leave.set()
        server.peers[0].finished.wait(10)
        assert proxy.fetch().status == 200
        assert proxy.metrics().total("azulb_server_errors_total") == 0


# ---- ends of responses
@VERSIONS
@pytest.mark.parametrize("clean", [True, False], ids=["close_notify", "bare FIN"])
def test_a_response_without_length_is_whole_only_with_close_notify(proxy_to, tls_scripted, version, clean):
    def handler(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * 10_000)
        if clean:
            peer.sock.settimeout(5)
            with contextlib.suppress(OSError):
                peer.sock.unwrap()
        else:
            peer.sock.shutdown(socket.SHUT_RDWR)

    proxy = proxy_to(tls_scripted(handler, version=version))
    with proxy.client() as client:
        client.send_request()
        verdict, answer = outcome(client)
    assert verdict == ("complete" if clean else "aborted")
    if clean:
        assert len(answer.body) == 10_000


@pytest.mark.parametrize("head", [b"Content-Length: 100", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("clean", [True, False], ids=["close_notify", "bare FIN"])
def test_a_response_with_length_that_is_cut_off_is_aborted_either_way(proxy_to, tls_scripted, head, clean):
    def handler(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n5\r\nhello\r\n")
        if clean:
            peer.sock.settimeout(5)
            with contextlib.suppress(OSError):
                peer.sock.unwrap()

    proxy = proxy_to(tls_scripted(handler))
    with proxy.client() as client:
        client.send_request()
        assert outcome(client)[0] == "aborted"


def test_a_server_that_leaves_before_its_answer_is_an_error_and_a_post_is_not_repeated(proxy_to, tls_scripted):
    server = tls_scripted(lambda peer: peer.read_request())
    other = tls_scripted(lambda peer: peer.read_request())
    proxy = proxy_to(server, other)
    assert proxy.fetch("POST", body=b"x").status == 502
    assert len(server.requests) + len(other.requests) == 1


# ---- bulk
SIZE = 60_000_000


@pytest.mark.slow
@VERSIONS
def test_large_bodies_pass_in_both_directions(proxy_to, tls_scripted, version):
    block = os.urandom(1_000_000)
    expected = hashlib.sha256(block * (SIZE // len(block))).digest()
    digests = []

    def handler(peer):
        peer.read_request_head()
        digest, got = hashlib.sha256(bytes(peer.buffer)), len(peer.buffer)
        while got < SIZE:
            data = peer.sock.recv(65536)
            digest.update(data)
            got += len(data)
        digests.append(digest.digest())
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
        for _ in range(SIZE // len(block)):
            peer.send(block)
        peer.wait_closed()

    proxy = proxy_to(tls_scripted(handler, version=version))
    with Client(proxy.address, timeout=60) as client:
        client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % SIZE)
        for _ in range(SIZE // len(block)):
            client.send(block)
        client.read_head()
        digest, got = hashlib.sha256(bytes(client.buffer)), len(client.buffer)
        while got < SIZE:
            data = client.sock.recv(65536)
            digest.update(data)
            got += len(data)
    assert digests == [expected] and digest.digest() == expected
    assert proxy.resident_bytes() < 400_000_000


def test_a_websocket_passes_over_tls_to_the_server(proxy_to, tls_scripted):
    proxy = proxy_to(tls_scripted(upgrading(echo_bytes)))
    with proxy.client(timeout=30) as client:
        assert handshake(client, extra=b"early").status == 101
        assert client.read_exact(5) == b"early"
        frame = os.urandom(1_000_000)
        for _ in range(3):
            sender = threading.Thread(target=client.send, args=(frame,))
            sender.start()
            assert client.read_exact(len(frame)) == frame
            sender.join()


def test_tls_on_both_sides(tls_azulb, tls_scripted, certificates):
    server = tls_scripted(always(response(200, b"x" * 500_000)))
    proxy = tls_azulb(server, upstream={"tls": {"ca": certificates.authority.bundle}})
    assert tls_fetch(proxy.address).body == b"x" * 500_000


# ---- health checks
HEALTH = {"interval": "50ms", "timeout": "500ms", "rise": 1, "fall": 1, "path": "/health"}


def test_health_checks_go_over_tls_up_and_down(azulb, certificates):
    context = server_context(certificates.ec)
    port = free_port()
    server = TlsScriptedServer(always(OK), context, port=port)
    name = server.name
    proxy = azulb(name, upstream={"health": HEALTH, "tls": {"ca": certificates.authority.bundle}})
    try:
        proxy.wait_health(name, "up")
        server.close()
        proxy.wait_health(name, "down")
        server = TlsScriptedServer(always(OK), context, port=port)
        proxy.wait_health(name, "up")
        server.close()
        proxy.wait_health(name, "down")
    finally:
        server.close()


@pytest.mark.parametrize("which,word", WRONG.items())
def test_a_health_check_says_what_is_wrong_with_the_certificate(proxy_to, tls_scripted, certificates, which, word):
    server = tls_scripted(always(OK), getattr(certificates, which))
    proxy = proxy_to(server, upstream={"health": HEALTH})
    proxy.wait_health(server, "down")
    wait_until(lambda: re.search(f"TLS: .*{word}", proxy.stderr()), what="the reason in the log")
    assert not server.requests


def test_health_checks_and_requests_show_azulbs_certificate(proxy_to, tls_scripted, certificates):
    server = tls_scripted(always(OK), client_ca=certificates.authority.bundle)
    proxy = proxy_to(server, tls=certificates.client.pair, upstream={"health": HEALTH})
    proxy.wait_health(server, "up")
    assert proxy.fetch().status == 200
