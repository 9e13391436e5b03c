"""TLS towards clients: who is told what in the handshake, and who is refused."""

import contextlib
import subprocess

import pytest

from support.client import Client
from support.scripted_server import OK, always, echo
from support.tls import (
    TLS12,
    TLS13,
    SClient,
    TlsClient,
    client_context,
    handshake_error,
    tls_fetch,
)
from support.waiting import wait_until
from support.websocket import HANDSHAKE

VERSIONS = pytest.mark.parametrize("version", [TLS12, TLS13], ids=["1.2", "1.3"])
GET = b"GET / HTTP/1.1\r\nHost: both.test\r\nConnection: close\r\n\r\n"


def shown_certificate(proxy, name, context=None):
    """What a client that asks for `name` is shown, in DER."""
    with contextlib.closing(TlsClient(proxy.address, context, name)) as client:
        return client.sock.getpeercert(True)


# ---- pages
@VERSIONS
def test_pages_come_over_one_connection_and_the_server_learns_of_https(tls_azulb, scripted, certificates, version):
    proxy = tls_azulb(scripted(echo))
    with TlsClient(proxy.address, client_context(certificates, version)) as client:
        for number in range(3):
            answer = client.request("GET", f"/{number}", host="both.test")
            assert answer.status == 200
            assert f"GET /{number}\r\n".encode() in answer.body
            assert b"\r\nX-Forwarded-Proto: https\r\n" in answer.body
            assert f"\r\nX-Forwarded-Port: {proxy.port}\r\n".encode() in answer.body
        assert client.sock.version() == ("TLSv1.2" if version == TLS12 else "TLSv1.3")


def test_curl_gets_a_page_and_verifies_it(tls_azulb, scripted, certificates):
    proxy = tls_azulb(scripted(always(OK)))
    command = ["curl", "-sS", "--cacert", certificates.authority.bundle, f"https://localhost:{proxy.port}/"]
    assert subprocess.run(command, capture_output=True, timeout=20).stdout == b"ok"


# ---- names
def test_the_certificate_is_chosen_by_the_name_the_client_asks_for(tls_azulb, scripted, certificates):
    c = certificates
    proxy = tls_azulb(scripted(always(OK)), tls={"certificates": [x.pair for x in (c.first, c.second, c.wildcard)]})
    expected = {
        "first.test": c.first,
        "second.test": c.second,
        "SECOND.Test": c.second,
        "mixed.second.test": c.second,
        "a.wild.test": c.wildcard,
        "A.WILD.TEST": c.wildcard,
        "a.b.wild.test": c.first,  # a wildcard is for one label
        "wild.test": c.first,
        "nobody.test": c.first,  # the first is the default
        None: c.first,
    }
    for name, leaf in expected.items():
        assert shown_certificate(proxy, name) == leaf.der(), name
    # Python takes a trailing dot away.
    shown = SClient(proxy.address, name="second.test.").output
    assert "CN = second" in shown


def test_an_exact_name_goes_before_a_wildcard(tls_azulb, scripted, certificates):
    exact = certificates.authority.issue("exact", "DNS:a.wild.test")
    proxy = tls_azulb(scripted(always(OK)), tls={"certificates": [certificates.wildcard.pair, exact.pair]})
    assert shown_certificate(proxy, "a.wild.test") == exact.der()
    assert shown_certificate(proxy, "b.wild.test") == certificates.wildcard.der()


@pytest.mark.parametrize("name", ["both.test", None], ids=["by name", "by default"])
def test_rsa_and_ecdsa_side_by_side_each_client_gets_what_it_understands(tls_azulb, scripted, certificates, name):
    c = certificates
    proxy = tls_azulb(scripted(always(OK)), tls={"certificates": [c.ec.pair, c.first.pair, c.rsa.pair]})
    for ciphers, leaf in (("ECDHE-RSA-AES128-GCM-SHA256", c.rsa), ("ECDHE-ECDSA-AES128-GCM-SHA256", c.ec)):
        assert shown_certificate(proxy, name, client_context(version=TLS12, ciphers=ciphers)) == leaf.der()
    for algorithm, leaf in (("rsa_pss_rsae_sha256", c.rsa), ("ecdsa_secp256r1_sha256", c.ec)):
        shown = SClient(proxy.address, "-tls1_3", "-sigalgs", algorithm, name=name)
        assert f"CN = {leaf.name}\n" in shown.output


def test_the_chain_behind_the_certificate_is_sent_and_nothing_else(tls_azulb, scripted, certificates):
    c = certificates
    proxy = tls_azulb(scripted(always(OK)), tls={"certificates": [c.chained.pair, c.first.pair]})
    assert tls_fetch(proxy.address, context=client_context(c), name="chained.test").status == 200
    assert SClient(proxy.address, "-showcerts", name="chained.test").certificates == 2
    assert SClient(proxy.address, "-showcerts", name="first.test").certificates == 1


