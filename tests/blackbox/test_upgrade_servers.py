"""What the API has changed of servers, when another process takes azulb's place."""

import json
import signal
import socket

from support.scripted_server import OK, always
from support.waiting import wait_until
from support.websocket import echo_bytes, handshake, upgrading
from test_changing_servers import act, add, answers, named, text_of


def states(proxy):
    return {address: (record["admin_state"], record["weight"]) for address, record in proxy.servers_state().items()}


def test_it_is_kept_without_a_state_file(azulb, scripted):
    servers = [named(scripted, str(number)) for number in range(5)]
    proxy = azulb(*servers[:4])
    add(proxy, servers[4], name="added", weight=2)
    act(proxy, servers[0], "remove")
    act(proxy, servers[1], "drain")
    act(proxy, servers[2], "disable")
    act(proxy, servers[3], "weight", {"weight": 9})
    expected = {
        servers[1].name: ("draining", 1), servers[2].name: ("disabled", 1), servers[3].name: ("enabled", 9), servers[4].name: ("enabled", 2),
    }
    for _ in range(2):
        proxy.upgrade()
        assert states(proxy) == expected
        assert answers(proxy, 20) == {b"3", b"4"}
    # Undone, that is kept as well.
    act(proxy, servers[1], "enable")
    add(proxy, servers[0])
    proxy.upgrade()
    assert answers(proxy, 40) == {b"0", b"1", b"3", b"4"}


def test_changes_while_the_new_process_gets_ready_hold(azulb, scripted):
    one, two, late = (named(scripted, name) for name in ("one", "two", "late"))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(20)
        health = {"interval": "60s", "fast_interval": "60s", "timeout": "3s", "fall": 1}
        proxy = azulb(one, two, f"127.0.0.1:{silent.getsockname()[1]}", upstream={"health": health, "queue": 0})
        proxy.wait_health(two.name, "up")
        act(proxy, two, "drain")
        checks, before = [silent.accept()[0]], len(proxy.stderr())
        proxy.signal(signal.SIGUSR2)
        checks.append(silent.accept()[0])  # the new process knows its servers, and waits for their first checks
        act(proxy, one, "drain")
        act(proxy, two, "enable")
        assert add(proxy, late).status == 200
        assert "serves from here on" not in proxy.stderr()[before:], "else this shows nothing"
        proxy.follow(before)
        assert {address: state for address, (state, _) in states(proxy).items()} == {
            one.name: "draining", two.name: "enabled", late.name: "enabled", f"127.0.0.1:{silent.getsockname()[1]}": "enabled",
        }
        proxy.wait_health(late.name, "up")
        assert answers(proxy, 20) == {b"two", b"late"}
        for check in checks:
            check.close()


def test_the_state_file_is_the_new_processs(azulb, scripted, tmp_path):
    one, other = scripted(upgrading(echo_bytes)), scripted(always(OK))
    path = tmp_path / "state" / "servers.json"
    proxy = azulb(one, other, extra={"admin": {"state_file": str(path)}})
    with proxy.client() as client:
        while handshake(client).status != 101:
            pass  # the other's turn
        act(proxy, one, "weight", {"weight": 3})
        wait_until(lambda: "state file: " in proxy.stderr(), what="the failure to write")
        path.parent.mkdir()
        proxy.upgrade()
        act(proxy, other, "drain")
        wait_until(lambda: "draining" in text_of(path), what="the change being saved")
        written = text_of(path)
        client.send(b"still")
        assert client.read_exact(5) == b"still"
    proxy.wait_predecessors()  # which could not write what it knew
    assert text_of(path) == written
    changes = json.loads(written)["upstreams"]["app"]["changed"]
    assert changes[one.name]["weight"] == 3 and changes[other.name]["admin_state"] == "draining"
