"""What azulb tells a service manager (sd_notify), and the sockets it takes from one (socket activation)."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

from support.adopted_process import AdoptedProcess
from support.azulb import BINARY
from support.client import Client, fetch
from support.ports import free_port
from support.scripted_server import OK, always
from support.service_manager import ServiceManager, exec_with_sockets, listening_socket
from support.toml_writer import dumps
from support.waiting import wait_until


@pytest.fixture
def manager():
    made = ServiceManager()
    yield made
    made.close()


# ---- notify
def test_it_is_told_when_azulb_serves_and_when_it_ends(azulb, scripted, manager):
    proxy = azulb(scripted(always(OK)), process={"drain_timeout": "7s"}, environment=manager.environment)
    ready = manager.wait("READY")
    assert ready["READY"] == "1"
    assert proxy.name in ready["STATUS"]
    assert proxy.fetch().status == 200
    proxy.signal(signal.SIGTERM)
    stopping = manager.wait("STOPPING")
    assert stopping["STOPPING"] == "1"
    assert int(stopping["EXTEND_TIMEOUT_USEC"]) > 7_000_000, "the whole drain is granted"
    assert "draining" in stopping["STATUS"]
    assert proxy.wait_exit() == 0
    assert [key for message in manager.read() for key in message if key in ("READY", "STOPPING")] == [
        "READY",
        "STOPPING",
    ]


def test_a_start_that_fails_is_never_ready(tmp_path, manager):
    path = tmp_path / "azulb.toml"
    path.write_text(
        dumps({"listener": {"http": {"address": "192.0.2.1:80"}}, "upstream": {"app": {"servers": ["127.0.0.1:1"]}}})
    )
    result = subprocess.run(
        [str(BINARY), "-c", str(path)],
        env={**os.environ, **manager.environment},
        capture_output=True,
        timeout=20,
    )
    assert result.returncode == 1
    assert manager.read() == []


def test_messages_arrive_after_azulb_has_become_another_user(azulb, scripted, manager):
    if os.getuid() != 0:
        pytest.skip("needs root")
    proxy = azulb(scripted(always(OK)), process={"user": "nobody"}, environment=manager.environment)
    manager.wait("READY")
    proxy.signal(signal.SIGTERM)
    manager.wait("STOPPING")


# ---- watchdog
WATCHED = {"WATCHDOG_USEC": "400000"}


def test_the_watchdog_hears_of_azulb_while_it_lives(azulb, scripted, manager):
    azulb(scripted(always(OK)), process={"workers": 3}, environment={**manager.environment, **WATCHED})
    assert manager.wait("WATCHDOG", 5)["WATCHDOG"] == "1"


def test_without_an_interval_the_watchdog_hears_nothing(azulb, scripted, manager):
    proxy = azulb(scripted(always(OK)), environment=manager.environment)
    manager.wait("READY")
    proxy.stop()
    assert not [message for message in manager.read() if "WATCHDOG" in message]


def test_a_worker_that_is_stuck_silences_the_watchdog(azulb, scripted, manager):
    """A thread cannot be stopped by a signal alone; a tracer stops one, as gdb does."""
    proxy = azulb(
        scripted(always(OK)), process={"workers": 2}, environment={**manager.environment, **WATCHED}
    )
    manager.wait("WATCHDOG", 2)
    worker = next(
        task for task in proxy._tasks() if (task / "comm").read_text().strip() == "azulb-worker"
    )
    with frozen_thread(int(worker.name)):
        time.sleep(0.4)  # what was on its way
        count = heard(manager)
        time.sleep(1.2)  # three whole intervals: systemd would have ended it long since
        assert heard(manager) == count
    manager.wait("WATCHDOG", count + 2)
    assert proxy.fetch().status == 200


def heard(manager):
    return sum("WATCHDOG" in message for message in manager.read())


@contextlib.contextmanager
def frozen_thread(thread):
    """Holds one thread of another process by ptrace."""
    script = (
        "import ctypes, os, sys\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]\n"
        "thread, wall = int(sys.argv[1]), 0x40000000\n"
        "seize, interrupt, detach = 0x4206, 0x4207, 17\n"
        "for request in (seize, interrupt):\n"
        "    if libc.ptrace(request, thread, None, None) != 0:\n"
        "        sys.exit('ptrace: ' + os.strerror(ctypes.get_errno()))\n"
        "os.waitpid(thread, wall)\n"
        "print('frozen', flush=True)\n"
        "sys.stdin.read()\n"
        "libc.ptrace(detach, thread, None, None)\n"
    )
    tracer = subprocess.Popen(
        ["/usr/bin/python3", "-c", script, str(thread)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        if tracer.stdout.readline() != "frozen\n":
            pytest.skip("this system allows no ptrace: " + tracer.stderr.read().strip())
        yield
    finally:
        with contextlib.suppress(BrokenPipeError):
            tracer.stdin.close()
        tracer.wait(10)


# ---- socket activation
class Activated:
    """azulb started with listening sockets; `listeners` are its listener tables."""

    def __init__(self, directory, server, sockets, names=None, listeners=None, **process):
        directory.mkdir(exist_ok=True)
        self.config, self.log = directory / "azulb.toml", directory / "log"
        self.config.write_text(
            dumps(
                {
                    "process": {"workers": 3, **process},
                    "access_log": {"output": "off"},
                    "listener": listeners or {"http": {"address": name_of(sockets[0])}},
                    "upstream": {"app": {"servers": [server.name]}},
                }
            )
        )
        command, descriptors = exec_with_sockets(sockets, [BINARY, "-c", self.config], names)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, pass_fds=descriptors, stderr=log)

    def wait_ready(self):
        wait_until(lambda: " is ready: " in self.log.read_text() or self.process.poll() is not None, what="the start")
        assert self.process.poll() is None, self.log.read_text()
        return self

    def upgrade(self, count):
        """`count`: how many have been started then."""
        self.process.send_signal(signal.SIGUSR2)
        ready = wait_until(
            lambda: re.findall(r"is ready: .*, process (\d+)\n", self.log.read_text())[count - 1 : count], what="the upgrade"
        )
        assert self.process.wait(15) == 0
        self.process = AdoptedProcess(int(ready[0]))

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)


@pytest.fixture
def activated(tmp_path, scripted):
    started = []

    def start(*sockets, ready=True, **more):
        server = more.pop("server", None) or scripted(always(OK))
        proxy = Activated(tmp_path / f"activated{len(started)}", server, sockets, **more)
        started.append(proxy)
        return proxy.wait_ready() if ready else proxy

    yield start
    for proxy in started:
        proxy.stop()


def name_of(listening):
    return "{}:{}".format(*listening.getsockname())


def test_a_socket_with_a_listeners_address_serves_it(activated):
    with listening_socket() as listening:
        proxy = activated(listening)
        for _ in range(10):
            assert fetch(listening.getsockname()).status == 200
        assert name_of(listening) in proxy.log.read_text()
        assert proxy.stop() == 0


def test_a_socket_with_a_listeners_name_serves_it_wherever_it_is_bound(activated):
    with listening_socket() as listening, listening_socket() as other:
        activated(
            listening,
            other,
            names=["web", "web"],
            listeners={"web": {"address": "192.0.2.1:80"}},  # an address of no interface here
        )
        assert fetch(listening.getsockname()).status == 200
        assert fetch(other.getsockname()).status == 200


def test_what_is_not_inherited_is_bound(activated):
    port = free_port()
    with listening_socket() as listening:
        activated(
            listening,
            listeners={"http": {"address": [name_of(listening), f"127.0.0.1:{port}"]}},
        )
        assert fetch(listening.getsockname()).status == 200
        assert fetch(("127.0.0.1", port)).status == 200


def test_between_two_azulbs_connections_wait_and_none_is_refused(activated, scripted):
    server = scripted(always(OK))
    with listening_socket() as listening:
        first = activated(listening, server=server)
        assert fetch(listening.getsockname()).status == 200
        assert first.stop() == 0
        with Client(listening.getsockname()) as waiting:
            waiting.send_request()
            activated(listening, server=server)
            assert waiting.read_response().status == 200


def test_inherited_sockets_go_on_through_reloads_and_upgrades(activated, tmp_path):
    """By name and by address; the service manager's own end goes on listening, whoever ends."""
    path = tmp_path / "web.sock"
    with listening_socket() as by_name, listening_socket() as by_address, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(path))
        unix.listen(8)
        proxy = activated(
            by_name,
            by_address,
            unix,
            names=["web", "other", "another"],
            listeners={
                "web": {"address": "192.0.2.1:80"},
                "address": {"address": name_of(by_address)},
                "unix": {"address": f"unix:{path}"},
            },
        )
        addresses = [by_name.getsockname(), by_address.getsockname(), str(path)]
        proxy.config.write_text(proxy.config.read_text().replace("workers = 3", "workers = 2"))
        proxy.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "the configuration is reloaded" in proxy.log.read_text(), what="the reload")
        assert [fetch(address).status for address in addresses * 5] == [200] * 15
        for turn in (2, 3):
            proxy.upgrade(turn)
            assert [fetch(address).status for address in addresses * 5] == [200] * 15
        assert proxy.stop() == 0
        assert path.exists()
        with Client(by_name.getsockname()) as waiting:  # in the backlog of the manager's socket
            waiting.send_request()


