"""What a route makes of the requests that it takes: prefixes, header fields, timeout, retries, limits."""

import json
import subprocess

import pytest

from support.azulb import BINARY
from support.http2 import Http2Client, get
from support.http2_server import answering
from support.scripted_server import OK, always, close, echo, hang, response


def with_route(azulb, server, /, **route):
    listener = route.pop("listener_options", {})
    upstream = route.pop("upstream_options", {})
    return azulb(server, listener=listener, upstream=upstream, routes=[{"name": "r", "upstream": "app", **route}])


@pytest.mark.parametrize(
    "strip,add,target,forwarded",
    [
        ("/api", "", "/api/users?x=/api", "/users?x=/api"),
        ("/api", "", "/api", "/"),
        ("/api", "", "/api/", "/"),
        ("/api", "", "/api?x", "/?x"),
        ("/api", "", "/apix", "/apix"),
        ("/api", "", "/x/api", "/x/api"),
        ("/api", "", "/api/api", "/api"),
        ("/api/", "", "/api/users", "/users"),
        ("/api", "", "/%61pi/../api//users", "/users"),
        ("/api", "", "/api/..", "/"),
        ("/api", "", "/api/a%2Fb", "/a%2Fb"),
        ("/a//b/../c", "", "/a/c/d", "/d"),
        ("/", "", "/x", "/x"),
        ("", "/v2", "/users?x", "/v2/users?x"),
        ("", "/v2/", "/", "/v2/"),
        ("", "/v2", "//users", "/v2/users"),
        ("/api", "/v2/app", "/api/users", "/v2/app/users"),
        ("/api", "/v2", "/api", "/v2/"),
        ("/api", "/v2", "/other", "/v2/other"),
    ],
)
def test_prefixes_are_stripped_and_added(azulb, scripted, strip, add, target, forwarded):
    server = scripted(echo)
    proxy = with_route(azulb, server, strip_prefix=strip, add_prefix=add)
    assert proxy.fetch(target=target).status == 200
    with Http2Client(proxy.address) as client:
        assert client.request(get(target)).status == 200
    assert [request.target for request in server.requests] == [forwarded] * 2


def test_prefixes_towards_a_server_that_speaks_http2(azulb, scripted):
    server = scripted(answering())
    proxy = with_route(
        azulb, server, strip_prefix="/api", add_prefix="/v2", request_headers={"set": {"X-Path": "{path}"}},
        upstream_options={"protocol": "http2"},
    )
    assert proxy.fetch(target="/api/users?x=1").status == 200
    asked = server.completed[0]
    assert (asked.path, asked.header("x-path")) == ("/v2/users?x=1", "/api/users")


def test_an_asterisk_is_no_path_to_rewrite(azulb, scripted):
    server = scripted(echo)
    assert with_route(azulb, server, add_prefix="/v2").fetch("OPTIONS", "*").status == 200
    assert server.requests[0].target == "*"


def test_request_header_rules(azulb, scripted):
    server = scripted(echo)
    proxy = with_route(
        azulb, server,
        request_headers={
            "remove": ["X-Secret", "cookie"],
            "set": {"X-User": "nobody", "X-Where": "{scheme}://{host}{path} {query} {method}", "X-Who": "{client_ip}"},
            "add": {"X-Tag": "{listener}/{route}/{upstream}/{server} {{x}}", "X-Id": "{request_id}"},
        },
    )
    headers = [
        ("x-secret", "1"), ("X_Secret", "2"), ("Cookie", "a=b"), ("X-User", "root"), ("X_User", "admin"), ("x-user", "x"),
        ("X-Tag", "the client's"), ("X-Kept", "yes"), ("X-Request-ID", "id-7"),
    ]
    assert proxy.fetch(target="/a//b?c=d", headers=headers, host="Shop.test:81").status == 200
    with Http2Client(proxy.address) as client:
        fields = [(name.lower(), value) for name, value in headers]
        assert client.request(get("/a/b?c=d", *fields, authority="Shop.test:81")).status == 200
    for request in server.requests:
        assert request.all("x-secret") == request.all("x_secret") == request.all("cookie") == []
        assert (request.all("x-user"), request.all("x_user")) == (["nobody"], [])
        assert request.all("x-where") == ["http://Shop.test/a/b c=d GET"]
        assert request.all("x-who") == ["127.0.0.1"]
        assert request.all("x-tag") == ["the client's", f"http/r/app/{server.name} {{x}}"]
        assert (request.all("x-id"), request.all("x-kept")) == (["id-7"], ["yes"])


