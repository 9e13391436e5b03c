"""Clients' certificates: who passes, and what the server is told that no client can forge."""

import contextlib

import pytest

from support.ports import free_port
from support.scripted_server import OK, always, echo
from support.tls import TLS12, TLS13, TlsClient, client_context, handshake_error, tls_fetch
from support.waiting import wait_until
from support.wire import Incomplete

VERSIONS = pytest.mark.parametrize("version", [TLS12, TLS13], ids=["1.2", "1.3"])

FORGED = [
    ("X-SSL-Client-Verify", "SUCCESS"),
    ("X-SSL-Client-S-DN", "CN=forged"),
    ("x-ssl-client-s-dn", "CN=forged"),
    ("X-SSL-Client-Anything-At-All-That-May-Be-Long", "forged"),
    ("X_SSL_Client_Verify", "forged"),
    ("X-SSL_Client-S_DN", "forged"),
    ("X_SSL_CLIENT_CERT_THAT_HAS_A_LONGER_NAME", "forged"),
]


def with_rules(tls_azulb, certificates, server, rule, **more):
    table = {"client_verify": rule, **({"client_ca": certificates.authority.bundle} if rule != "off" else {})}
    return tls_azulb(server, tls={**table, **more.pop("tls", {})}, **more)


def told(answer):
    """What the server was told of the client's certificate, from echo's answer."""
    lines = answer.body.decode("latin-1").split("\r\n")[1:]
    fields = [line.partition(": ")[::2] for line in lines]
    return [(name, value) for name, value in fields if "ssl" in name.lower()]


@VERSIONS
@pytest.mark.parametrize("rule", ["optional", "required"])
def test_the_right_certificate_passes_and_the_server_learns_its_subject(tls_azulb, scripted, certificates, rule, version):
    proxy = with_rules(tls_azulb, certificates, scripted(echo), rule)
    context = client_context(version=version, own=certificates.client)
    expected = [("X-SSL-Client-Verify", "SUCCESS"), ("X-SSL-Client-S-DN", "CN=app one,O=Example")]
    with TlsClient(proxy.address, context) as client:
        assert told(client.request()) == expected
        assert told(client.request()) == expected, "on each request of the connection"
        session = client.sock.session
    with TlsClient(proxy.address, context, session=session) as client:
        assert client.sock.session_reused
        assert told(client.request()) == expected, "also of a session that was resumed"


@VERSIONS
def test_required_refuses_who_has_no_certificate(tls_azulb, scripted, certificates, version):
    server = scripted(echo)
    proxy = with_rules(tls_azulb, certificates, server, "required")
    error = handshake_error(proxy.address, client_context(version=version)).lower()
    assert "certificate required" in error or "handshake failure" in error
    assert not server.peers
    wait_until(lambda: proxy.metrics().total("azulb_connections_active") == 0)


@VERSIONS
def test_optional_lets_who_has_none_pass_and_says_so(tls_azulb, scripted, certificates, version):
    proxy = with_rules(tls_azulb, certificates, scripted(echo), "optional")
    answer = tls_fetch(proxy.address, headers=FORGED, context=client_context(version=version))
    assert told(answer) == [("X-SSL-Client-Verify", "NONE")]


@VERSIONS
@pytest.mark.parametrize("rule", ["optional", "required"])
@pytest.mark.parametrize(
    "which,word", [("unknown_client", "unknown ca"), ("expired_client", "certificate expired"), ("self_signed", "unknown ca")]
)
def test_a_wrong_certificate_is_refused(tls_azulb, scripted, certificates, rule, which, word, version):
    server = scripted(echo)
    proxy = with_rules(tls_azulb, certificates, server, rule)
    context = client_context(version=version, own=getattr(certificates, which))
    assert word in handshake_error(proxy.address, context).lower()
    assert not server.peers


