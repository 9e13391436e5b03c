"""packaging/rolling-restart.sh: every replica restarted under load, nobody notices."""

import asyncio
import collections
import http.server
import json
import shutil
import subprocess
import threading

import pytest
import websockets

from support.azulb import BINARY, ROOT
from support.scripted_server import OK, always
from support.waiting import wait_until
from support.websocket import RESTART, echo_bytes, handshake, upgrading

SCRIPT = ROOT / "packaging" / "rolling-restart.sh"
HEALTH = {"path": "/health", "interval": "500ms", "fast_interval": "100ms", "timeout": "1s", "rise": 1, "fall": 2}


def roll(proxy, *arguments, timeout=80):
    return subprocess.run(
        [str(SCRIPT), "--azulb", str(BINARY), "-c", str(proxy.config_path), *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
    )


class Restarter(http.server.BaseHTTPRequestHandler):
    """GET /NAME kills that replica, at once and for good, and starts it anew without waiting for it."""

    apps = {}
    restarted = []

    def do_GET(self):
        name = self.path[1:]
        self.apps[name].kill()
        self.apps[name].launch()
        self.restarted.append(name)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def restarter():
    """Starts a Restarter over apps and returns the command that asks it."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Restarter)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def start(apps):
        Restarter.apps, Restarter.restarted = {app.label: app for app in apps}, []
        return f'curl -sSf "http://127.0.0.1:{server.server_address[1]}/$name"'

    yield start
    server.shutdown()
    thread.join()
    server.server_close()


class Load:
    """Clients of all kinds until `stop`; whatever goes wrong is in `failures`."""

    def __init__(self, proxy):
        self.proxy, self.stopping, self.failures = proxy, threading.Event(), []
        self.counts, self.ids, self.lock = collections.Counter(), [], threading.Lock()
        self.threads = [threading.Thread(target=self._guard, args=(self._get,)) for _ in range(4)]
        self.threads += [threading.Thread(target=self._guard, args=(self._post,)) for _ in range(2)]
        self.threads.append(threading.Thread(target=self._guard, args=(lambda: asyncio.run(self._websockets()),)))
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def _guard(self, work):
        try:
            work()
        except Exception as error:
            self.failures.append(repr(error))

    def _note(self, kind, status):
        with self.lock:
            self.counts[kind] += 1
        if status != 200:
            self.failures.append(f"{kind}: {status}")

    def _get(self):
        with self.proxy.client() as client:
            while not self.stopping.is_set():
                self._note("get", client.request().status)
                self._note("slow", client.request(target="/slow?ms=30").status)

    def _post(self):
        with self.proxy.client() as client:
            while not self.stopping.is_set():
                with self.lock:
                    ident = f"post{len(self.ids)}"
                    self.ids.append(ident)
                self._note("post", client.request("POST", f"/count?id={ident}", body=b"x").status)

    async def _websockets(self):
        async def talk(number):
            while not self.stopping.is_set():
                url = f"ws://127.0.0.1:{self.proxy.port}/ws"
                async with websockets.connect(url) as socket:
                    for turn in range(10):
                        await socket.send(f"{number} {turn}")
                        assert f"{number} {turn}" in await asyncio.wait_for(socket.recv(), 20)
                        await asyncio.sleep(0.02)
                self._note("websocket", 200)

        async def stay(number):
            while not self.stopping.is_set():
                url = f"ws://127.0.0.1:{self.proxy.port}/ws"
                async with websockets.connect(url) as socket:
                    try:
                        while not self.stopping.is_set():
                            text = f"stays {number} " + "x" * 5000
                            await socket.send(text)
                            assert text in await asyncio.wait_for(socket.recv(), 20)
                            await asyncio.sleep(0.01)
                    except websockets.ConnectionClosed as closed:
                        # Told to come back; anything else, such as an end within a message, is a failure.
                        assert closed.rcvd is not None and closed.rcvd.code == RESTART, closed
                        self._note("told to come back", 200)

        await asyncio.gather(*(talk(number) for number in range(10)), *(stay(number) for number in range(10)))


def test_five_replicas_restarted_under_load_lose_no_request_and_cut_no_websocket(azulb, crystal_apps, restarter):
    apps = crystal_apps(5)
    proxy = azulb(
        *({"address": app.name, "name": app.label} for app in apps),
        upstream={"health": HEALTH, "timeout": {"drain": "3s"}},
        process={"workers": 2},
    )
    for app in apps:
        proxy.wait_health(app.name, "up")
    before = {app.label: app.process.pid for app in apps}
    load = Load(proxy)
    wait_until(lambda: load.counts["websocket"] >= 10 and load.counts["post"] >= 20, 30, "the load")
    result = roll(proxy, "app", restarter(apps))
    counts = dict(load.counts)
    wait_until(lambda: load.counts["websocket"] > counts["websocket"] and load.counts["post"] > counts["post"], 30, "the load going on")
    load.stop()
    assert result.returncode == 0, result.stderr
    assert Restarter.restarted == [app.label for app in apps]
    assert all(app.process.pid != before[app.label] for app in apps)
    assert not load.failures
    assert min(load.counts[kind] for kind in ("get", "slow", "post", "websocket")) >= 20, load.counts
    assert load.counts["told to come back"] >= 10, load.counts
    executed = [line.split()[0] for line in apps[0].executed_path.read_text().splitlines()]
    assert sorted(executed) == sorted(load.ids), "a POST was lost or ran twice"
    assert all(server["available"] for server in proxy.servers_state().values())
    assert not [record for record in map(json.loads, proxy.access_lines()) if record["status"] not in (101, 200)]


def test_a_server_that_does_not_come_up_ends_it(azulb, scripted):
    servers = [scripted(always(OK)) for _ in range(3)]
    proxy = azulb(*({"address": server, "name": f"app{n}"} for n, server in enumerate(servers, 1)), upstream={"health": HEALTH})
    for server in servers:
        proxy.wait_health(server, "up")
    servers[1].stop_listening()
    result = roll(proxy, "--start", "3s", "app", "true")
    assert result.returncode == 1
    assert "app/app2 does not come up within 3s" in result.stderr and "app/app3" not in result.stderr
    states = {record["name"]: record["admin_state"] for record in proxy.servers_state().values()}
    assert states == {"app1": "enabled", "app2": "disabled", "app3": "enabled"}


def test_a_command_that_fails_ends_it(azulb, scripted):
    proxy = azulb({"address": scripted(always(OK)), "name": "app1"}, {"address": scripted(always(OK)), "name": "app2"})
    result = roll(proxy, "app", "false")
    assert result.returncode == 1 and "app/app1 stays disabled, as the command failed: false" in result.stderr
    assert "app/app2" not in result.stderr


def test_the_command_knows_the_server(azulb, scripted, tmp_path):
    servers = [scripted(always(OK)), scripted(always(OK))]
    proxy = azulb(*({"address": server, "name": f"app {n}"} for n, server in enumerate(servers, 1)))
    result = roll(proxy, "app", f'echo "$name,$address,$port" >> {tmp_path}/told')
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "told").read_text().splitlines() == [
        f"app {n},{server.name},{server.address[1]}" for n, server in enumerate(servers, 1)
    ]


def test_a_websocket_that_stays_ends_it_or_is_cut_when_forced(azulb, scripted):
    server = scripted(upgrading(echo_bytes))
    proxy = azulb({"address": server, "name": "app1"})
    with proxy.client() as client:
        assert handshake(client).status == 101
        result = roll(proxy, "--drain", "200ms", "app", "echo restarted")
        assert result.returncode == 1 and "is not empty within 200ms" in result.stderr
        assert "restarted" not in result.stdout
        assert proxy.servers_state()[server.name]["admin_state"] == "enabled"
        result = roll(proxy, "--drain", "200ms", "--force", "app", "echo restarted")
        assert result.returncode == 0 and "restarted" in result.stdout


def test_wrong_usage_and_no_azulb(azulb, scripted):
    proxy = azulb(scripted(always(OK)))
    assert roll(proxy, "app").returncode == 2
    assert roll(proxy, "--what", "app", "true").returncode == 2
    result = roll(proxy, "apps", "true")
    assert result.returncode == 1 and "did you mean app?" in result.stderr
    assert "usage:" in subprocess.run([str(SCRIPT), "--help"], capture_output=True, text=True).stdout


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is missing")
def test_shellcheck_has_nothing_to_say():
    result = subprocess.run(["shellcheck", str(SCRIPT)], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