# ---- ALPN
def test_a_protocol_is_agreed_on_by_alpn_and_none_where_it_is_not_asked(tls_azulb, scripted):
    proxy = tls_azulb(scripted(always(OK)))
    with TlsClient(proxy.address, client_context(alpn=("http/1.1", "h2"))) as client:
        assert client.sock.selected_alpn_protocol() == "h2"
    proxy = tls_azulb(scripted(always(OK)), listener={"http2": False})
    for offered, agreed in ((("h2", "http/1.1"), "http/1.1"), (("http/1.1",), "http/1.1"), ((), None)):
        with TlsClient(proxy.address, client_context(alpn=offered)) as client:
            assert client.sock.selected_alpn_protocol() == agreed
            assert client.request().status == 200


@VERSIONS
def test_a_client_with_no_protocol_in_common_is_refused(tls_azulb, scripted, version):
    proxy = tls_azulb(scripted(always(OK)))
    assert "no application protocol" in handshake_error(proxy.address, client_context(version=version, alpn=["imap"])).lower()


# ---- versions and ciphers
def test_min_version_1_3_refuses_1_2(tls_azulb, scripted):
    proxy = tls_azulb(scripted(always(OK)), tls={"min_version": "1.3"})
    assert "version" in handshake_error(proxy.address, client_context(version=TLS12)).lower()
    assert tls_fetch(proxy.address, context=client_context(version=TLS13)).status == 200


