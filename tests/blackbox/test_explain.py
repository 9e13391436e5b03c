"""`azulb explain` and POST /explain: what they say is what happens."""

import json
import os
import subprocess

import pytest

from support.azulb import BINARY
from support.ports import free_port
from support.scripted_server import OK, always, echo, response
from support.waiting import wait_until

DONE, REFUSED, USAGE, UNREACHABLE, NOT_YET = range(5)
FAST = {"interval": "50ms", "fast_interval": "50ms", "timeout": "500ms", "rise": 1, "fall": 1}


def explain(*arguments):
    return subprocess.run(
        [str(BINARY), "explain", *map(str, arguments)], capture_output=True, text=True, timeout=20, env=os.environ
    )


def explained(*arguments):
    result = explain(*arguments, "--json")
    assert result.returncode in (DONE, NOT_YET), result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("balance", ["round_robin", "least_connections", "least_time", "hash"])
def test_the_server_that_is_named_is_the_one_that_gets_it(azulb, scripted, balance):
    servers = [scripted(always(response(200, str(number).encode()))) for number in range(3)]
    proxy = azulb(
        *({"address": server, "name": str(n), "weight": n + 1} for n, server in enumerate(servers)),
        upstream={"balance": balance, "hash_key": "path"},
        process={"workers": 2},
    )
    for number in range(25):
        url = f"http://127.0.0.1:{proxy.port}/{number}"
        answer = explained("GET", url, "-c", proxy.config_path)
        again = explained("GET", url, "-c", proxy.config_path)
        assert answer["upstream"] == again["upstream"], "asking has changed the answer"
        assert proxy.fetch(target=f"/{number}").body.decode() == answer["server"]
        wait_until(lambda: not any(s["active"] for s in proxy.servers_state().values()), what="the request's end")


def test_the_routes_before_say_why_they_do_not_match(azulb, scripted):
    server = scripted(always(OK))
    proxy = azulb(
        server,
        routes=[
            {"name": "api", "host": "api.example.com", "upstream": "app"},
            {"name": "orders", "path_prefix": "/orders", "methods": ["POST"], "upstream": "app"},
            {"name": "rest", "upstream": "app"},
        ],
    )
    url = f"http://www.example.com:{proxy.port}/orders/7"
    answer = explained("GET", url, "-c", proxy.config_path)
    assert [(route["name"], route["verdict"]) for route in answer["routes"]] == [
        ("api", "another host"),
        ("orders", "another method"),
        ("rest", "matches"),
    ]
    assert answer["route"] == "rest" and answer["listener"]["name"] == "http"
    assert explained("POST", url, "-c", proxy.config_path)["route"] == "orders"
    api = explained("GET", url, "-H", "Host: api.example.com", "-c", proxy.config_path)
    assert api["route"] == "api"
    text = explain("GET", url, "-c", proxy.config_path).stdout
    assert "orders: another method" in text and f"=> goes to {server.name}" in text


def test_each_server_says_why_it_is_not_eligible(azulb, scripted):
    good, bad, drained = scripted(always(OK)), scripted(always(response(500))), scripted(always(OK))
    proxy = azulb(good, bad, drained, upstream={"health": FAST})
    for server, health in ((good, "up"), (bad, "down"), (drained, "up")):
        proxy.wait_health(server, health)
    proxy.command(f"/servers/app/{drained.name}/drain")
    servers = explained("GET", f"http://localhost:{proxy.port}/", "-c", proxy.config_path)["upstream"]["servers"]
    assert [(server["eligible"], server["reason"], server["chosen"]) for server in servers] == [
        (True, "up", True),
        (False, "down: status 500, expected 200-399", False),
        (False, "draining", False),
    ]


