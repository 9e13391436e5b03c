"""Header rules of DESIGN.md part 4, sentence by sentence, as the server sees them."""

import json
import re

import pytest

from support.client import Client, fetch
from support.scripted_server import OK, always, response


@pytest.fixture(scope="module")
def server(module_scripted):
    return module_scripted(always(OK))


@pytest.fixture(scope="module")
def proxy(module_azulb, server):
    return module_azulb(server)


@pytest.fixture(scope="module")
def trusting(module_azulb, server):
    return module_azulb(server, listener={"trusted_proxies": ["10.0.0.0/8", "127.0.0.1/32"]})


def seen_by_server(proxy, server, headers, **more):
    assert proxy.fetch(headers=headers, **more).status == 200
    return server.requests[-1]


def test_the_four_forwarding_headers_are_set(proxy, server):
    request = seen_by_server(proxy, server, {"Host": "shop.test:8080"})
    assert request.header("host") == "shop.test:8080"
    assert request.header("x-real-ip") == "127.0.0.1"
    assert request.header("x-forwarded-for") == "127.0.0.1"
    assert request.header("x-forwarded-proto") == "http"
    assert request.header("x-forwarded-host") == "shop.test:8080"
    assert request.header("x-forwarded-port") == str(proxy.port)


def test_a_strangers_forwarding_headers_are_discarded(proxy, server):
    request = seen_by_server(
        proxy,
        server,
        [
            ("X-Real-IP", "6.6.6.6"),
            ("X-Forwarded-For", "6.6.6.6"),
            ("x-forwarded-for", "7.7.7.7"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "evil.test"),
            ("X-Forwarded-Port", "666"),
            ("X-Client-IP", "6.6.6.6"),
            ("Forwarded", "for=6.6.6.6"),
            ("X-Forwarded-Server", "evil.test"),
        ],
    )
    assert request.header("x-real-ip") == "127.0.0.1"
    assert request.all("x-forwarded-for") == ["127.0.0.1"]
    assert request.all("x-forwarded-proto") == ["http"]
    assert request.all("x-forwarded-host") == ["example.test"]
    assert request.all("x-forwarded-port") == [str(proxy.port)]
    assert request.all("x-client-ip") == [] and request.all("forwarded") == []
    assert "evil.test" not in str(request.headers)


@pytest.mark.parametrize(
    "name",
    [
        "X_Forwarded_For",
        "X_REAL_IP",
        "x_forwarded-proto",
        "X-Forwarded_Host",
        "X_Client_IP",
        "X_Forwarded_Port",
        "x_request_id",
    ],
)
@pytest.mark.parametrize("which", ["proxy", "trusting"])
def test_underscore_twins_are_discarded(request, server, which, name):
    seen = seen_by_server(request.getfixturevalue(which), server, {name: "6.6.6.6"})
    assert name.lower() not in [key.lower() for key in seen.names()]


def test_remote_addr_is_overwritten(proxy, server):
    for name in ("REMOTE_ADDR", "Remote_Addr", "remote_addr"):
        request = seen_by_server(proxy, server, {name: "6.6.6.6"})
        assert request.all("remote_addr") == ["127.0.0.1"]
    assert "6.6.6.6" not in str(request.headers)


def test_remote_addr_twin_with_a_dash_is_no_way_in(proxy, server):
    request = seen_by_server(proxy, server, {"Remote-Addr": "6.6.6.6"})
    assert "6.6.6.6" not in request.all("remote_addr")


@pytest.mark.parametrize(
    "name",
    ["X-Forwarded-For", "X-Real-IP", "X-Forwarded-Proto", "X-Request-ID", "REMOTE_ADDR", "X-Forwarded-Host"],
)
def test_connection_cannot_take_azulbs_headers_away(proxy, server, name):
    request = seen_by_server(proxy, server, {"Connection": f"close, {name}", name: "6.6.6.6"})
    assert len(request.all(name)) == 1
    assert request.header(name) != "6.6.6.6" or name == "X-Request-ID"  # which a client may choose anyway


def test_connection_cannot_take_host_or_framing_away(proxy, server):
    request = seen_by_server(
        proxy, server, {"Connection": "Host, Content-Length"}, method="POST", body=b"hello"
    )
    assert request.header("host") == "example.test"
    assert request.body == b"hello"