def test_response_header_rules(azulb, scripted):
    server = scripted(always(response(201, b"x", {"Server": "inner", "X-Powered-By": "it", "X-Kept": "1", "Vary": "a"})))
    proxy = with_route(
        azulb, server,
        response_headers={
            "remove": ["x-powered-by"],
            "set": {"Server": "gate", "X-Status": "{status} from {server}"},
            "add": {"Vary": "b"},
        },
    )
    answer = proxy.fetch()
    assert (answer.status, answer.all("server"), answer.all("x-powered-by")) == (201, ["gate"], [])
    assert (answer.all("x-status"), answer.all("vary")) == ([f"201 from {server.name}"], ["a", "b"])
    assert answer.all("x-kept") == ["1"]
    with Http2Client(proxy.address) as client:
        headers = client.request(get("/")).headers
    assert ("server", "gate") in headers and ("x-status", f"201 from {server.name}") in headers
    assert not any(name == "x-powered-by" for name, _ in headers)


def test_response_header_rules_are_for_azulbs_own_answers_too(azulb, scripted):
    rules = {"set": {"Server": "gate", "X-Status": "{status}{server}"}, "remove": ["X-Request-ID"]}
    proxy = azulb(
        scripted(close),
        upstream={"retry": {"on": ["off"]}},
        routes=[
            {"path": "/fixed", "respond": {"status": 200, "body": "x"}, "response_headers": rules},
            {"path": "/old", "redirect": {"status": 308, "to": "/new"}, "response_headers": rules},
            {"upstream": "app", "response_headers": {"set": {"X-Status": "{status}"}}},
        ],
    )
    for target, status in (("/fixed", 200), ("/old", 308)):
        answer = proxy.fetch(target=target)
        assert (answer.status, answer.all("server"), answer.all("x-status")) == (status, ["gate"], [str(status)])
        assert answer.all("x-request-id") == []
    answer = proxy.fetch()
    assert (answer.status, answer.all("x-status")) == (502, ["502"])


def test_rules_hold_for_every_try(azulb, scripted):
    bad, good = scripted(always(response(503))), scripted(echo)
    proxy = azulb(
        bad, good,
        routes=[{"upstream": "app", "request_headers": {"remove": ["X-A"], "add": {"X-Server": "{server}"}}}],
    )
    for _ in range(2):
        assert proxy.fetch(headers=[("X-A", "1")]).status == 200
    for server in (bad, good):
        for request in server.requests:
            assert (request.all("x-a"), request.all("x-server")) == ([], [server.name])


def test_the_routes_timeout_is_for_the_whole_request(azulb, scripted):
    proxy = with_route(azulb, scripted(hang), timeout="200ms", upstream_options={"timeout": {"response": "30s"}})
    assert proxy.fetch(target="/slow").status == 504
    assert proxy.access_record(target="/slow")["error"] == "route_timeout"


def test_the_routes_timeout_covers_all_tries_and_the_wait_between(azulb, scripted):
    proxy = with_route(
        azulb, scripted(close),
        timeout="300ms", upstream_options={"retry": {"attempts": 100, "backoff": "100ms"}, "outlier": {"consecutive_errors": 0}},
    )
    assert proxy.fetch(target="/again").status == 504
    record = proxy.access_record(target="/again")
    assert record["error"] == "route_timeout" and record["attempts"] < 100


