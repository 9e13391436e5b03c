"""The commands that ask or change a running azulb."""

import json
import os
import pty
import re
import subprocess
import threading

import pytest

from support.azulb import BINARY
from support.ports import free_port
from support.scripted_server import OK, always
from support.waiting import wait_until
from support.websocket import echo_bytes, handshake, upgrading

DONE, REFUSED, USAGE, UNREACHABLE, NOT_YET = range(5)
FAST = {"interval": "50ms", "fast_interval": "50ms", "timeout": "500ms", "rise": 1, "fall": 1}


def start(*arguments, environment=None, **more):
    return subprocess.Popen(
        [str(BINARY), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
        **more,
    )


def run(*arguments, **more):
    process = start(*arguments, **more)
    out, err = process.communicate(timeout=20)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


@pytest.fixture
def proxy(azulb, scripted):
    """Two servers, app1 and app2, without checks."""
    servers = [scripted(always(OK)), scripted(always(OK))]
    proxy = azulb(*({"address": server, "name": f"app{n}"} for n, server in enumerate(servers, 1)))
    proxy.command_line = ("--admin", f"127.0.0.1:{proxy.admin_port}")
    return proxy


def state_of(proxy, name):
    return next(s for s in proxy.servers_state().values() if s["name"] == name)


def test_status_shows_every_server(proxy):
    proxy.fetch()
    result = run("status", *proxy.command_line)
    assert result.returncode == DONE, result.stderr
    assert re.search(r"app1 +127\.0\.0\.1:\d+ +up +1 +0 +0 +1 +0", result.stdout)
    assert "\x1b" not in result.stdout, "colours where there is no terminal"
    assert json.loads(run("status", "--json", *proxy.command_line).stdout)["upstreams"][0]["name"] == "app"


def test_status_says_by_its_exit_status_when_an_upstream_has_no_server(azulb, scripted):
    server = scripted(always(OK))
    server.stop_listening()
    proxy = azulb(server, upstream={"health": FAST})
    proxy.wait_health(server, "down")
    result = run("status", "-c", proxy.config_path)
    assert result.returncode == NOT_YET
    assert "down" in result.stdout and "connection refused" in result.stdout


@pytest.mark.parametrize("environment,coloured", [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colours_on_a_terminal_unless_refused(proxy, environment, coloured):
    leader, follower = pty.openpty()
    try:
        kept = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
        subprocess.run([str(BINARY), "status", *proxy.command_line], stdout=follower, env={**kept, **environment}, check=True, timeout=20)
        assert (b"\x1b[32m" in os.read(leader, 65536)) is coloured
    finally:
        os.close(leader)
        os.close(follower)


def test_servers_lists_them_for_scripts(proxy):
    lines = [line.split("\t") for line in run("servers", "app", *proxy.command_line).stdout.splitlines()]
    assert [(name, state) for name, _, state in lines] == [("app/app1", "up"), ("app/app2", "up")]
    result = run("servers", "apps", *proxy.command_line)
    assert result.returncode == REFUSED and "did you mean app?" in result.stderr


def test_drain_waits_until_the_server_is_empty(azulb, scripted):
    release = threading.Event()

    def handler(peer):
        peer.read_request()
        assert release.wait(20)
        peer.send(OK)

    server = scripted(handler)
    proxy = azulb({"address": server, "name": "app1"})
    with proxy.client() as client:
        client.send_request()
        server.wait_requests(1)
        draining = start("drain", "app1", "-c", proxy.config_path)
        wait_until(lambda: state_of(proxy, "app1")["admin_state"] == "draining", what="the drain")
        assert draining.poll() is None
        release.set()
        assert client.read_response().status == 200
        out, err = draining.communicate(timeout=20)
        assert draining.returncode == DONE, err
        assert "app/app1 is empty" in out


def test_drain_counts_tunnels_and_gives_up_in_time(azulb, scripted):
    server = scripted(upgrading(echo_bytes))
    proxy = azulb({"address": server, "name": "app1"})
    with proxy.client() as client:
        assert handshake(client).status == 101
        result = run("drain", "app1", "--timeout", "200ms", "-c", proxy.config_path)
        assert result.returncode == NOT_YET
        assert "0 requests and 1 tunnels are left" in result.stdout
        # It is draining all the same.
        assert state_of(proxy, "app1")["admin_state"] == "draining"
        result = run("drain", "app1", "--no-wait", "--json", "-c", proxy.config_path)
        assert result.returncode == DONE and json.loads(result.stdout)["tunnels"] == 1


def test_a_progress_line_on_a_terminal(azulb, scripted):
    server = scripted(upgrading(echo_bytes))
    proxy = azulb({"address": server, "name": "app1"})
    leader, follower = pty.openpty()
    try:
        with proxy.client() as client:
            assert handshake(client).status == 101
            subprocess.run([str(BINARY), "drain", "app1", "--timeout", "200ms", "-c", str(proxy.config_path)], stderr=follower, stdout=subprocess.DEVNULL, timeout=20)
            assert b"\rapp/app1 is draining: 0 requests and 1 tunnels are left" in os.read(leader, 65536).replace(b"\x1b[K", b"")
    finally:
        os.close(leader)
        os.close(follower)


def test_disable_enable_and_weight(proxy):
    assert "app/app2 is disabled" in run("disable", "app2", *proxy.command_line).stdout
    assert state_of(proxy, "app2")["admin_state"] == "disabled"
    assert "app/app2 is enabled and up" in run("enable", "app/app2", *proxy.command_line).stdout
    assert state_of(proxy, "app2")["available"]
    assert run("weight", "app2", "7", *proxy.command_line).returncode == DONE
    assert state_of(proxy, "app2")["weight"] == 7


def test_enable_waits_for_the_first_check(azulb, scripted):
    healthy = threading.Event()

    def handler(peer):
        while True:
            peer.read_request()
            peer.send(OK if healthy.is_set() else b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")

    server = scripted(handler)
    proxy = azulb({"address": server, "name": "app1"}, upstream={"health": FAST})
    proxy.wait_health(server, "down")
    run("disable", "app1", "-c", proxy.config_path)
    result = run("enable", "app1", "--wait", "--timeout", "300ms", "-c", proxy.config_path)
    assert result.returncode == NOT_YET and "down" in result.stdout
    enabling = start("enable", "app1", "--wait", "-c", proxy.config_path)
    healthy.set()
    out, err = enabling.communicate(timeout=20)
    assert enabling.returncode == DONE and "app/app1 is enabled and up" in out, err


def test_unknown_and_ambiguous_servers(azulb, scripted):
    servers = [scripted(always(OK)) for _ in range(3)]
    other = {"upstream": {"api": {"servers": [{"address": servers[2].name, "name": "app1"}]}}}
    proxy = azulb(
        {"address": servers[0], "name": "app1"}, {"address": servers[1], "name": "app2"}, extra=other,
        routes=[{"path": "/api", "upstream": "api"}, {"upstream": "app"}],
    )
    result = run("drain", "app9", "-c", proxy.config_path)
    assert result.returncode == REFUSED and "there is no server app9; did you mean app1?" in result.stderr
    result = run("drain", "app1", "-c", proxy.config_path)
    assert result.returncode == REFUSED and "which of app/app1 api/app1?" in result.stderr
    assert run("drain", "api/app1", "-c", proxy.config_path).returncode == DONE
    assert run("drain", servers[1].name, "-c", proxy.config_path).returncode == DONE
    assert proxy.servers_state()[servers[1].name]["admin_state"] == "draining"
    assert proxy.servers_state()[servers[0].name]["admin_state"] == "enabled"


def test_the_token_comes_from_the_file_an_option_or_the_environment(azulb, scripted, tmp_path):
    proxy = azulb({"address": scripted(always(OK)), "name": "app1"}, admin={"token": "for-deploys"})
    address = ("--admin", f"127.0.0.1:{proxy.admin_port}")
    token_file = tmp_path / "token"
    token_file.write_text("for-deploys\n")
    refused = run("disable", "app1", *address)
    assert refused.returncode == REFUSED and "token" in refused.stderr
    assert run("status", *address).returncode == DONE
    assert run("disable", "app1", *address, "--token", "wrong").returncode == REFUSED
    assert run("disable", "app1", *address, "--token", "for-deploys").returncode == DONE
    assert run("disable", "app1", *address, "--token-file", token_file).returncode == DONE
    assert run("disable", "app1", *address, environment={"AZULB_TOKEN": "for-deploys"}).returncode == DONE
    assert run("disable", "app1", environment={"AZULB_TOKEN": "for-deploys", "AZULB_ADMIN": address[1]}).returncode == DONE
    assert run("disable", "app1", "-c", proxy.config_path).returncode == DONE


def test_over_a_unix_socket(azulb, scripted, tmp_path):
    path = f"unix:{tmp_path}/admin.sock"
    proxy = azulb({"address": scripted(always(OK)), "name": "app1"}, admin={"address": path})
    assert run("disable", "app1", "--admin", path).returncode == DONE
    assert run("status", "-c", proxy.config_path).returncode == NOT_YET


def test_nobody_answers(tmp_path):
    address = f"127.0.0.1:{free_port()}"
    result = run("status", "--admin", address)
    assert result.returncode == UNREACHABLE
    assert address in result.stderr and "refused" in result.stderr.lower()


def test_what_answers_is_no_azulb(scripted):
    server = scripted(always(OK))
    result = run("status", "--admin", server.name)
    assert result.returncode == UNREACHABLE and "no azulb" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [("drain",), ("drain", "a", "b"), ("drain", "a", "--timeout", "soon"), ("weight", "a"), ("weight", "a", "0"), ("weight", "a", "65536"), ("weight", "a", "x"), ("status", "--admin", "nowhere:x"), ("status", "-c", "/no/such/file")],
)
def test_wrong_command_lines(arguments):
    assert run(*arguments).returncode == USAGE


def test_help_tells_the_exit_statuses():
    for command in ("status", "servers", "drain", "disable", "enable", "weight", "add", "remove"):
        text = run(command, "--help").stdout
        assert "Exit status: 0 done; 1 azulb refuses" in text and "4 not in the wanted state" in text, command
