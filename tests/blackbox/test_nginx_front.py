"""nginx in front of azulb: it ends TLS or begins it, and says by a PROXY header whose connection it passes on."""

import hashlib
import os

import pytest

from support.client import Client
from support.scripted_server import OK, always, echo
from support.tls import TLS12, TLS13, TlsClient, client_context
from support.waiting import wait_until

BEHIND = {"proxy_protocol": True, "trusted_proxies": ["127.0.0.1"]}


@pytest.fixture
def front(nginx, certificates):
    """Factory: an nginx that passes connections on; `tls` ends the clients' TLS, `more` is of its server block."""

    def start(proxy, tls=False, more=""):
        leaf = certificates.ec
        ended = f"ssl; ssl_certificate {leaf.cert}; ssl_certificate_key {leaf.key}" if tls else ""
        return nginx(f"proxy_pass {proxy.name}; proxy_protocol on; {more}", server_options=ended, stream=True)

    return start


@pytest.fixture
def source():
    """An address that clients can have and nginx does not."""
    return "127.0.0.77"


def seen(answer):
    """The fields the server got, from echo's answer."""
    return dict(line.split(": ", 1) for line in answer.body.decode("latin-1").split("\r\n")[1:])


def test_a_proxy_header(azulb, scripted, front, source):
    proxy = azulb(scripted(echo), listener=BEHIND)
    passed_on = front(proxy)
    with Client(passed_on.address, source=source) as client:
        port = client.sock.getsockname()[1]
        for number in range(3):
            fields = seen(client.request(target=f"/{number}"))
            assert fields["X-Real-IP"] == fields["X-Forwarded-For"] == source
            assert fields["X-Forwarded-Port"] == str(passed_on.port)
    assert proxy.access_record(target="/2", client_ip=source, client_port=port)


def test_tls_is_ended_by_nginx(azulb, scripted, front, source):
    """azulb gets plain bytes behind the header."""
    proxy = azulb(scripted(echo), listener=BEHIND)
    with TlsClient(front(proxy, tls=True).address, source=source) as client:
        assert seen(client.request())["X-Real-IP"] == source


@pytest.mark.parametrize("version", [TLS12, TLS13], ids=["1.2", "1.3"])
def test_tls_passes_through_nginx(azulb, scripted, certificates, front, source, version):
    """The handshake is azulb's, behind the header."""
    tls = {"certificates": [certificates.first.pair, certificates.ec.pair]}
    proxy = azulb(scripted(echo), listener={**BEHIND, "tls": tls})
    context, session = client_context(certificates, version), None
    passed_on = front(proxy)
    for _ in range(2):
        with TlsClient(passed_on.address, context, session=session, source=source) as client:
            fields = seen(client.request())
            assert (fields["X-Real-IP"], fields["X-Forwarded-Proto"]) == (source, "https")
            assert client.sock.session_reused == (session is not None)
            session = client.sock.session


def test_nginx_begins_tls_behind_the_header(azulb, scripted, certificates, front, source):
    """A plain client; nginx verifies azulb and shows a certificate of its own."""
    c = certificates
    tls = {"certificates": [c.ec.pair], "client_ca": c.authority.bundle, "client_verify": "required"}
    proxy = azulb(scripted(echo), listener={**BEHIND, "tls": tls})
    verified = f"""
        proxy_ssl on; proxy_ssl_verify on; proxy_ssl_name both.test; proxy_ssl_server_name on;
        proxy_ssl_trusted_certificate {c.authority.bundle};
        proxy_ssl_certificate {c.client.cert}; proxy_ssl_certificate_key {c.client.key};
    """
    with Client(front(proxy, more=verified).address, source=source) as client:
        fields = seen(client.request())
        assert fields["X-Real-IP"] == source
        assert fields["X-SSL-Client-S-DN"] == "CN=app one,O=Example"


def test_a_large_body_each_way_through_nginx_and_tls(azulb, scripted, certificates, front):
    body = os.urandom(5_000_000)

    def handler(peer):
        request = peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(request.body) + request.body)

    proxy = azulb(scripted(handler), listener={**BEHIND, "tls": {"certificates": [certificates.ec.pair]}})
    with TlsClient(front(proxy).address, timeout=30) as client:
        answer = client.request("POST", body=body)
        assert hashlib.sha256(answer.body).digest() == hashlib.sha256(body).digest()


def test_nginx_is_an_https_client_that_keeps_its_connections(tls_azulb, scripted, nginx, certificates, source):
    """nginx takes requests, and passes them on over kept, verified TLS connections."""
    proxy = tls_azulb(scripted(echo), listener={"trusted_proxies": ["127.0.0.1"]})
    before = proxy.metrics().total("azulb_tls_handshakes_total")
    server = nginx(
        f"""location / {{
          proxy_pass https://azulb; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
          proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
          proxy_ssl_verify on; proxy_ssl_name both.test; proxy_ssl_server_name on;
          proxy_ssl_trusted_certificate {certificates.authority.bundle};
        }}""",
        http=f"upstream azulb {{ server {proxy.name}; keepalive 4; }}",
    )
    with Client(server.address, source=source) as client:
        for _ in range(10):
            fields = seen(client.request(host="page.test"))
            assert (fields["X-Real-IP"], fields["Host"], fields["X-Forwarded-Proto"]) == (source, "page.test", "https")
    assert proxy.metrics().total("azulb_tls_handshakes_total") == before + 1


def test_a_front_that_is_not_trusted_is_refused(azulb, scripted, front):
    server = scripted(always(OK))
    proxy = azulb(server, listener={"proxy_protocol": True, "trusted_proxies": ["192.0.2.0/24"]})
    with Client(front(proxy).address) as client:
        client.send_request()
        client.wait_closed()
    assert not server.peers
    wait_until(lambda: proxy.metrics().total("azulb_connections_active") == 0)
