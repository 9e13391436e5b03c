"""Every entry of http2_malformed.py: refused as the table says, unseen by the server, and the connection goes on."""

import itertools

import pytest

from http2_malformed import CASES, RESET
from support.http2 import COMPRESSION_ERROR, DATA, END_HEADERS, END_STREAM, PROTOCOL_ERROR, Http2Client, frame, get
from support.scripted_server import OK, always

_numbers = itertools.count()


@pytest.fixture(scope="module")
def server(module_scripted):
    return module_scripted(always(OK))


@pytest.fixture(scope="module")
def proxy(module_azulb, server):
    return module_azulb(server, log={"level": "warn"})


def encoded(client, stream, fields, flags):
    """HEADERS and as many CONTINUATIONs as it takes; latin-1, as the table writes bytes."""
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
    block = client.encoder.encode(raw, huffman=False)
    parts = [block[at : at + 16384] for at in range(0, len(block), 16384)] or [b""]
    data = b""
    for index, part in enumerate(parts):
        last = END_HEADERS if index == len(parts) - 1 else 0
        data += frame(1 if index == 0 else 9, last | (flags if index == 0 else 0), stream, part)
    return data


def message(client, case, stream):
    ended = not case.data and case.trailers is None
    data = encoded(client, stream, case.fields, END_STREAM if ended else 0)
    for index, payload in enumerate(case.data):
        last = index == len(case.data) - 1 and case.trailers is None
        data += frame(DATA, END_STREAM if last else 0, stream, payload)
    if case.trailers is not None:
        data += encoded(client, stream, case.trailers, END_STREAM)
    return data


def test_the_table_is_as_large_as_promised():
    assert len(CASES) >= 150
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_refused_and_unseen(proxy, server, case):
    seen = len(server.requests)
    with Http2Client(proxy.address) as client:
        client.ping()  # settings have been exchanged: nothing comes between the frames of a header block
        client.send(message(client, case, 1))
        client.until(lambda: client.stream(1).reset is not None or client.stream(1).ended)
        stream = client.stream(1)
        if case.verdict == RESET:
            assert (stream.reset, stream.status) == (PROTOCOL_ERROR, None), case.rfc
        else:
            assert (stream.status, stream.ended) == (case.verdict, True), case.rfc
            assert stream.header("server") == "azulb"
        target = f"/barrier-{next(_numbers)}"
        client.next_stream = 3
        assert client.request(get(target)).status == 200
    requests = [request for request in server.requests[seen:] if request.target != target]
    complete = [request for request in server.completed if request.target != target and "malformed" in request.target]
    # What only its body shows to be malformed may have begun at a server, and never comes to its end there.
    assert complete == []
    if not case.data:
        assert requests == []
    assert b"smuggled" not in server.received() and b"injected" not in server.received()


def test_a_malformed_request_is_logged(proxy):
    with Http2Client(proxy.address) as client:
        client.ping()
        client.send(encoded(client, 1, [*get("/x"), ("X-Logged", "1")], END_STREAM))
        assert client.response(1).reset == PROTOCOL_ERROR
    assert proxy.access_record(status=400, error="bad_request")


def test_a_field_over_64_kib_ends_the_connection_whatever_the_limit(azulb, server):
    """nghttp2's decoder of HPACK takes none, as the reference says; below that the limit decides."""
    proxy = azulb(server, listener={"limit": {"header_bytes": "1MiB"}})

    def asked_with(size):
        with Http2Client(proxy.address) as client:
            client.ping()
            client.send(encoded(client, 1, [*get(), ("x-large", "x" * size)], END_STREAM))
            client.until(lambda: client.stream(1).ended or client.goaway)
            return client.goaway[1] if client.goaway else client.stream(1).status

    assert asked_with(60_000) == 200
    assert asked_with(70_000) == COMPRESSION_ERROR
    assert asked_with(1) == 200