def test_a_certificate_for_servers_only_is_refused(tls_azulb, scripted, certificates):
    leaf = certificates.authority.issue("server-only", usage="serverAuth")
    proxy = with_rules(tls_azulb, certificates, scripted(echo), "required")
    assert "certificate" in handshake_error(proxy.address, client_context(own=leaf)).lower()


@pytest.mark.parametrize("rule", ["plain", "off", "optional", "required"])
def test_no_client_can_forge_or_remove_what_the_server_is_told(azulb, tls_azulb, scripted, certificates, rule):
    server = scripted(echo)
    context = client_context(own=certificates.client)
    named = [("Connection", "X-SSL-Client-Verify, x-ssl-client-s-dn, X_SSL_Client_Verify"), *FORGED]
    for headers in (FORGED, named):
        if rule == "plain":
            answer = azulb(server).fetch(headers=headers)
        else:
            proxy = with_rules(tls_azulb, certificates, server, rule)
            answer = tls_fetch(proxy.address, headers=headers, context=context)
        expected = [("X-SSL-Client-Verify", "SUCCESS"), ("X-SSL-Client-S-DN", "CN=app one,O=Example")]
        assert told(answer) == (expected if rule in ("optional", "required") else [])


def test_no_client_can_forge_it_in_trailers_or_as_a_trusted_proxy(azulb, scripted):
    server = scripted(always(OK))
    proxy = azulb(server, listener={"trusted_proxies": ["127.0.0.1"]})
    with proxy.client() as client:
        fields = "".join(f"{name}: {value}\r\n" for name, value in FORGED)
        client.send(f"POST / HTTP/1.1\r\nHost: a\r\n{fields}Transfer-Encoding: chunked\r\n\r\n0\r\n{fields}\r\n".encode())
        assert client.read_response().status == 200
    assert b"forged" not in server.received()
    assert b"client-verify" not in server.received().lower()


def test_a_subject_is_escaped(tls_azulb, scripted, certificates):
    leaf = certificates.authority.issue("odd", subject="/O=x\r\nEvil: y/CN=a\u00e9, b", usage="clientAuth")
    proxy = with_rules(tls_azulb, certificates, scripted(echo), "required")
    answer = tls_fetch(proxy.address, context=client_context(own=leaf))
    (_, verify), (_, subject) = told(answer)
    assert verify == "SUCCESS"
    assert subject.isascii() and "\\0D\\0A" in subject and subject.count("Evil") == 1


def test_a_long_subject_passes_or_is_an_error_and_nothing_worse(tls_azulb, scripted, certificates):
    subject = "".join(f"/OU={number:03d}{'x' * 60}" for number in range(400))
    leaf = certificates.authority.issue("long", subject=subject + "/CN=long", usage="clientAuth")
    proxy = with_rules(tls_azulb, certificates, scripted(echo), "required")
    answer = tls_fetch(proxy.address, context=client_context(own=leaf))
    assert answer.status in (200, 431, 400, 502)
    if answer.status == 200:
        assert told(answer)[1][1].startswith("CN=long,OU=399")


@VERSIONS
def test_a_session_without_a_certificate_is_not_resumed_where_one_is_required(tls_azulb, scripted, certificates, version):
    """Two listeners of one process, with the same certificate and name."""
    pair = certificates.ec.pair
    server = scripted(echo)
    port = free_port()
    strict = {
        "address": f"127.0.0.1:{port}",
        "tls": {"certificates": [pair], "client_ca": certificates.authority.bundle, "client_verify": "required"},
    }
    proxy = tls_azulb(server, extra={"listener": {"strict": strict}})
    context = client_context(version=version)
    with TlsClient(proxy.address, context) as client:
        assert client.request().status == 200
        session = client.sock.session
    count = len(server.requests)
    with pytest.raises((OSError, Incomplete)):
        with contextlib.closing(TlsClient(("127.0.0.1", port), context, session=session)) as client:
            client.request()
    assert len(server.requests) == count