def test_hop_by_hop_fields_end_here(proxy, server):
    request = seen_by_server(
        proxy,
        server,
        {
            "Connection": "X-Private, keep-alive",
            "X-Private": "1",
            "Keep-Alive": "timeout=5",
            "Proxy-Connection": "keep-alive",
            "TE": "trailers, deflate",
            "Upgrade": "h2c",
            "X-Public": "1",
        },
    )
    names = [name.lower() for name in request.names()]
    assert not {"x-private", "keep-alive", "proxy-connection", "upgrade"} & set(names)
    assert request.header("x-public") == "1"
    assert request.header("te") in (None, "trailers")
    assert "private" not in str(request.headers)


def test_te_trailers_survives(proxy, server):
    request = seen_by_server(proxy, server, {"TE": "trailers", "Connection": "TE"})
    assert request.header("te") == "trailers"


def test_connection_lists_may_be_split_and_odd(proxy, server):
    request = seen_by_server(
        proxy,
        server,
        [("Connection", ",, x-a ,"), ("connection", "X-B"), ("X-A", "1"), ("X-B", "1"), ("X-C", "1")],
    )
    names = [name.lower() for name in request.names()]
    assert "x-a" not in names and "x-b" not in names and "x-c" in names


def test_trusted_proxies_are_believed(trusting, server):
    request = seen_by_server(
        trusting,
        server,
        {
            "X-Forwarded-For": "6.6.6.6, 203.0.113.7, 10.1.2.3",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "shop.test",
            "X-Forwarded-Port": "443",
        },
    )
    # From the right, past the proxies that are trusted: the last address that one of them vouches for.
    assert request.header("x-real-ip") == "203.0.113.7"
    assert request.header("remote_addr") == "203.0.113.7"
    assert request.header("x-forwarded-for").replace(" ", "") == "6.6.6.6,203.0.113.7,10.1.2.3,127.0.0.1"
    assert request.header("x-forwarded-proto") == "https"
    assert request.header("x-forwarded-host") == "shop.test"
    assert request.header("x-forwarded-port") == "443"


def test_the_spoofing_guard_of_azu_is_content(trusting, proxy, server):
    """Azu answers 403 unless X-Real-IP occurs in X-Forwarded-For."""
    for azulb in (trusting, proxy):
        for value in ("203.0.113.7", "203.0.113.7, 10.0.0.9", "10.0.0.9"):
            request = seen_by_server(azulb, server, {"X-Forwarded-For": value})
            addresses = [address.strip() for address in request.header("x-forwarded-for").split(",")]
            assert request.header("x-real-ip") in addresses


def test_rubbish_from_a_trusted_proxy_is_no_address(trusting, server):
    request = seen_by_server(trusting, server, {"X-Forwarded-For": "rubbish, <script>"})
    assert request.header("x-real-ip") == "127.0.0.1"
    assert request.header("remote_addr") == "127.0.0.1"


def test_the_access_log_names_the_real_client(trusting):
    assert trusting.fetch(target="/who", headers={"X-Forwarded-For": "203.0.113.7"}).status == 200
    assert trusting.access_record(target="/who")["client_ip"] == "203.0.113.7"


def test_a_request_id_is_made_or_passed_on(proxy, server):
    made = [seen_by_server(proxy, server, {}).header("x-request-id") for _ in range(20)]
    assert all(re.fullmatch(r"[0-9A-Za-z_-]{8,128}", value) for value in made)
    assert len(set(made)) == 20
    assert (
        seen_by_server(proxy, server, {"X-Request-ID": "from-the-client-1"}).header("x-request-id")
        == "from-the-client-1"
    )


def test_a_request_id_reaches_the_access_log(proxy, server):
    seen_by_server(proxy, server, {"X-Request-ID": "find-me"}, target="/logged")
    assert proxy.access_record(target="/logged")["request_id"] == "find-me"


def test_traceparent_passes(proxy, server):
    value = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    request = seen_by_server(proxy, server, {"traceparent": value, "tracestate": "a=b"})
    assert (request.header("traceparent"), request.header("tracestate")) == (value, "a=b")