def test_the_ciphers_option_decides_for_tls_1_2(tls_azulb, scripted):
    proxy = tls_azulb(scripted(always(OK)), tls={"ciphers": "ECDHE-ECDSA-CHACHA20-POLY1305"})
    with TlsClient(proxy.address, client_context(version=TLS12)) as client:
        assert client.sock.cipher()[0] == "ECDHE-ECDSA-CHACHA20-POLY1305"
    handshake_error(proxy.address, client_context(version=TLS12, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256"))
    assert tls_fetch(proxy.address, context=client_context(version=TLS13)).status == 200


@pytest.mark.parametrize(
    "options,chosen",
    [
        (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256"], "ECDHE-ECDSA-AES128-GCM-SHA256"),
        (["-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256"], "ECDHE-ECDSA-CHACHA20-POLY1305"),
        (["-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256"], "TLS_AES_128_GCM_SHA256"),
        (["-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"], "TLS_CHACHA20_POLY1305_SHA256"),
    ],
)
def test_azulbs_order_of_ciphers_decides_but_who_wants_chacha20_gets_it(weak_target, options, chosen):
    assert SClient(weak_target.address, *options).cipher == chosen


@pytest.mark.parametrize(
    "options",
    [
        ["-tls1", "-cipher", "ALL:@SECLEVEL=0"],
        ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
        *(
            ["-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0"]
            for cipher in (
                "AES128-SHA",
                "AES128-GCM-SHA256",
                "ECDHE-RSA-AES128-SHA",
                "ECDHE-RSA-AES128-SHA256",
                "ECDHE-ECDSA-AES256-SHA384",
                "ECDHE-ECDSA-AES128-CCM",
                "DHE-RSA-AES128-SHA256",
                "CAMELLIA128-SHA",
                "eNULL",
                "aNULL",
                "PSK",
            )
        ),
    ],
    ids=lambda options: f"{options[0]} {options[2].split(':')[0]}",
)
def test_weak_versions_and_ciphers_are_refused(weak_target, options):
    assert SClient(weak_target.address, *options).failed


@pytest.fixture(scope="module")
def weak_target(module_azulb, module_scripted, certificates):
    """With both kinds of key."""
    pairs = [certificates.ec.pair, certificates.rsa.pair]
    return module_azulb(module_scripted(always(OK)), listener={"tls": {"certificates": pairs}})


@pytest.mark.parametrize(
    "cipher", ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "DHE-RSA-AES128-GCM-SHA256"]
)
def test_mozillas_intermediate_ciphers_are_served(weak_target, cipher):
    shown = SClient(weak_target.address, "-tls1_2", "-cipher", cipher, request=GET)
    assert shown.cipher == cipher
    assert "Secure Renegotiation IS supported" in shown.output
    assert "Compression: NONE" in shown.output
    assert "200 OK" in shown.output or "Extended master secret: yes" in shown.output


def _client_hello(version, suites):
    """Of an old client, by hand: today's OpenSSL cannot speak these any more."""
    body = version + bytes(32) + b"\0" + len(suites).to_bytes(2, "big") + suites + b"\1\0"
    handshake = b"\1" + len(body).to_bytes(3, "big") + body
    return b"\x16" + b"\3\0" + len(handshake).to_bytes(2, "big") + handshake


@pytest.mark.parametrize(
    "version,suites",
    [
        (b"\3\0", "c02fc02b009c002f"),  # SSLv3
        (b"\3\1", "c014c00a002f"),  # TLS 1.0
        (b"\3\2", "c014c00a002f"),  # TLS 1.1
        (b"\3\3", "00050004c011c007"),  # RC4
        (b"\3\3", "000ac012c0080016"),  # 3DES
        (b"\3\3", "0003000600080014"),  # export
        (b"\3\3", "00000001003bc006"),  # no encryption
        (b"\3\3", "0034001b0018c018"),  # no authentication
    ],
    ids=["SSLv3", "1.0", "1.1", "RC4", "3DES", "export", "null", "anonymous"],
)
def test_what_is_older_than_today_is_answered_with_an_alert(weak_target, version, suites):
    with Client(weak_target.address) as client:
        client.send(_client_hello(version, bytes.fromhex(suites)))
        answer, _ = client.read_all()
        assert answer[0] == 21 and answer[5] == 2 and len(answer) == 7, "a fatal alert"


def test_renegotiation_is_refused(weak_target):
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{weak_target.port}", "-tls1_2"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        seen = b""
        while b"---\n" not in seen or b"Verify return code" not in seen:
            seen += process.stdout.read1()
        process.stdin.write(b"R\n")
        process.stdin.flush()
        seen, _ = process.communicate(timeout=20)
        assert b"no renegotiation" in seen


# ---- sessions
def resumptions(proxy, context, count=12):
    """How many of `count` connections resumed, each with the session of the one before."""
    session, resumed = None, 0
    for _ in range(count):
        with TlsClient(proxy.address, context, session=session) as client:
            resumed += client.sock.session_reused
            assert client.request(host="both.test").status == 200
            session = client.sock.session
    return resumed


@VERSIONS
def test_sessions_are_resumed_whichever_worker_gets_the_connection(tls_azulb, scripted, version):
    proxy = tls_azulb(scripted(always(OK)), process={"workers": 2})
    assert resumptions(proxy, client_context(version=version)) == 11
    assert proxy.metrics().total("azulb_tls_resumptions_total") == 11
    assert proxy.metrics().total("azulb_tls_handshakes_total") == 12


@VERSIONS
def test_without_tickets_no_session_is_resumed(tls_azulb, scripted, version):
    proxy = tls_azulb(scripted(always(OK)), tls={"session_tickets": False})
    assert resumptions(proxy, client_context(version=version), 4) == 0


@VERSIONS
def test_the_session_of_another_name_with_the_same_rules_may_be_resumed_and_shows_the_right_page(
    tls_azulb, scripted, certificates, version
):
    pairs = [certificates.first.pair, certificates.second.pair]
    proxy = tls_azulb(scripted(echo), tls={"certificates": pairs})
    context = client_context(version=version)
    with TlsClient(proxy.address, context, "first.test") as client:
        client.request(host="first.test")
        session = client.sock.session
    with TlsClient(proxy.address, context, "second.test", session=session) as client:
        assert b"second.test" in client.request(host="second.test").body


# ---- plain HTTP on this port
@pytest.mark.parametrize("late", [False, True], ids=["at once", "later"])
def test_plain_http_is_redirected_with_port_and_path(tls_azulb, scripted, late):
    proxy = tls_azulb(scripted(always(OK)), tls={"redirect_http": True})
    with proxy.client() as client:
        if late:
            accepted(proxy)
        answer = client.request("GET", "/a/b?c=d%20e", host=f"site.test:{proxy.port}")
        assert answer.status == 308
        assert answer.header("location") == f"https://site.test:{proxy.port}/a/b?c=d%20e"


@pytest.mark.parametrize("late", [False, True], ids=["at once", "later"])
def test_plain_http_is_answered_with_a_readable_400(tls_azulb, scripted, late):
    server = scripted(always(OK))
    proxy = tls_azulb(server)
    with proxy.client() as client:
        if late:
            accepted(proxy)
        answer = client.request("POST", "/", body=b"x" * 100)
        assert answer.status == 400
        assert b"HTTPS" in answer.body
    assert not server.peers


def accepted(proxy, count=1):
    wait_until(lambda: proxy.metrics().total("azulb_connections_active") >= count, what="an accepted connection")


@pytest.mark.parametrize("redirect", [False, True])
def test_nothing_plain_reaches_a_server(tls_azulb, scripted, redirect):
    server = scripted(always(OK))
    proxy = tls_azulb(server, tls={"redirect_http": redirect})
    upgrade = "GET /ws HTTP/1.1\r\nHost: a\r\n" + "".join(f"{n}: {v}\r\n" for n, v in HANDSHAKE.items()) + "\r\n"
    for data in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 3, upgrade.encode()):
        with proxy.client() as client:
            client.send(data)
            client.half_close()
            answer, _ = client.read_all()
            assert answer.startswith(b"HTTP/1.1 308" if redirect else b"HTTP/1.1 400")
    assert not server.peers
