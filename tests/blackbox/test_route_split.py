"""Routes that divide their requests among upstreams, and keep clients to their part."""

import json
import subprocess

from support.azulb import BINARY
from support.http2 import Http2Client, get
from support.scripted_server import always, close, response


def divided(azulb, scripted, weights, route=None, answers=None, **more):
    upstreams = {
        name: {"servers": [scripted((answers or {}).get(name) or always(response(200, name.encode()))).name]}
        for name in weights
    }
    split = [{"upstream": name, "weight": weight} for name, weight in weights.items()]
    return azulb(
        extra={"upstream": {"app": None, **upstreams}}, routes=[{"name": "r", "split": split, **(route or {})}], **more
    )


def test_requests_are_divided_by_weight(azulb, scripted):
    proxy = divided(azulb, scripted, {"blue": 3, "green": 1}, process={"workers": 2})
    with proxy.client() as client:
        bodies = [bytes(client.request(target="/x").body) for _ in range(400)]
    assert 50 < bodies.count(b"green") < 160
    metrics = proxy.metrics()
    for name in ("blue", "green"):
        counted = metrics.total("azulb_http_requests_total", route="r", upstream=name, code="200")
        assert counted == bodies.count(name.encode())
    records = proxy.access_log(400)
    assert [r["upstream"] for r in records].count("green") == bodies.count(b"green")


def test_a_client_keeps_to_its_part_by_a_cookie(azulb, scripted):
    proxy = divided(azulb, scripted, {"blue": 1, "green": 1}, {"split_cookie": "side"})
    for _ in range(6):
        first = proxy.fetch(headers=[("Cookie", "a=b; side=forged")])
        (cookie,) = first.all("set-cookie")
        assert cookie.startswith("side=") and cookie.endswith("; Path=/; HttpOnly; SameSite=Lax")
        pair = cookie.partition(";")[0]
        for _ in range(6):
            again = proxy.fetch(headers=[("Cookie", f"a=b; {pair}")])
            assert (again.body, again.all("set-cookie")) == (first.body, [])
        with Http2Client(proxy.address) as client:
            again = client.request(get("/", ("cookie", pair)))
            assert (bytes(again.body), again.header("set-cookie")) == (bytes(first.body), None)


def test_the_cookie_goes_with_azulbs_own_answers_and_header_rules(azulb, scripted):
    proxy = divided(
        azulb, scripted, {"blue": 1}, {"split_cookie": "side", "response_headers": {"set": {"X-A": "{upstream}"}}},
        answers={"blue": close},
    )
    answer = proxy.fetch()
    assert (answer.status, answer.all("x-a"), len(answer.all("set-cookie"))) == (502, ["blue"], 1)


def test_a_client_keeps_to_its_part_by_a_key(azulb, scripted):
    proxy = divided(azulb, scripted, {"blue": 1, "green": 1}, {"split_key": "header:X-User"}, process={"workers": 2})
    bodies = {}
    for user in range(40):
        answers = {bytes(proxy.fetch(headers=[("X-User", f"user{user}")]).body) for _ in range(3)}
        assert len(answers) == 1
        bodies[user] = answers.pop()
    assert set(bodies.values()) == {b"blue", b"green"}
    assert proxy.fetch().all("set-cookie") == []


def test_the_part_outlives_a_reload_that_moves_the_weights(azulb, scripted):
    proxy = divided(azulb, scripted, {"blue": 1, "green": 1}, {"split_cookie": "side"})
    pairs = {}
    while len(pairs) < 2:
        answer = proxy.fetch()
        pairs[bytes(answer.body)] = answer.header("set-cookie").partition(";")[0]
    split = [{"upstream": "green", "weight": 1}, {"upstream": "blue", "weight": 0}]
    proxy.reload({"route": [{"name": "r", "split": split, "split_cookie": "side"}]})
    for body, pair in pairs.items():
        assert bytes(proxy.fetch(headers=[("Cookie", pair)]).body) == body
    assert {bytes(proxy.fetch().body) for _ in range(20)} == {b"green"}


def test_explain_says_how_it_was_divided(azulb, scripted):
    proxy = divided(azulb, scripted, {"blue": 9, "green": 1}, {"split_key": "query:user"})

    def explained(target):
        run = subprocess.run(
            [str(BINARY), "explain", "GET", f"http://a.test:{proxy.port}{target}", "-c", str(proxy.config_path), "--json"],
            capture_output=True, text=True, timeout=20, check=True,
        )
        return json.loads(run.stdout)

    by_chance = explained("/")
    assert by_chance["split"]["by"] == "chance" and by_chance["outcome"].endswith("by chance")
    assert by_chance["split"]["parts"] == [{"upstream": "blue", "weight": 9}, {"upstream": "green", "weight": 1}]
    for user in range(5):
        answer = explained(f"/?user={user}")
        assert answer["split"]["by"] == "key"
        assert bytes(proxy.fetch(target=f"/?user={user}").body) == answer["upstream"]["name"].encode()
