"""HTTP/2 over TLS, where ALPN agrees on it."""

import shutil
import subprocess

from support.client import connect
from support.http2 import DATA, END_STREAM, NO_ERROR, Http2Client, frame, get
from support.scripted_server import OK, always, echo, response
from support.tls import TlsClient, client_context


def http2_over_tls(proxy, name="both.test", **more):
    sock = client_context(alpn=("h2", "http/1.1")).wrap_socket(connect(proxy.address), server_hostname=name)
    assert sock.selected_alpn_protocol() == "h2"
    return Http2Client(proxy.address, sock=sock, **more)


def test_requests_bodies_and_their_scheme(tls_azulb, scripted):
    server = scripted(echo)
    proxy = tls_azulb(server)
    with http2_over_tls(proxy) as client:
        assert client.request(get("/one")).status == 200
        number = client.open(get("/two", method="POST"), body=...)
        for _ in range(20):
            client.send(frame(DATA, 0, number, b"x" * 3000))
        client.send(frame(DATA, END_STREAM, number))
        assert client.response(number).status == 200
    assert server.requests[0].header("x-forwarded-proto") == "https"
    assert server.completed[1].body == b"x" * 60_000
    assert proxy.access_record(target="/one")["version"] == "HTTP/2.0"


def test_a_large_answer(tls_azulb, scripted):
    body = bytes(range(256)) * 40_000
    with http2_over_tls(tls_azulb(scripted(always(response(200, body))))) as client:
        assert client.request(get()).body == body


def test_http1_where_the_client_does_not_ask_for_http2(tls_azulb, scripted):
    proxy = tls_azulb(scripted(always(OK)))
    for offered, agreed in ((("http/1.1",), "http/1.1"), ((), None)):
        with TlsClient(proxy.address, client_context(alpn=offered)) as client:
            assert client.sock.selected_alpn_protocol() == agreed
            assert client.request().status == 200


def test_an_invalid_preface_ends_the_connection(tls_azulb, scripted):
    with http2_over_tls(tls_azulb(scripted(always(OK))), hello=False) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.read_to_close()
        assert not client.streams


def test_a_drain(tls_azulb, scripted):
    proxy = tls_azulb(scripted(always(OK)))
    with http2_over_tls(proxy) as client:
        assert client.request(get()).status == 200
        proxy.signal(15)
        assert client.read_to_close() == NO_ERROR
    assert proxy.wait_exit() == 0


def test_curl(tls_azulb, scripted):
    proxy = tls_azulb(scripted(always(OK)))
    command = [shutil.which("curl"), "-sSk", "-w", " %{http_version} %{http_code}", f"https://127.0.0.1:{proxy.port}/"]
    assert subprocess.run(command, capture_output=True, check=True, timeout=30).stdout == b"ok 2 200"
