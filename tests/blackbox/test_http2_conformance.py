"""Every case of http2_conformance.py and http2_conformance_accepted.py: sent frame by frame and byte by byte, over TLS, and with
nginx behind."""

import contextlib

import pytest

import http2_conformance_accepted  # noqa: F401, its cases join the others
from http2_conformance import ANSWERED, CASES, CLOSED, HELLO, OK, PREFACE_SETTINGS, SERVED, SETTLED, SYNC
from support.client import connect
from support.http2 import ACK, DATA, PING, SETTINGS, Http2Client, frame, get
from support.programs import Nginx
from support.scripted_server import always, response
from support.tls import client_context
from support.wire import Incomplete

BODY = b"a body that is long enough for every window"


@pytest.fixture(scope="module")
def proxy(module_azulb, module_scripted):
    return module_azulb(module_scripted(always(response(200, BODY))), log={"level": "warn"})


@pytest.fixture(scope="module")
def encrypted(module_azulb, module_scripted, certificates):
    tls = {"certificates": [certificates.ec.pair]}
    return module_azulb(module_scripted(always(response(200, BODY))), listener={"tls": tls}, log={"level": "warn"})


@pytest.fixture(scope="module")
def before_nginx(module_azulb, tmp_path_factory):
    server = Nginx(tmp_path_factory.mktemp("nginx"), f'location / {{ return 200 "{BODY.decode()}"; }}').start()
    yield module_azulb(server, log={"level": "warn"})
    server.kill()


def perform(client, case, pieces):
    for action in ((HELLO,) if case.hello else ()) + case.actions:
        if action == SYNC:
            client.ping()
        elif action == ANSWERED:
            client.until(lambda: any(read.kind == DATA and read.stream == 1 for read in client.frames))
        elif action == SETTLED:
            client.until(lambda: sum(read.kind == SETTINGS and read.flags & ACK for read in client.frames) >= 2)
        else:
            for at in range(0, len(action), pieces or len(action) or 1):
                client.send(action[at : at + (pieces or len(action))])


def goes_on(client, number=601):
    """Another request is served: its head comes, whatever windows are left."""
    client.send(client.headers(number, get("/after")))
    return client.until(lambda: client.stream(number).headers) and client.stream(number).status == 200


def body_frames(client):
    return [len(read.payload) for read in client.frames if read.kind == DATA and read.stream == 1]


def check(client, case):
    if case.verdict == OK:
        assert goes_on(client)
    elif case.verdict == SERVED:
        assert client.response(1).status == 200
        assert goes_on(client)
    elif case.verdict == CLOSED:
        client.read_to_close()
    elif case.verdict == PREFACE_SETTINGS:
        client.read_frame()
        assert client.frames[0].kind == SETTINGS and not client.frames[0].flags & ACK
        assert goes_on(client)
    elif isinstance(case.verdict, frozenset):
        assert client.read_to_close() in case.verdict
    elif case.verdict[0] == "pong":
        client.until(lambda: client.pings)
        assert client.pings == [(True, case.verdict[1])]
        assert goes_on(client)
    elif case.verdict[0] == "data":
        sizes = list(case.verdict[1])
        client.until(lambda: len(body_frames(client)) >= len(sizes))
        client.ping()
        assert body_frames(client) == sizes
    else:
        check_stream_error(client, case)


def check_stream_error(client, case):
    _, codes = case.verdict
    stream = client.stream(case.watched)
    for payload in (b"verdict?", b"verdict!"):  # an answer to a PING overtakes what else leaves with it
        client.send(frame(PING, 0, 0, payload))
        client.until(lambda: client.goaway or stream.reset is not None or (True, payload) in client.pings)
    if client.goaway:
        assert client.goaway[1] in codes
    elif stream.reset is not None:
        assert stream.reset in codes
        assert case.watched != 1 or goes_on(client)
    else:
        raise AssertionError("nothing happened")


def run(client, case, pieces=0):
    client.answer_settings = False  # nothing of the client's own may come between a case's frames
    client.auto_window = False
    try:
        with contextlib.suppress(OSError, Incomplete):
            perform(client, case, pieces)
        check(client, case)
    finally:
        client.sock.close()


def named(case):
    return f"{case.section} {case.name}"


@pytest.mark.parametrize("pieces", [0, 1], ids=["at once", "byte by byte"])
@pytest.mark.parametrize("case", CASES, ids=named)
def test_frames(proxy, case, pieces):
    if pieces and sum(len(action) for action in case.actions if isinstance(action, bytes)) > 2000:
        pieces = 1000
    if pieces and not case.hello and not case.actions[0].startswith(b"PRI"):
        pieces = 0  # its first byte alone is HTTP/1's
    run(Http2Client(proxy.address, hello=False), case, pieces)


@pytest.mark.parametrize("case", CASES, ids=named)
def test_frames_over_tls(encrypted, case):
    sock = client_context(alpn=("h2",)).wrap_socket(connect(encrypted.address), server_hostname="ec.test")
    assert sock.selected_alpn_protocol() == "h2"
    run(Http2Client(encrypted.address, hello=False, sock=sock), case)


# nginx answers before the request has ended: such a stream's window has nothing left to overflow.
@pytest.mark.parametrize("case", [case for case in CASES if "overflows a stream's window" not in case.name], ids=named)
def test_frames_before_nginx(before_nginx, case):
    run(Http2Client(before_nginx.address, hello=False), case)


def test_the_table_covers_every_section():
    """h2spec has 146 cases; each has its counterpart."""
    assert len(CASES) >= 146
    sections = {case.section for case in CASES}
    assert {"3.4", "4.1", "4.2", "4.3", "5.1", "5.1.1", "5.1.2", "5.4.1", *(f"6.{n}" for n in range(1, 11)), "7", "8.1"} <= sections
    assert {f"generic {n}" for n in (1, 2, 4, 5)} | {f"generic 3.{n}" for n in (1, 2, 3, 4, 5, 7, 8, 9, 10)} <= sections
