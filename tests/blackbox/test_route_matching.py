"""Routes by regular expression, headers and query; what `azulb explain` says of them."""

import json
import subprocess

import pytest

from support.azulb import BINARY
from support.http2 import Http2Client, get
from support.scripted_server import response

ROUTES = [
    {"name": "versions", "path_regex": "^/api/v[0-9]+/"},
    {"name": "images", "path_regex": r"\.(png|jpg)$", "methods": ["GET"]},
    {"name": "canary", "path_prefix": "/app", "match_headers": {"X-Canary": "1"}},
    {"name": "both", "path_prefix": "/app", "match_headers": {"x-a": "one", "x-b": "two"}},
    {"name": "debug", "path_prefix": "/app", "match_query": {"debug": "yes please", "level": "2"}},
    {"name": "flag", "path_prefix": "/app", "match_query": {"flag": ""}},
    {"name": "cookie", "path_prefix": "/app", "match_headers": {"Cookie": "a=b; c=d"}},
    {"name": "spaces", "path_regex": "^/with%20space/"},
    {"name": "rest"},
]

CASES = [
    ("/api/v1/users", [], "versions"),
    ("/api/v42/", [], "versions"),
    ("/api/v/", [], "rest"),
    ("/api/v1", [], "rest"),
    ("/x/api/v1/", [], "rest"),
    ("/x/../api/v1/", [], "versions"),
    ("/%61pi//v1/", [], "versions"),
    ("/a/b.png", [], "images"),
    ("/a/b.jpg?x", [], "images"),
    ("/a/b.png/c", [], "rest"),
    ("/a/b.PNG", [], "rest"),
    ("/x?a.png", [], "rest"),
    ("/with%20space/x", [], "spaces"),
    ("/app", [("X-Canary", "1")], "canary"),
    ("/app", [("x-CANARY", "1")], "canary"),
    ("/app", [("X-Canary", "0"), ("X-Canary", "1")], "canary"),
    ("/app", [("X-Canary", "11")], "rest"),
    ("/app", [("X-Canary", "1, 2")], "rest"),
    ("/app", [("X_Canary", "1")], "rest"),
    ("/other", [("X-Canary", "1")], "rest"),
    ("/app", [("X-A", "one"), ("X-B", "two")], "both"),
    ("/app", [("X-A", "one")], "rest"),
    ("/app", [("X-A", "one"), ("X-B", "Two")], "rest"),
    ("/app", [("Cookie", "a=b; c=d")], "cookie"),
    ("/app", [("Cookie", "c=d; a=b")], "rest"),
    ("/app?debug=yes+please&level=2", [], "debug"),
    ("/app?level=2;d%65bug=yes%20please&more", [], "debug"),
    ("/app?debug=yes+please&level=3", [], "rest"),
    ("/app?debug=yes+please&level=3&level=2", [], "debug"),
    ("/app?Debug=yes+please&level=2", [], "rest"),
    ("/app?flag", [], "flag"),
    ("/app?x&flag=&y", [], "flag"),
    ("/app?flag=1", [], "rest"),
    ("/app?flags", [], "rest"),
    ("/app", [], "rest"),
]


def named(name):
    def handler(peer):
        while True:
            peer.read_request()
            peer.send(response(200, name.encode()))

    return handler


@pytest.fixture(scope="module")
def proxy(module_azulb, module_scripted):
    upstreams = {r["name"]: {"servers": [module_scripted(named(r["name"])).name]} for r in ROUTES}
    return module_azulb(
        extra={"upstream": {"app": None, **upstreams}},
        routes=[{**route, "upstream": route["name"]} for route in ROUTES],
    )


@pytest.mark.parametrize("target,headers,route", CASES)
def test_a_request_takes_the_first_route_of_which_all_is_true(proxy, target, headers, route):
    assert bytes(proxy.fetch(target=target, headers=headers).body) == route.encode()
    with Http2Client(proxy.address) as client:
        fields = [(name.lower(), value) for name, value in headers]
        assert bytes(client.request(get(target, *fields)).body) == route.encode()


def test_a_header_that_connection_takes_away_is_not_there_for_routes_either(proxy):
    headers = [("X-Canary", "1"), ("Connection", "X-Canary")]
    assert bytes(proxy.fetch(target="/app", headers=headers).body) == b"rest"


def test_explain_says_what_did_not_match(proxy):
    url = f"http://a.test:{proxy.port}/app"
    run = subprocess.run(
        [str(BINARY), "explain", "GET", url, "-H", "X-A: one", "-c", str(proxy.config_path), "--json"],
        capture_output=True, text=True, timeout=20, check=True,
    )
    verdicts = {route["name"]: route["verdict"] for route in json.loads(run.stdout)["routes"]}
    assert verdicts == {
        "versions": "another path",
        "images": "another path",
        "canary": "other headers",
        "both": "other headers",
        "debug": "another query",
        "flag": "another query",
        "cookie": "other headers",
        "spaces": "another path",
        "rest": "matches",
    }


def test_an_expression_takes_linear_time(azulb, scripted):
    proxy = azulb(scripted(named("x")), routes=[{"path_regex": "^/(a|aa)+$", "upstream": "app"}])
    assert proxy.fetch(target="/" + "a" * 7000 + "b").status == 404
    assert proxy.fetch(target="/" + "a" * 7000).status == 200
