"""PROXY headers stand ahead of TLS, on both sides."""

import ssl
import subprocess

import pytest

from support import proxy_protocol as pp
from support.client import connect
from support.scripted_server import echo

CLIENT = ("192.0.2.7", 40000, "198.51.100.1", 443)
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
HEADERS = {"v1": pp.line(*CLIENT), "v2": pp.binary(*CLIENT, checksum=True)}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    directory = tmp_path_factory.mktemp("certificate")
    paths = {"cert": str(directory / "cert.pem"), "key": str(directory / "key.pem")}
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", paths["key"], "-out", paths["cert"], "-subj", "/CN=localhost", "-days", "2",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True, timeout=30,
    )
    return paths


@pytest.fixture
def proxy(azulb, scripted, certificate):
    return azulb(
        scripted(echo),
        listener={
            "proxy_protocol": True,
            "trusted_proxies": ["127.0.0.1"],
            "tls": {"certificates": [certificate]},
        },
    )


def client_context(certificate):
    return ssl.create_default_context(cafile=certificate["cert"])


def read_to_end(sock):
    data = b""
    while part := sock.recv(65536):
        data += part
    return data


@pytest.mark.parametrize("version", HEADERS)
def test_a_client_over_tls_behind_a_header(proxy, certificate, version):
    with connect(proxy.address) as sock:
        for byte in HEADERS[version]:
            sock.sendall(bytes([byte]))
        with client_context(certificate).wrap_socket(sock, server_hostname="localhost") as wrapped:
            wrapped.sendall(REQUEST)
            assert b"X-Real-IP: 192.0.2.7\r\n" in read_to_end(wrapped)


@pytest.mark.parametrize("version", HEADERS)
def test_the_header_and_the_first_record_in_one_packet(proxy, certificate, version):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = client_context(certificate).wrap_bio(incoming, outgoing, server_hostname="localhost")
    with connect(proxy.address) as sock:
        ahead = HEADERS[version]
        while True:
            try:
                session.do_handshake()
                break
            except ssl.SSLWantReadError:
                sock.sendall(ahead + outgoing.read())
                ahead = b""
                incoming.write(sock.recv(65536))
        session.write(REQUEST)
        sock.sendall(outgoing.read())
        incoming.write(read_to_end(sock))
        assert b"X-Real-IP: 192.0.2.7\r\n" in session.read(65536)


def test_tls_without_a_header_is_refused(proxy, certificate):
    with connect(proxy.address) as sock, pytest.raises((ssl.SSLError, OSError)):
        client_context(certificate).wrap_socket(sock, server_hostname="localhost")
    assert proxy.metrics().total("azulb_proxy_headers_refused_total") == 1


@pytest.mark.parametrize("version", [1, 2])
def test_a_server_over_tls_is_told_ahead_of_the_handshake(azulb, nginx, certificate, version):
    server = nginx(
        f"ssl_certificate {certificate['cert']}; ssl_certificate_key {certificate['key']};"
        'location / { return 200 "$proxy_protocol_addr $proxy_protocol_port"; }',
        server_options="ssl proxy_protocol",
    )
    proxy = azulb(
        server,
        upstream={
            "proxy_protocol": version,
            "tls": {"ca": certificate["cert"], "server_name": "localhost"},
            "health": {"path": "/", "interval": "100ms"},
        },
    )
    proxy.wait_health(server, "up")
    for _ in range(2):
        with proxy.client() as client:
            address, port = client.sock.getsockname()
            for _ in range(3):
                assert client.request().body.decode() == f"{address} {port}"
    assert proxy.metrics().total("azulb_server_connections_opened_total") == 2


def test_a_post_is_tried_elsewhere_if_the_handshake_fails_behind_the_header(azulb, scripted, nginx, certificate):
    """The header has left, but not a byte of the request."""

    def refusing(peer):
        peer.read_some()

    good = nginx(
        f"ssl_certificate {certificate['cert']}; ssl_certificate_key {certificate['key']};"
        "location / { return 200 ok; }",
        server_options="ssl proxy_protocol",
    )
    proxy = azulb(
        scripted(refusing),
        good,
        upstream={"proxy_protocol": 2, "tls": {"ca": certificate["cert"], "server_name": "localhost"}},
    )
    assert [proxy.fetch("POST", body=b"x").status for _ in range(4)] == [200] * 4