def test_the_routes_timeout_breaks_an_answer_off(azulb, scripted):
    def endless(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin")
        peer.wait_closed()

    proxy = with_route(azulb, scripted(endless), timeout="300ms")
    with proxy.client() as client:
        client.send_request(target="/cut")
        assert client.read_head().status == 200
        data, _ = client.read_all()
        assert data == b"begin"
    assert proxy.access_record(target="/cut")["error"] == "route_timeout"


def test_a_quick_request_does_not_meet_the_routes_timeout(azulb, scripted):
    proxy = with_route(azulb, scripted(always(OK)), timeout="10s")
    with proxy.client() as client:
        assert [client.request().status for _ in range(3)] == [200] * 3


def test_a_route_tries_as_it_says_and_not_as_its_upstream(azulb, scripted):
    server = scripted(always(response(503)))
    other = scripted(always(response(503)))
    proxy = azulb(
        server, other,
        routes=[
            {"name": "once", "path": "/once", "upstream": "app", "retry": {"attempts": 1}},
            {"name": "off", "path": "/off", "upstream": "app", "retry": {"on": ["off"]}},
            {"name": "posts", "path": "/posts", "upstream": "app", "retry": {"on": ["http_503", "non_idempotent"]}},
            {"name": "short", "path": "/short", "upstream": "app", "retry": {"buffer": "10"}},
            {"name": "rest", "upstream": "app"},
        ],
    )
    tries = {}
    for target, method, body in (("/once", "GET", None), ("/off", "GET", None), ("/posts", "POST", b"x"),
                                 ("/short", "PUT", b"x" * 11), ("/rest", "GET", None), ("/rest-post", "POST", b"x")):
        assert proxy.fetch(method, target, body=body).status == 503
        tries[target] = proxy.access_record(target=target)["attempts"]
    assert tries == {"/once": 1, "/off": 1, "/posts": 3, "/short": 1, "/rest": 3, "/rest-post": 1}


@pytest.mark.parametrize("chunked", [False, True])
def test_a_routes_body_limit_stands_in_for_the_listeners(azulb, scripted, chunked):
    proxy = azulb(
        scripted(echo),
        listener={"limit": {"body": "1KiB"}},
        routes=[
            {"path": "/small", "upstream": "app", "limit": {"body": "100"}},
            {"path": "/large", "upstream": "app", "limit": {"body": "10KiB"}},
            {"path": "/any", "upstream": "app", "limit": {"body": "0"}},
            {"upstream": "app"},
        ],
    )
    for target, size, status in (("/small", 100, 200), ("/small", 101, 413), ("/large", 10240, 200), ("/large", 10241, 413),
                                 ("/any", 200_000, 200), ("/x", 1024, 200), ("/x", 1025, 413)):
        body = b"x" * size
        assert proxy.fetch("PUT", target, body=[body] if chunked else body).status == status, (target, size)


def test_explain_shows_what_the_rules_make(azulb, scripted):
    proxy = with_route(
        azulb, scripted(always(OK)), strip_prefix="/api", add_prefix="/v2",
        request_headers={"set": {"X-User": "nobody"}, "remove": ["Cookie"]},
    )
    run = subprocess.run(
        [str(BINARY), "explain", "GET", f"http://a.test:{proxy.port}/api//x", "-H", "X-User: root", "-H", "Cookie: a=b",
         "-c", str(proxy.config_path), "--json"],
        capture_output=True, text=True, timeout=20, check=True,
    )
    answer = json.loads(run.stdout)
    assert answer["path"] == "/api/x"
    assert answer["sent"].startswith("GET /v2/x HTTP/1.1\r\n")
    assert "X-User: nobody\r\n" in answer["sent"]
    assert "root" not in answer["sent"] and "Cookie" not in answer["sent"]
