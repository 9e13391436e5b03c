"""Routes: first match wins, by host, path, prefix and method; redirects and fixed answers."""

import pytest

from support.client import fetch
from support.ports import free_port
from support.scripted_server import OK, always, response


@pytest.fixture(scope="module")
def routed(module_azulb, module_scripted):
    servers = {
        name: module_scripted(always(response(200, name.encode())))
        for name in ("users", "orders", "main", "exact", "posts")
    }
    return module_azulb(
        log={"level": "warn"},
        extra={
            "upstream": {
                "app": None,
                **{name: {"servers": [server.name]} for name, server in servers.items()},
            }
        },
        routes=[
            {"name": "exact", "path": "/api/users/exact", "upstream": "exact"},
            {"name": "posts", "path_prefix": "/api/users", "methods": ["POST", "PUT"], "upstream": "posts"},
            {"name": "users", "path_prefix": "/api/users", "upstream": "users"},
            {
                "name": "orders",
                "host": ["api.example.com", "*.wild.example.com"],
                "path_prefix": "/api/orders",
                "upstream": "orders",
            },
            {"name": "old", "path": "/old", "redirect": {"status": 308, "to": "https://${host}${target}"}},
            {"name": "moved", "path_prefix": "/moved", "redirect": {"status": 301, "to": "/elsewhere"}},
            {
                "name": "fixed",
                "path": "/fixed",
                "respond": {"status": 203, "body": "fixed\n", "content_type": "text/x-own"},
            },
            {"name": "main", "host": "main.example.com", "upstream": "main"},
        ],
    )


@pytest.mark.parametrize(
    "method,host,target,expected",
    [
        ("GET", "a", "/api/users", b"users"),
        ("GET", "a", "/api/users/7", b"users"),
        ("GET", "a", "/api/users/", b"users"),
        ("GET", "a", "/api/users?x=1", b"users"),
        ("GET", "a", "/api/users/exact", b"exact"),
        ("GET", "a", "/api/users/exact?q", b"exact"),
        ("GET", "a", "/api/users/exact/more", b"users"),
        ("POST", "a", "/api/users/7", b"posts"),
        ("PUT", "a", "/api/users", b"posts"),
        ("DELETE", "a", "/api/users", b"users"),
        ("GET", "api.example.com", "/api/orders", b"orders"),
        ("GET", "API.Example.COM", "/api/orders", b"orders"),
        ("GET", "api.example.com:8080", "/api/orders", b"orders"),
        ("GET", "x.wild.example.com", "/api/orders/1", b"orders"),
        ("GET", "main.example.com", "/anything", b"main"),
        ("GET", "main.example.com.", "/anything", None),
        ("GET", "a", "/api/usersX", 404),
        ("GET", "a", "/API/users", 404),
        ("GET", "a", "/", 404),
        ("GET", "wild.example.com", "/api/orders", 404),
        ("GET", "other.example.com", "/api/orders", 404),
        ("GET", "api.example.com.evil.test", "/api/orders", 404),
        ("GET", "xapi.example.com", "/api/orders", 404),
    ],
)
def test_first_match_wins(routed, method, host, target, expected):
    answer = routed.fetch(method, target, host=host, body=b"x" if method in ("POST", "PUT") else None)
    if isinstance(expected, int):
        assert answer.status == expected
    elif expected is None:  # a trailing dot names the same host; either reading is allowed, a crash is not
        assert answer.status in (200, 404)
    else:
        assert (answer.status, answer.body) == (200, expected)


def test_a_redirect_with_variables(routed):
    answer = routed.fetch(target="/old?a=b", host="shop.test:8080")
    assert answer.status == 308
    assert answer.header("location") in ("https://shop.test/old?a=b", "https://shop.test:8080/old?a=b")
    assert answer.header("server") == "azulb"


def test_a_redirect_cannot_be_split(routed):
    for target in ("/old?a=%0d%0aSet-Cookie:x=y", "/moved/%0d%0a"):
        answer = routed.fetch(target=target)
        assert answer.status in (301, 308, 404) and answer.all("set-cookie") == []


def test_a_fixed_answer(routed):
    with routed.client() as client:
        for _ in range(3):
            answer = client.request("GET", "/fixed")
            assert (answer.status, answer.body, answer.header("content-type")) == (
                203,
                b"fixed\n",
                "text/x-own",
            )
        head = client.request("HEAD", "/fixed")
        assert (head.status, head.header("content-length")) == (203, "6")
        assert client.request("GET", "/api/users").body == b"users"
    for body in (b"x" * 1000, [b"x" * 1000]):
        with routed.client() as client:
            answer = client.request("POST", "/fixed", body=body)
            assert answer.status == 203
            if answer.header("connection") == "close":
                assert client.at_end(), "a body that no one reads ends in a close"
            else:
                assert client.request("GET", "/api/users").body == b"users"


def test_no_route_is_404(routed):
    answer = routed.fetch(target="/nowhere")
    assert answer.status == 404 and answer.header("server") == "azulb"
    assert routed.access_record(target="/nowhere")["error"] == "not_found"


def test_an_unread_body_never_becomes_a_request(routed):
    with routed.client() as client:
        client.send(
            b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 34\r\n\r\nGET /api/users HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        assert client.read_response().status == 404
        data, _ = b"", None
        client.sock.settimeout(0.5)
        try:
            data, _ = client.read_all()
        except TimeoutError:
            data = bytes(client.buffer)
        assert b"users" not in data


def test_without_routes_everything_goes_to_the_only_upstream(azulb, scripted):
    proxy = azulb(scripted(always(OK)))
    for target in ("/", "/a/b", "/x?y"):
        assert proxy.fetch(target=target).status == 200


def test_routes_by_listener(azulb, scripted):
    one, two = scripted(always(response(200, b"one"))), scripted(always(response(200, b"two")))
    port = free_port()
    proxy = azulb(
        one,
        extra={
            "listener": {"other": {"address": f"127.0.0.1:{port}"}},
            "upstream": {"two": {"servers": [two.name]}},
        },
        routes=[{"listener": ["other"], "upstream": "two"}, {"upstream": "app"}],
    )
    assert proxy.fetch().body == b"one"
    assert fetch(("127.0.0.1", port)).body == b"two"


def test_many_routes(azulb, scripted):
    server = scripted(always(OK))
    proxy = azulb(
        server,
        routes=[{"host": f"h{n}.test", "path_prefix": f"/p{n}", "upstream": "app"} for n in range(3000)],
    )
    assert proxy.fetch(target="/p2999/x", host="h2999.test").status == 200
    assert proxy.fetch(target="/p2999/x", host="h2998.test").status == 404