def test_case_and_order_are_kept(proxy, server):
    fields = [("aCCept", "*/*"), ("X-zZ", "1"), ("COOKIE", "a=b"), ("x-aA", "2"), ("Cookie", "c=d")]
    request = seen_by_server(proxy, server, fields)
    kept = [pair for pair in request.headers if pair in fields]
    assert kept == fields


def test_absolute_form_wins_over_host(proxy, server):
    with Client(proxy.address) as client:
        client.send(b"GET http://wins.test:81/path?q HTTP/1.1\r\nHost: loses.test\r\n\r\n")
        assert client.read_response().status == 200
    request = server.requests[-1]
    assert request.header("host") == "wins.test:81"
    assert request.header("x-forwarded-host") == "wins.test:81"
    assert request.target == "/path?q"


def test_absolute_form_chooses_the_route(azulb, scripted):
    one, two = scripted(always(response(200, b"one"))), scripted(always(response(200, b"two")))
    proxy = azulb(
        one,
        extra={"upstream": {"two": {"servers": [two.name]}}},
        routes=[{"host": "one.test", "upstream": "app"}, {"host": "two.test", "upstream": "two"}],
    )
    with Client(proxy.address) as client:
        client.send(b"GET http://two.test/ HTTP/1.1\r\nHost: one.test\r\n\r\n")
        assert client.read_response().body == b"two"


@pytest.mark.parametrize(
    "setting,expected", [("preserve", "example.test"), ("upstream", None), ("fixed.test", "fixed.test")]
)
def test_host_header(azulb, scripted, setting, expected):
    server = scripted(always(OK))
    assert azulb(server, upstream={"host_header": setting}).fetch().status == 200
    assert server.requests[0].header("host") == (expected or server.name)


# ---- responses
def serving(azulb, scripted, data):
    return azulb(scripted(always(data)))


def test_hop_by_hop_fields_of_a_response_end_here(azulb, scripted):
    answer = serving(
        azulb,
        scripted,
        b"HTTP/1.1 200 OK\r\nConnection: X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\n"
        b"Proxy-Connection: close\r\nUpgrade: h2c\r\nX-Public: 1\r\nContent-Length: 2\r\n\r\nok",
    ).fetch()
    assert not {"x-private", "keep-alive", "proxy-connection", "upgrade"} & {
        name.lower() for name in answer.names()
    }
    assert answer.header("x-public") == "1"


def test_the_connection_field_cannot_remove_the_length(azulb, scripted):
    answer = serving(
        azulb, scripted, b"HTTP/1.1 200 OK\r\nConnection: Content-Length\r\nContent-Length: 2\r\n\r\nok"
    ).fetch()
    assert answer.body == b"ok" and answer.framing in ("length", "chunked")


def test_a_missing_date_is_added(azulb, scripted):
    answer = serving(azulb, scripted, OK).fetch()
    assert re.fullmatch(
        r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", answer.header("date")
    )


def test_the_servers_own_date_and_server_pass(azulb, scripted):
    date = "Sun, 06 Nov 1994 08:49:37 GMT"
    answer = serving(azulb, scripted, response(200, b"", {"Date": date, "Server": "app/1"})).fetch()
    assert (answer.header("date"), answer.header("server")) == (date, "app/1")


def test_several_cookies_stay_several(azulb, scripted):
    answer = serving(
        azulb, scripted, b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n"
    ).fetch()
    assert answer.all("set-cookie") == ["a=1", "b=2"]


# ---- own replies
def test_own_replies_are_plain_text_or_json(azulb):
    proxy = azulb("127.0.0.1:1", upstream={"retry": {"on": ["off"]}})
    plain = proxy.fetch()
    assert plain.status == 502 and plain.header("content-type").startswith("text/plain")
    assert plain.header("server") == "azulb" and int(plain.header("content-length")) == len(plain.body) > 0
    assert plain.header("date")
    json_only = proxy.fetch(headers={"Accept": "application/json"})
    assert json_only.header("content-type").startswith("application/json")
    assert isinstance(json.loads(json_only.body), dict)
    assert (
        proxy.fetch(headers={"Accept": "text/plain, application/json"})
        .header("content-type")
        .startswith("text/plain")
    )
    assert fetch(proxy.address, "HEAD").status == 502
