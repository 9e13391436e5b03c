"""Servers that come and go by the admin API and its commands, and the state file in which that outlives azulb."""

import json
import os
import stat
import subprocess
import threading

import pytest

from support.azulb import BINARY
from support.scripted_server import OK, always, per_connection, response
from support.waiting import wait_until
from support.websocket import RESTART, echo_messages, handshake, read_frame, upgrading

FAST = {"interval": "100ms", "fast_interval": "50ms", "timeout": "2s", "rise": 1, "fall": 2}


def named(scripted, name):
    return scripted(always(response(200, name.encode())))


def answers(proxy, count=8):
    return {proxy.fetch().body for _ in range(count)}


def add(proxy, server, **more):
    address = server if isinstance(server, str) else server.name
    return proxy.command("/servers/app", {"address": address, **more})


def act(proxy, server, action, body=None):
    answer = proxy.command(f"/servers/app/{server.name}/{action}", body)
    assert answer.status == 200, answer
    return json.loads(answer.body)


def restart(proxy):
    """Ends it and starts it anew, with the same configuration and ports."""
    proxy.stop()
    arguments = [str(BINARY), "-c", str(proxy.config_path)]
    with open(proxy.stderr_path, "wb") as stderr:
        proxy.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stderr=stderr, stdout=subprocess.DEVNULL, cwd=proxy.directory)
    assert proxy._ready()


def text_of(path):
    return path.read_text() if path.exists() else ""


def sources(proxy):
    return {record["address"]: record["source"] for record in proxy.servers_state().values()}


# ---- the API
def test_an_added_server_waits_for_its_first_check_and_then_serves(azulb, scripted):
    go = threading.Event()

    def slow(peer):
        while True:
            request = peer.read_request()
            if request.target.startswith("/health"):
                assert go.wait(20)
            peer.send(response(200, b"new"))

    old, new = named(scripted, "old"), scripted(slow)
    proxy = azulb(old, upstream={"health": {**FAST, "timeout": "20s"}}, process={"workers": 2})
    proxy.wait_health(old, "up")
    answer = add(proxy, new, name="new one")
    assert answer.status == 200, answer
    assert json.loads(answer.body) == {"changed": True, "upstream": "app", "server": {"name": "new one", "address": new.name}}
    record = proxy.servers_state()[new.name]
    assert (record["name"], record["source"], record["health"]) == ("new one", "api", "unknown")
    assert answers(proxy) == {b"old"}
    go.set()
    proxy.wait_health(new, "up")
    wait_until(lambda: answers(proxy) == {b"old", b"new"}, what="both serving")
    assert json.loads(add(proxy, new, name="new one").body)["changed"] is False
    assert "server new one is added, as asked for" in proxy.stderr()


def test_a_removed_server_gets_nothing_new_and_its_websockets_are_closed(azulb, scripted):
    leaving = scripted(per_connection(upgrading(echo_messages), always(response(200, b"leaving"))))
    staying = named(scripted, "staying")
    proxy = azulb(leaving, upstream={"timeout": {"drain": "200ms"}})
    with proxy.client(timeout=20) as client:
        assert handshake(client).status == 101
        assert add(proxy, staying).status == 200
        wait_until(lambda: proxy.fetch().body == b"staying", what="the new one serving")
        assert act(proxy, leaving, "remove")["server"]["tunnels"] == 1
        assert answers(proxy) == {b"staying"}
        assert read_frame(client).close_code == RESTART
    assert list(proxy.servers_state()) == [staying.name]
    assert json.loads(proxy.admin("/servers/app").body)["removed"] == [leaving.name]
    assert proxy.command(f"/servers/app/{leaving.name}/drain").status == 404


def test_a_removed_server_comes_back_when_it_is_added(azulb, scripted):
    one, two = named(scripted, "one"), named(scripted, "two")
    proxy = azulb({"address": one, "name": "app1", "weight": 2}, {"address": two, "name": "app2"})
    act(proxy, one, "remove")
    assert answers(proxy) == {b"two"}
    refused = add(proxy, one, weight=5)
    assert refused.status == 409 and "leave out yours" in json.loads(refused.body)["error"]
    assert add(proxy, one).status == 200
    record = proxy.servers_state()[one.name]
    assert (record["name"], record["weight"], record["source"]) == ("app1", 2, "servers")
    assert json.loads(proxy.admin("/servers/app").body)["removed"] == []


def test_what_is_at_odds_with_others_is_refused(azulb, scripted):
    one, two = named(scripted, "one"), named(scripted, "two")
    proxy = azulb({"address": one, "name": "app1"})
    for body, words in [
        ({"address": one.name}, f"{one.name} is there already: app1, of servers"),
        ({"address": two.name, "name": "app1"}, "there is another server app1"),
    ]:
        answer = proxy.command("/servers/app", body)
        assert (answer.status, json.loads(answer.body)["error"]) == (409, words)
    assert list(proxy.servers_state()) == [one.name]


