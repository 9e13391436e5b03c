"""Every case of http2_conformance.py, sent at once and byte by byte."""

import contextlib

import pytest

from http2_conformance import ANSWERED, CASES, HELLO, OK, SYNC
from support.http2 import PING, Http2Client, frame, get
from support.scripted_server import OK as OK_RESPONSE
from support.scripted_server import always
from support.wire import Incomplete


@pytest.fixture(scope="module")
def proxy(module_azulb, module_scripted):
    return module_azulb(module_scripted(always(OK_RESPONSE)), log={"level": "warn"})


def perform(client, case, pieces):
    for action in ((HELLO,) if case.hello else ()) + case.actions:
        if action == SYNC:
            client.ping()
            continue
        if action == ANSWERED:
            client.response(1)
            continue
        for at in range(0, len(action), pieces or len(action) or 1):
            client.send(action[at : at + (pieces or len(action))])


def goes_on(client, number):
    """Another request is served."""
    client.next_stream = number
    return client.request(get("/after")).status == 200


def check(client, case):
    if case.verdict == OK:
        assert goes_on(client, 201)
        return
    if isinstance(case.verdict, frozenset):
        assert client.read_to_close() in case.verdict
        return
    _, codes = case.verdict
    for payload in (b"verdict?", b"verdict!"):  # an answer to a PING overtakes what else leaves with it
        client.send(frame(PING, 0, 0, payload))
        client.until(lambda: client.goaway or client.stream(1).reset is not None or (True, payload) in client.pings)
    reset = client.stream(1).reset
    if client.goaway:
        assert client.goaway[1] in codes
    elif reset is not None:
        assert reset in codes
        assert goes_on(client, 201)
    else:
        raise AssertionError("nothing happened")


@pytest.mark.parametrize("pieces", [0, 1], ids=["at once", "byte by byte"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.section} {case.name}")
def test_frames(proxy, case, pieces):
    if pieces and sum(len(action) for action in case.actions if isinstance(action, bytes)) > 2000:
        pieces = 1000
    client = Http2Client(proxy.address, hello=False)
    client.answer_settings = False  # nothing of the client's own may come between a case's frames
    try:
        with contextlib.suppress(OSError, Incomplete):
            perform(client, case, pieces)
        check(client, case)
    finally:
        client.sock.close()
    assert proxy.fetch().status == 200


def test_the_table_covers_every_section():
    assert len(CASES) >= 80
    sections = {case.section for case in CASES}
    assert {"3.4", "4.1", "4.2", "4.3", "5.1", "5.1.1", *(f"6.{n}" for n in range(1, 11)), "8.1"} <= sections