def test_what_is_sent_is_what_the_server_gets(azulb, scripted):
    server = scripted(echo)
    proxy = azulb(server)
    headers = {"Accept": "text/html", "X-Forwarded-For": "1.2.3.4", "Connection": "X-Hop", "X-Hop": "1", "X-Request-ID": "me-1"}
    arguments = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    answer = explained("GET", f"http://example.test:{proxy.port}/a?b=c", *arguments, "-c", proxy.config_path)
    got = proxy.fetch(target="/a?b=c", headers=headers, host=f"example.test:{proxy.port}").body.decode("latin-1")
    assert answer["sent"].replace(" HTTP/1.1\r\n", "\r\n", 1).rstrip("\r\n") == got


def test_answers_of_azulb_itself(azulb, scripted):
    proxy = azulb(
        scripted(always(OK)),
        routes=[
            {"path": "/old", "redirect": {"status": 308, "to": "https://${host}/new"}},
            {"path": "/ping", "respond": {"status": 200, "body": "pong"}},
            {"path_prefix": "/app", "upstream": "app"},
        ],
    )
    base = f"http://example.com:{proxy.port}"
    old = explained("GET", f"{base}/old", "-c", proxy.config_path)
    assert (old["status"], old["outcome"]) == (308, "answered 308 with Location: https://example.com/new")
    assert explained("GET", f"{base}/ping", "-c", proxy.config_path)["status"] == 200
    nothing = explain("GET", f"{base}/nothing", "-c", proxy.config_path)
    assert nothing.returncode == NOT_YET and "no route takes it" in nothing.stdout
    assert explain("TRACE", f"{base}/app", "-c", proxy.config_path).returncode == NOT_YET


def test_a_file_alone(tmp_path, scripted):
    server = scripted(always(OK))
    path = tmp_path / "azulb.toml"
    path.write_text(
        f'[admin]\naddress = "127.0.0.1:{free_port()}"\n[listener.http]\naddress = "127.0.0.1:8080"\n'
        f'[upstream.app]\nservers = ["{server.name}"]\nhealth.path = "/health"\n'
    )
    result = explain("GET", "http://localhost:8080/", "-c", path)
    assert result.returncode == UNREACHABLE and f"--file explains {path} alone" in result.stderr
    answer = explained("GET", "http://localhost:8080/", "-c", path, "--file")
    assert answer["server"] == server.name
    assert not server.peers, "something was sent"


@pytest.mark.parametrize(
    "arguments,status,words",
    [
        (["GET", "localhost/x"], REFUSED, "is no URL"),
        (["GET", "http://localhost:1/"], REFUSED, "no listener speaks http on port 1"),
        (["GET", "http://localhost/", "--listener", "htpp"], REFUSED, "did you mean http?"),
        (["GET", "http://localhost/", "-H", "nonsense"], USAGE, "is no header"),
        (["GET"], USAGE, ""),
        (["GET", "http://localhost/", "--client", "me"], REFUSED, "is no address"),
    ],
)
def test_what_makes_no_sense(azulb, scripted, arguments, status, words):
    proxy = azulb(scripted(always(OK)))
    result = explain(*arguments, "-c", proxy.config_path)
    assert result.returncode == status and words in result.stderr, result.stderr


def test_asking_needs_no_token_but_is_not_for_other_sites(azulb, scripted):
    proxy = azulb(scripted(always(OK)), admin={"token": "secret"})
    asked = {"url": f"http://localhost:{proxy.port}/"}
    assert proxy.command("/explain", asked).status == 200
    headers = {"Host": "localhost", "Content-Type": "application/json", "Origin": "http://evil.example"}
    body = json.dumps(asked).encode()
    assert proxy.admin("/explain", "POST", headers=headers, body=body).status == 403
    headers = {"Host": "localhost", "Content-Type": "text/plain"}
    assert proxy.admin("/explain", "POST", headers=headers, body=body).status == 415
    for wrong in ({"url": 1}, {"url": "http://a/", "headers": ["x"]}, {"url": "http://a/", "headers": "x"}, {"ulr": "x"}, {}):
        answer = proxy.command("/explain", wrong)
        assert answer.status == 400 and json.loads(answer.body)["error"]