def test_a_unix_socket_is_inherited_and_its_path_stays(activated, tmp_path):
    path = tmp_path / "web.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(8)
        proxy = activated(listening, listeners={"http": {"address": f"unix:{path}"}})
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(path))
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
        assert proxy.stop() == 0
        assert path.exists()


def test_a_socket_that_no_listener_wants_is_an_error(activated):
    with listening_socket() as listening, listening_socket() as stranger:
        proxy = activated(listening, stranger, names=["http", "stranger"], ready=False)
        assert proxy.process.wait(15) == 1
        log = proxy.log.read_text()
        assert name_of(stranger) in log and "stranger" in log and "FileDescriptorName" in log


def test_a_descriptor_that_does_not_listen_is_an_error(activated):
    with socket.socket() as idle:
        idle.bind(("127.0.0.1", 0))
        proxy = activated(idle, names=["http"], ready=False)
        assert proxy.process.wait(15) == 1
        assert "listens" in proxy.log.read_text()


def test_sockets_of_another_process_are_not_taken(azulb, scripted):
    """A child of an activated service inherits the variables, but they name its parent."""
    proxy = azulb(scripted(always(OK)), environment={"LISTEN_PID": "1", "LISTEN_FDS": "1"})
    assert proxy.fetch().status == 200


@pytest.mark.skipif(not shutil.which("systemd-socket-activate"), reason="systemd is not installed")
def test_systemds_own_tool_activates_it(scripted, tmp_path):
    port = free_port()
    config, log = tmp_path / "azulb.toml", tmp_path / "log"
    config.write_text(
        dumps(
            {
                "access_log": {"output": "off"},
                "listener": {"web": {"address": "127.0.0.1:1"}},
                "upstream": {"app": {"servers": [scripted(always(OK)).name]}},
            }
        )
    )
    with open(log, "wb") as output:
        process = subprocess.Popen(
            ["systemd-socket-activate", f"--listen=127.0.0.1:{port}", "--fdname=web", BINARY, "-c", config],
            stderr=output,
            stdout=output,
        )
    try:
        wait_until(lambda: b"Listening on" in log.read_bytes(), what="systemd-socket-activate")
        assert fetch(("127.0.0.1", port)).status == 200, "the first connection starts it, and is served"
    finally:
        process.terminate()
    assert process.wait(15) == 0