def test_changes_need_the_token(azulb, scripted):
    one, two = named(scripted, "one"), named(scripted, "two")
    proxy = azulb(one, extra={"admin": {"token": "secret"}})
    assert add(proxy, two).status == 401
    assert proxy.command(f"/servers/app/{one.name}/remove").status == 401
    assert proxy.command("/servers/app", {"address": two.name}, token="secret").status == 200
    assert len(proxy.servers_state()) == 2


def test_the_last_server_may_go_and_another_come(azulb, scripted):
    one, two = named(scripted, "one"), named(scripted, "two")
    proxy = azulb(one, upstream={"queue_timeout": "200ms"})
    act(proxy, one, "remove")
    assert proxy.fetch().status == 503
    assert add(proxy, two).status == 200
    wait_until(lambda: answers(proxy) == {b"two"}, what="the new one serving")


# ---- and reloads
def test_a_reload_keeps_what_was_changed(azulb, scripted):
    one, two, three, four = (named(scripted, name) for name in ("one", "two", "three", "four"))
    proxy = azulb(one, two)
    add(proxy, three)
    act(proxy, one, "remove")
    act(proxy, two, "weight", {"weight": 3})
    proxy.reload({"upstream": {"app": {"queue": 100}}})
    assert sources(proxy) == {two.name: "servers", three.name: "api"}
    # The file's own changes hold: a new server, and one that it no longer has is forgotten.
    proxy.reload({"upstream": {"app": {"servers": [two.name, four.name]}}})
    assert sources(proxy) == {two.name: "servers", four.name: "servers", three.name: "api"}
    assert proxy.servers_state()[two.name]["weight"] == 3
    proxy.reload({"upstream": {"app": {"servers": [one.name, {"address": two.name, "weight": 7}]}}})
    assert sources(proxy) == {one.name: "servers", two.name: "servers", three.name: "api"}
    assert proxy.servers_state()[two.name]["weight"] == 7


def test_a_reload_that_fails_costs_nothing_of_it(azulb, scripted):
    one, two = named(scripted, "one"), named(scripted, "two")
    proxy = azulb(one)
    add(proxy, two)
    wait_until(lambda: b"two" in answers(proxy), what="the new one serving")
    act(proxy, one, "remove")
    text = proxy.config_path.read_text()
    assert "not reloaded" in proxy.reload(text=text.replace("app", "other").replace(str(proxy.access_log_path), "/no/such/dir/log"))
    assert answers(proxy) == {b"two"}
    proxy.reload()
    assert answers(proxy) == {b"two"}


# ---- the state file
@pytest.fixture
def state_path(tmp_path):
    (tmp_path / "state").mkdir()
    return tmp_path / "state" / "servers.json"


def test_what_was_changed_outlives_a_restart(azulb, scripted, state_path):
    servers = [named(scripted, str(number)) for number in range(6)]
    proxy = azulb(*servers[:4], extra={"admin": {"state_file": str(state_path)}})
    add(proxy, servers[4], name="added", weight=2)
    add(proxy, servers[5])
    act(proxy, servers[5], "remove")
    act(proxy, servers[0], "remove")
    act(proxy, servers[1], "drain")
    act(proxy, servers[2], "disable")
    act(proxy, servers[3], "weight", {"weight": 9})
    act(proxy, servers[4], "drain")
    for _ in range(2):
        restart(proxy)
        state = proxy.servers_state()
        assert {address: record["admin_state"] for address, record in state.items()} == {
            servers[1].name: "draining", servers[2].name: "disabled", servers[3].name: "enabled", servers[4].name: "draining",
        }
        assert (state[servers[4].name]["name"], state[servers[4].name]["weight"], state[servers[4].name]["source"]) == ("added", 2, "api")
        assert (state[servers[3].name]["weight"], state[servers[3].name]["configured_weight"]) == (9, 1)
        assert answers(proxy) == {b"3"}
    assert "servers are as " in proxy.stderr()
    # Undone, nothing is left of it.
    act(proxy, servers[1], "enable")
    act(proxy, servers[2], "enable")
    act(proxy, servers[3], "weight", {"weight": 1})
    act(proxy, servers[4], "remove")
    add(proxy, servers[0])
    wait_until(lambda: json.loads(text_of(state_path) or "{}").get("upstreams") == {}, what="an empty state file")
    assert os.listdir(state_path.parent) == ["servers.json"]
    assert not stat.S_IMODE(state_path.stat().st_mode) & 0o007


def test_the_files_own_changes_hold_after_a_restart(azulb, scripted, state_path):
    one, two = named(scripted, "one"), named(scripted, "two")
    proxy = azulb(one, two, extra={"admin": {"state_file": str(state_path)}})
    act(proxy, one, "weight", {"weight": 9})
    act(proxy, two, "drain")
    wait_until(lambda: "draining" in text_of(state_path), what="the state file")
    proxy.config_path.write_text(proxy.config_path.read_text().replace(f'"{one.name}"', f'{{ address = "{one.name}", weight = 4 }}'))
    restart(proxy)
    assert proxy.servers_state()[one.name]["weight"] == 4
    assert proxy.servers_state()[two.name]["admin_state"] == "draining"


