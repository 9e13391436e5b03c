"""SIGUSR2 and `azulb upgrade`: another process takes azulb's place, and nobody notices."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess

import pytest

from support.azulb import BINARY, is_sanitized
from support.client import Client, connect, fetch
from support.http2 import get
from support.live_websockets import LiveWebSockets
from support.ports import free_port
from support.scripted_server import OK, always, response
from support.service_manager import ServiceManager
from support.toml_writer import dumps
from support.waiting import wait_until
from support.websocket import echo_bytes, handshake, upgrading
from test_command_line_client import DONE, REFUSED, run
from test_health import FAST, Switch
from test_reload import refused


def listening(proxy, port=None):
    """The sockets that listen there, by their inodes."""
    proxy.admin("/healthz")  # is answered once all do
    command = ["ss", "-ltneH", f"sport = :{port or proxy.port}"]
    text = subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout
    return set(re.findall(r"ino:(\d+)", text))


def write(proxy, **changes):
    proxy.config_path.write_text(dumps({**proxy.config, **changes}))


@pytest.fixture
def executable(tmp_path):
    """A symbolic link to azulb, which a test may let lead elsewhere."""
    link = tmp_path / "azulb-now"
    link.symlink_to(BINARY)
    return link


def replace(executable, script):
    """The executable is a shell script from now on."""
    executable.unlink()
    executable.write_text("#!/bin/sh\n" + script)
    executable.chmod(0o755)


# ---- who serves
def test_a_signal_has_another_process_take_over(azulb, scripted):
    proxy = azulb(scripted(always(OK)), process={"workers": 2})
    before, sockets = proxy.pid, listening(proxy)
    for _ in range(3):
        proxy.upgrade()
        assert proxy.fetch().status == 200
        assert proxy.admin("/readyz").status == 200
    proxy.wait_predecessors()
    assert proxy.pid != before
    assert listening(proxy) == sockets and len(sockets) == 2
    assert proxy.open_descriptors() > 0


def test_the_command_has_another_process_take_over(azulb, scripted):
    proxy = azulb(scripted(always(OK)))
    before, log = proxy.pid, len(proxy.stderr())
    result = run("upgrade", "-c", proxy.config_path)
    assert result.returncode == DONE, result.stderr
    proxy.follow(log)
    assert result.stdout == f"process {proxy.pid} serves from here on; process {before} ends when its last connection does\n"
    before, log = proxy.pid, len(proxy.stderr())
    result = run("upgrade", "--json", "-c", proxy.config_path)
    proxy.follow(log)
    assert json.loads(result.stdout) == {"process": proxy.pid, "previous": before}
    assert proxy.fetch().status == 200


def test_without_the_token_nothing_is_upgraded(azulb, scripted):
    proxy = azulb(scripted(always(OK)), admin={"token": "secret"})
    assert proxy.command("/upgrade").status == 401
    before = len(proxy.stderr())
    assert proxy.command("/upgrade", token="secret").status == 200
    proxy.follow(before)


def test_what_the_executable_s_path_leads_to_now_is_started(azulb, scripted, executable):
    proxy = azulb(scripted(always(OK)), binary=executable)
    replace(executable, f'echo "through the script" >&2\nexec {BINARY} "$@"\n')
    proxy.upgrade()
    assert "through the script" in proxy.stderr()
    assert proxy.fetch().status == 200


def test_an_azulb_without_a_file_is_upgraded_too(azulb, scripted):
    server = scripted(always(OK))
    proxy = azulb(
        arguments=lambda self: ["proxy", "--listen", self.name, "--to", server.name, "--access-log", "off"]
    )
    proxy.upgrade()
    assert proxy.fetch().status == 200


def test_no_descriptor_is_left_behind(azulb, scripted):
    proxy = azulb(scripted(always(OK)))

    def descriptors():
        return sorted(re.sub(r"\d+", "", os.readlink(f"/proc/{proxy.pid}/fd/{n}")) for n in os.listdir(f"/proc/{proxy.pid}/fd"))

    proxy.upgrade()
    proxy.wait_predecessors()
    first = descriptors()
    for _ in range(3):
        proxy.upgrade()
        proxy.wait_predecessors()
    assert descriptors() == first


# ---- connections
def test_a_tunnel_stays_with_its_process_until_it_ends(azulb, scripted):
    proxy = azulb(scripted(upgrading(echo_bytes)), process={"drain_timeout": "60s"})
    with proxy.client() as client:
        assert handshake(client).status == 101
        proxy.upgrade()
        old = proxy.predecessors[0]
        client.send(b"still")
        assert client.read_exact(5) == b"still" and old.poll() is None
        with proxy.client() as other:
            assert handshake(other).status == 101
    proxy.wait_predecessors()


def test_a_tunnel_ends_with_the_drain_time(azulb, scripted):
    proxy = azulb(scripted(upgrading(echo_bytes)), process={"drain_timeout": "300ms"})
    with proxy.client() as client:
        assert handshake(client).status == 101
        proxy.upgrade()
        assert client.read_all()[0] == b""
        proxy.wait_predecessors()


def test_an_open_connection_is_told_to_go_with_its_next_answer(azulb, scripted):
    proxy = azulb(scripted(always(OK)), process={"drain_timeout": "60s"})
    with proxy.client() as busy, proxy.client() as idle:
        assert busy.request().status == 200 and idle.request().status == 200
        proxy.upgrade()
        answer = busy.request()
        assert answer.status == 200 and answer.header("connection") == "close" and busy.at_end()
        assert idle.read_all()[0] == b""  # and one that stays idle is closed
        proxy.wait_predecessors()


def test_an_http2_connection_ends_with_its_last_stream(azulb, scripted, http2_client):
    proxy = azulb(scripted(always(response(200, b"one"))), process={"drain_timeout": "60s"})
    client = http2_client(proxy)
    assert bytes(client.request(get()).body) == b"one"
    proxy.upgrade()
    client.until(lambda: client.goaway)
    client.sock.close()
    proxy.wait_predecessors()


def test_who_waits_in_a_backlog_is_served_by_the_new_process(azulb, scripted):
    """At its limit of connections azulb accepts no more: whoever comes waits in the kernel."""
    proxy = azulb(scripted(always(OK)), process={"workers": 2, "max_connections": 2, "drain_timeout": "60s"})
    with proxy.client() as one, proxy.client() as two:
        assert one.request().status == 200 and two.request().status == 200
        waiting = [proxy.client() for _ in range(20)]
        for client in waiting:
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        write(proxy, process={**proxy.config["process"], "max_connections": 100})
        proxy.upgrade()
        for client in waiting:
            assert client.read_response().status == 200
            client.close()


# ---- sockets
def test_every_socket_of_a_group_is_taken_over_whatever_the_number_of_workers(azulb, scripted):
    proxy = azulb(scripted(always(OK)), process={"workers": 3})
    sockets = listening(proxy)
    assert len(sockets) == 3
    for workers, expected in ((1, 3), (5, 5), (2, 5)):
        write(proxy, process={**proxy.config["process"], "workers": workers})
        proxy.upgrade()
        proxy.wait_predecessors()
        assert sockets <= listening(proxy) and len(listening(proxy)) == expected
        assert all(proxy.fetch().status == 200 for _ in range(30))


def test_a_reload_and_an_upgrade_go_well_together(azulb, scripted):
    one, two = scripted(always(response(200, b"one"))), scripted(always(response(200, b"two")))
    more = ("127.0.0.1", free_port())
    proxy = azulb(one, process={"workers": 2})
    proxy.reload({"listener": {"more": {"address": f"127.0.0.1:{more[1]}"}}, "process": {"workers": 3}})
    sockets, of_more = listening(proxy), listening(proxy, more[1])
    proxy.upgrade()
    assert (listening(proxy), listening(proxy, more[1])) == (sockets, of_more)
    assert fetch(more).body == b"one"
    proxy.wait_predecessors()
    report = proxy.reload({"upstream": {"app": {"servers": [two.name]}}, "process": {"workers": 4}})
    assert "listener more: removed" in report
    assert {proxy.fetch().body for _ in range(20)} == {b"two"} and len(listening(proxy)) == 4
    wait_until(lambda: refused(more), what="the address being closed")
    proxy.upgrade()
    assert proxy.fetch().body == b"two"


def test_listeners_that_come_and_go_with_an_upgrade(azulb, scripted):
    old, new = ("127.0.0.1", free_port()), ("127.0.0.1", free_port())
    proxy = azulb(scripted(always(OK)), extra={"listener": {"old": {"address": f"127.0.0.1:{old[1]}"}}})
    assert fetch(old).status == 200
    write(proxy, listener={**proxy.config["listener"], "old": {"address": f"127.0.0.1:{new[1]}"}})
    proxy.upgrade()
    assert fetch(new).status == 200 and proxy.fetch().status == 200
    wait_until(lambda: refused(old), what="the address being closed")


def test_a_port_that_the_kernel_chose_stays(azulb, scripted):
    proxy = azulb(scripted(always(OK)), extra={"listener": {"any": {"address": "127.0.0.1:0"}}}, process={"workers": 2})
    wait_until(lambda: " is ready: " in proxy.stderr(), what="the start")

    def ports():
        return {int(port) for port in re.findall(r"listening on 127\.0\.0\.1:(\d+)", proxy.stderr())}

    before = ports()
    proxy.upgrade()
    assert ports() == before and len(before) == 2
    assert all(fetch(("127.0.0.1", port)).status == 200 for port in before)


def test_unix_sockets_stay_in_their_place(azulb, scripted, tmp_path):
    front, admin = tmp_path / "front.sock", tmp_path / "admin.sock"
    proxy = azulb(
        scripted(always(OK)),
        extra={"listener": {"unix": {"address": f"unix:{front}"}}, "admin": {"address": f"unix:{admin}"}},
    )
    wait_until(lambda: " is ready: " in proxy.stderr(), what="the start")
    inodes = [path.stat().st_ino for path in (front, admin)]
    for _ in range(2):
        before = len(proxy.stderr())
        proxy.upgrade()
        proxy.wait_predecessors()
        assert [path.stat().st_ino for path in (front, admin)] == inodes
        assert fetch(str(front)).status == 200
    before = len(proxy.stderr())
    result = run("upgrade", "--admin", f"unix:{admin}")
    assert result.returncode == DONE, result.stderr
    proxy.follow(before)
    proxy.stop()
    assert not front.exists() and not admin.exists(), "the last one removes them"


def test_the_pid_file_names_the_process_that_serves(azulb, scripted, tmp_path):
    path = tmp_path / "pid"
    proxy = azulb(scripted(always(OK)), process={"pid_file": str(path)})
    assert path.read_text() == f"{proxy.pid}\n"
    for _ in range(2):
        proxy.upgrade()
        proxy.wait_predecessors()
        assert path.read_text() == f"{proxy.pid}\n"
    other = tmp_path / "other"
    write(proxy, process={**proxy.config["process"], "pid_file": str(other)})
    proxy.upgrade()
    proxy.wait_predecessors()
    assert not path.exists() and other.read_text() == f"{proxy.pid}\n"
    proxy.stop()
    assert not other.exists()


# ---- servers
def test_no_request_goes_to_a_server_that_is_down(azulb, scripted):
    up, down = Switch(scripted), Switch(scripted, status=500)
    proxy = azulb(up.name, down.name, upstream={"health": FAST, "queue": 0})
    proxy.wait_health(up.name, "up")
    proxy.wait_health(down.name, "down")
    for _ in range(3):
        proxy.upgrade()
        assert all(proxy.fetch().status == 200 for _ in range(10))
    assert down.others == []


# ---- what goes wrong
BAD_ENDS = [
    ("exit 7\n", "it ended with status 7"),
    ("kill -9 $$\n", "it was ended by signal 9 (Killed)"),
    ("exec /bin/sleep 60\n", "it was not ready within 1s"),
]


@pytest.mark.parametrize("script, reason", BAD_ENDS)
def test_a_new_executable_that_does_not_serve_changes_nothing(azulb, scripted, executable, script, reason):
    proxy = azulb(scripted(upgrading(echo_bytes)), process={"upgrade_timeout": "1s"}, binary=executable)
    with proxy.client() as client:
        assert handshake(client).status == 101
        replace(executable, script)
        result = run("upgrade", "-c", proxy.config_path)
        assert result.returncode == REFUSED
        assert f"the new process did not get ready: {reason}" in result.stderr
        assert f"this process goes on: the new process did not get ready: {reason}" in proxy.stderr()
        client.send(b"still")
        assert client.read_exact(5) == b"still"
    assert proxy.alive() and proxy.admin("/readyz").status == 200


@pytest.mark.parametrize("gone", [True, False])
def test_an_executable_that_cannot_be_started_changes_nothing(azulb, scripted, executable, gone):
    proxy = azulb(scripted(always(OK)), binary=executable)
    executable.unlink()
    if not gone:
        executable.write_text("no program")
    answer = proxy.command("/upgrade")
    assert answer.status == 409
    assert f"cannot start {executable}: " in json.loads(answer.body)["error"]
    assert proxy.fetch().status == 200
    # And once it is mended, it goes well.
    executable.unlink(missing_ok=True)
    executable.symlink_to(BINARY)
    proxy.upgrade()
    assert proxy.fetch().status == 200


def test_a_configuration_with_errors_changes_nothing(azulb, scripted, tmp_path):
    path, pid = tmp_path / "front.sock", tmp_path / "pid"
    proxy = azulb(
        scripted(always(OK)),
        process={"pid_file": str(pid)},
        extra={"listener": {"unix": {"address": f"unix:{path}"}}},
    )
    good = proxy.config_path.read_text()
    proxy.config_path.write_text("[listener.http]\nadress = 1\n")
    answer = proxy.command("/upgrade")
    assert answer.status == 409
    report = json.loads(answer.body)
    assert report["error"] == "the new process did not get ready: it ended with status 1"
    assert 'azulb.toml:2:1: error: unknown key "adress"' in report["text"]
    result = run("upgrade", "--admin", f"127.0.0.1:{proxy.admin_port}")
    assert result.returncode == REFUSED and 'azulb.toml:2:1: error: unknown key "adress"' in result.stderr
    assert fetch(str(path)).status == 200 and pid.read_text() == f"{proxy.pid}\n"
    proxy.config_path.write_text(good)
    assert "nothing has changed" in proxy.reload(text=good)
    proxy.upgrade()
    assert fetch(str(path)).status == 200


def test_a_start_that_fails_late_changes_nothing(azulb, scripted, tmp_path):
    """With all sockets taken over already, and workers to be added beside them."""
    path, taken = tmp_path / "front.sock", scripted(always(OK))
    listeners = {"unix": {"address": f"unix:{path}"}}
    proxy = azulb(scripted(always(OK)), extra={"listener": listeners}, process={"workers": 2})
    for changes in (
        {"listener": {**proxy.config["listener"], "more": {"address": taken.name}}},
        {"access_log": {"output": "/no/such/directory/log"}},
    ):
        write(proxy, process={**proxy.config["process"], "workers": 8}, **changes)
        answer = proxy.command("/upgrade")
        assert answer.status == 409, answer.body
        text = json.loads(answer.body)["text"]
        assert "another process listens there" in text or "/no/such/directory" in text
        assert all(proxy.fetch().status == 200 for _ in range(40))
        assert fetch(str(path)).status == 200 and len(listening(proxy)) == 2


def test_asked_to_end_during_an_upgrade_both_end(azulb, scripted, executable):
    proxy = azulb(scripted(always(OK)), process={"upgrade_timeout": "60s"}, binary=executable)
    replace(executable, "echo waiting $$ >&2\nexec /bin/sleep 600\n")
    proxy.signal(signal.SIGUSR2)
    successor = int(wait_until(lambda: re.search(r"waiting (\d+)", proxy.stderr()), what="the start").group(1))
    proxy.signal(signal.SIGTERM)
    assert proxy.wait_exit() == 0
    wait_until(lambda: not os.path.exists(f"/proc/{successor}") or state_of(successor) == "Z", what="its end")


def state_of(process):
    with contextlib.suppress(FileNotFoundError):
        return open(f"/proc/{process}/stat").read().rpartition(")")[2].split()[0]
    return "Z"


def test_a_reload_asked_for_during_an_upgrade_that_fails_is_done_after_it(azulb, scripted, executable):
    one, two = scripted(always(response(200, b"one"))), scripted(always(response(200, b"two")))
    proxy = azulb(one, process={"upgrade_timeout": "1s"}, binary=executable)
    replace(executable, "exec /bin/sleep 60\n")
    before = len(proxy.stderr())
    proxy.signal(signal.SIGUSR2)
    wait_until(lambda: "upgrade: starting" in proxy.stderr(), what="the upgrade")
    write(proxy, upstream={"app": {"servers": [two.name]}})
    proxy.signal(signal.SIGHUP)
    report = proxy.wait_reload(before)
    assert report.index("the upgrade has failed") < report.index("the configuration is reloaded")
    assert proxy.fetch().body == b"two"


def test_the_process_that_was_replaced_refuses_what_is_for_its_successor(azulb, scripted):
    proxy = azulb(scripted(upgrading(echo_bytes)), process={"drain_timeout": "60s"})
    with proxy.client() as client:
        assert handshake(client).status == 101
        proxy.upgrade()
        for number, words in ((signal.SIGUSR2, "the upgrade has failed"), (signal.SIGHUP, "is not reloaded")):
            proxy.predecessors[0].send_signal(number)
            wait_until(lambda: words in proxy.stderr(), what="the refusal")
        client.send(b"still")
        assert client.read_exact(5) == b"still"
        # Asked to end, it still waits for the tunnel; a second time it does not.
        proxy.predecessors[0].send_signal(signal.SIGTERM)
        client.send(b"again")
        assert client.read_exact(5) == b"again"
    proxy.wait_predecessors()


# ---- the service manager
def test_the_service_manager_learns_who_is_the_main_process(azulb, scripted):
    manager = ServiceManager()
    environment = {**manager.environment, "WATCHDOG_USEC": "400000"}
    proxy = azulb(scripted(always(OK)), environment=environment)
    manager.wait("READY")
    proxy.upgrade()
    assert manager.wait("MAINPID")["MAINPID"] == str(proxy.pid)
    manager.wait("READY", 2)
    keys = [key for message in manager.read() for key in message if key in ("MAINPID", "READY", "STOPPING")]
    assert keys == ["READY", "MAINPID", "READY"], "it is told in this order, and of no end"
    proxy.wait_predecessors()
    fed = sum("WATCHDOG" in message for message in manager.read())
    manager.wait("WATCHDOG", fed + 2)
    proxy.stop()
    manager.wait("STOPPING")
    manager.close()


# ---- under load
@pytest.mark.slow
def test_upgrades_under_load_lose_nothing(azulb, crystal_apps):
    """AZULB_UPGRADES=20 for the figures. Tunnels stay with the process that accepted them; each process gets its own."""
    upgrades = int(os.environ.get("AZULB_UPGRADES", "3"))
    apps = crystal_apps(3)
    health = {"health": {**FAST, "path": "/health"}, "balance": "least_connections"}
    process = {"workers": 2, "drain_timeout": "10m", "upgrade_timeout": "60s"}
    proxy = azulb(*apps, upstream=health, process=process, access_log={"output": "off"})
    for app in apps:
        proxy.wait_health(app, "up")
    load = subprocess.Popen(
        ["wrk", "-t1", "-c32", f"-d{max(6, 3 * upgrades)}s", "--latency", f"http://{proxy.name}/"],
        stdout=subprocess.PIPE,
        text=True,
    )
    sizes = []
    with contextlib.ExitStack() as tunnels:
        open_sockets = []
        for turn in range(upgrades + 1):
            count = (200 if upgrades >= 20 else 40) // (upgrades + 1) + 1
            sockets = tunnels.enter_context(LiveWebSockets(proxy.port, count))
            wait_until(lambda: sockets.open + len(sockets.errors) == count, 40, "all WebSockets being open")
            open_sockets.append(sockets)
            sizes.append(proxy.resident_bytes())
            if turn < upgrades:
                proxy.upgrade(60)
        assert all(process.poll() is None for process in proxy.predecessors), "each has its tunnels still"
        output, _ = load.communicate(timeout=120)
        assert load.returncode == 0
        print(output, f"tunnels: {sum(s.count for s in open_sockets)}, echoes: {sum(s.echoed for s in open_sockets)},")
        print(f"resident: {[size >> 10 for size in sizes]} KiB")
        assert "Socket errors" not in output and "Non-2xx" not in output, output
        assert all(s.errors == [] and s.echoed >= s.count for s in open_sockets)
    proxy.wait_predecessors(60)
    if not is_sanitized():
        assert max(sizes) < sizes[0] * 1.5