def test_a_server_that_is_found_later_is_as_it_was_left(azulb, scripted, state_path, tmp_path):
    one, two = named(scripted, "one"), named(scripted, "two")
    path = tmp_path / "list.json"
    path.write_text(json.dumps([one.name, two.name]))
    proxy = azulb(upstream={"servers": [], "discover": {"file": str(path)}}, extra={"admin": {"state_file": str(state_path)}})
    act(proxy, one, "drain")
    wait_until(lambda: "draining" in text_of(state_path), what="the state file")
    path.write_text("not yet")
    restart(proxy)
    assert proxy.servers_state() == {}
    path.write_text(json.dumps([one.name, two.name]))
    wait_until(lambda: len(proxy.servers_state()) == 2, what="the servers")
    assert proxy.servers_state()[one.name]["admin_state"] == "draining"
    # Once it has been there and left, it is another server that comes.
    path.write_text(json.dumps([two.name]))
    wait_until(lambda: len(proxy.servers_state()) == 1, what="the server's leaving")
    wait_until(lambda: json.loads(text_of(state_path) or "{}").get("upstreams") == {}, what="an empty state file")
    path.write_text(json.dumps([one.name, two.name]))
    wait_until(lambda: len(proxy.servers_state()) == 2, what="the servers")
    assert proxy.servers_state()[one.name]["admin_state"] == "enabled"


@pytest.mark.parametrize("text", ["", "{", '{"version": 1}', "\0" * 100])
def test_a_state_file_that_makes_no_sense_is_kept_aside(azulb, scripted, state_path, text):
    state_path.write_text(text)
    proxy = azulb(named(scripted, "one"), extra={"admin": {"state_file": str(state_path)}})
    assert "is not what azulb writes" in proxy.stderr() and f"{state_path}.bad" in proxy.stderr()
    assert (state_path.parent / "servers.json.bad").read_text() == text
    assert answers(proxy) == {b"one"}
    act(proxy, next(iter(proxy.servers)), "drain")
    wait_until(lambda: state_path.exists() and "draining" in text_of(state_path), what="a new state file")


def test_a_state_file_that_cannot_be_read_is_an_error_at_start(azulb, scripted, state_path):
    state_path.mkdir()
    proxy = azulb(named(scripted, "one"), extra={"admin": {"state_file": str(state_path)}}, wait=False)
    assert proxy.wait_exit() == 1
    assert f"admin.state_file: cannot read {state_path}" in proxy.stderr()
    proxy.expected_exit = 1


def test_a_state_file_that_cannot_be_written_is_told(azulb, scripted, tmp_path):
    one = named(scripted, "one")
    proxy = azulb(one, extra={"admin": {"state_file": str(tmp_path / "nowhere" / "servers.json")}})
    wait_until(lambda: "state file: cannot write" in proxy.stderr(), what="the error")
    (tmp_path / "nowhere").mkdir()
    act(proxy, one, "drain")
    wait_until(lambda: "is written again" in proxy.stderr(), what="the recovery")
    assert "draining" in (tmp_path / "nowhere" / "servers.json").read_text()


def test_many_changes_end_in_the_last_one(azulb, scripted, state_path):
    one = named(scripted, "one")
    proxy = azulb(one, extra={"admin": {"state_file": str(state_path)}})
    for weight in range(2, 102):
        act(proxy, one, "weight", {"weight": weight})
    restart(proxy)
    assert proxy.servers_state()[one.name]["weight"] == 101


# ---- the commands
def run(proxy, *arguments):
    return subprocess.run([str(BINARY), *arguments, "-c", str(proxy.config_path)], capture_output=True, text=True, timeout=30)


def test_the_commands(azulb, scripted):
    one, two = named(scripted, "one"), scripted(always(OK))
    proxy = azulb(one, upstream={"health": FAST})
    result = run(proxy, "add", "app", two.name, "--name", "app2", "--weight", "2", "--wait")
    assert result.returncode == 0 and result.stdout.startswith("app/app2 is added and up after"), result
    assert proxy.servers_state()[two.name]["weight"] == 2
    assert run(proxy, "add", "app", two.name, "--name", "app2", "--weight", "2").stdout == "app/app2 was added before\n"
    refused = run(proxy, "add", "app", two.name)
    assert refused.returncode == 1 and "is there already: app2, of api" in refused.stderr
    assert run(proxy, "add", "ap", two.name).stderr == "azulb: no upstream ap; did you mean app?\n"
    result = run(proxy, "remove", "app2")
    assert (result.returncode, result.stdout) == (0, "app/app2 is removed: 0 requests and 0 tunnels are left\n")
    assert list(proxy.servers_state()) == [one.name]
    assert run(proxy, "remove", "app2").returncode == 1
    assert json.loads(run(proxy, "add", "app", two.name, "--json").stdout)["changed"] is True
