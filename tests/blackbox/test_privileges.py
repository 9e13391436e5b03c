"""process.user and process.group: what is root's when azulb starts, and nobody's when it serves."""

import os
import pathlib
import pwd
import random
import shutil
import signal
import socket
import stat
import subprocess
import tempfile

import pytest

from support.azulb import BINARY
from support.client import fetch
from support.scripted_server import OK, always
from support.toml_writer import dumps
from support.waiting import wait_until

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")

NOBODY = pwd.getpwnam("nobody")
DAEMON = pwd.getpwnam("daemon")
CAP_NET_BIND_SERVICE = 1 << 10


def thread_states(proxy):
    """/proc/PID/task/*/status of every thread, as dicts of lists of words."""
    states = []
    for task in pathlib.Path(f"/proc/{proxy.pid}/task").iterdir():
        lines = (task / "status").read_text().splitlines()
        states.append({key: value.split() for key, _, value in (line.partition(":") for line in lines)})
    return states


def capabilities(state, kind):
    return int(state[kind][0], 16)


def low_address():
    """A port that only root binds, on an address of loopback that is nobody else's."""
    return f"127.{random.randrange(64, 127)}.{random.randrange(256)}.{random.randrange(1, 255)}:80"


@pytest.fixture
def azulb(azulb):
    """The ports are open before azulb becomes another user: whoever looks at it waits until it is ready."""

    def start(*servers, **more):
        proxy = azulb(*servers, **more)
        wait_until(lambda: " is ready: " in proxy.stderr() + log_of(proxy), what="azulb being ready")
        return proxy

    return start


def log_of(proxy):
    output = pathlib.Path(proxy.config["log"].get("output", ""))
    return output.read_text() if output.is_file() else ""


@pytest.fixture
def open_directory():
    """A directory that everybody may enter, unlike tmp_path, and that nobody owns."""
    with tempfile.TemporaryDirectory(prefix="azulb-test-") as name:
        path = pathlib.Path(name)
        path.chmod(0o755)
        os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
        yield path


def run_as(account, arguments):
    return subprocess.run(
        [str(argument) for argument in arguments],
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=20,
        cwd="/",
    )


def test_every_thread_becomes_the_user_and_keeps_no_privilege(azulb, scripted):
    proxy = azulb(scripted(always(OK)), process={"user": "nobody", "workers": 3})
    states = thread_states(proxy)
    assert len(states) >= 5, "main, three workers, the access log's writer"
    for state in states:
        assert state["Uid"] == [str(NOBODY.pw_uid)] * 4
        assert state["Gid"] == [str(NOBODY.pw_gid)] * 4
        assert state["Groups"] == [str(NOBODY.pw_gid)]
        assert state["NoNewPrivs"] == ["1"]
        for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
            assert capabilities(state, kind) == 0, kind
    main = next(state for state in states if state["Pid"] == [str(proxy.pid)])
    assert capabilities(main, "CapBnd") == 0
    assert proxy.fetch().status == 200
    assert "running as nobody" in proxy.stderr()


def test_a_low_port_is_bound_and_served(azulb, scripted):
    address = low_address()
    proxy = azulb(
        scripted(always(OK)),
        process={"user": "nobody", "workers": 2},
        extra={"listener": {"low": {"address": address}}},
    )
    host, _, port = address.partition(":")
    assert fetch((host, int(port)), "GET", "/").status == 200
    for state in thread_states(proxy):
        assert state["Uid"] == [str(NOBODY.pw_uid)] * 4
        assert capabilities(state, "CapEff") == 0
        assert capabilities(state, "CapPrm") & ~CAP_NET_BIND_SERVICE == 0, "a reload may have to bind such a port"


def test_group_takes_the_place_of_the_users_own(azulb, scripted):
    proxy = azulb(scripted(always(OK)), process={"user": "nobody", "group": "daemon"})
    for state in thread_states(proxy):
        assert state["Uid"] == [str(NOBODY.pw_uid)] * 4
        assert state["Gid"] == [str(DAEMON.pw_gid)] * 4


def test_numbers_need_no_entry(azulb, scripted):
    proxy = azulb(scripted(always(OK)), process={"user": "54321", "group": "54322"})
    for state in thread_states(proxy):
        assert (state["Uid"], state["Gid"]) == (["54321"] * 4, ["54322"] * 4)
        assert state["Groups"] == ["54322"]


def test_without_a_user_no_program_that_it_starts_could_gain_anything(azulb, scripted):
    proxy = azulb(scripted(always(OK)))
    for state in thread_states(proxy):
        assert state["Uid"] == ["0"] * 4
        assert state["NoNewPrivs"] == ["1"]


def test_logs_are_the_users_and_are_reopened_after_rotation(azulb, scripted, open_directory):
    access, log = open_directory / "access.log", open_directory / "azulb.log"
    proxy = azulb(
        scripted(always(OK)),
        process={"user": "nobody"},
        access_log={"output": str(access)},
        log={"output": str(log)},
    )
    assert proxy.fetch().status == 200
    wait_until(lambda: access.read_text().count("\n") == 1, what="a line")
    for path in (access, log):
        status = path.stat()
        assert (status.st_uid, status.st_gid) == (NOBODY.pw_uid, NOBODY.pw_gid)
        assert stat.S_IMODE(status.st_mode) == 0o640
        path.rename(path.with_suffix(".1"))
    proxy.signal(signal.SIGUSR1)
    wait_until(lambda: access.exists() and log.exists(), what="new log files")
    wait_until(lambda: "log files are reopened" in log.read_text(), what="the line that says so")
    assert proxy.fetch().status == 200
    wait_until(lambda: access.read_text().count("\n") == 1, what="a line in the new file")
    assert access.stat().st_uid == NOBODY.pw_uid
    assert access.with_suffix(".1").read_text().count("\n") == 1


def test_what_will_be_out_of_reach_is_told_at_the_start(azulb, scripted, open_directory, certificates):
    access = open_directory / "access.log"
    access.write_text("root's\n")
    access.chmod(0o640)
    cert, key = (open_directory / name for name in ("site.crt", "site.key"))
    shutil.copy(certificates.ec.cert, cert)
    shutil.copy(certificates.ec.key, key)
    cert.chmod(0o644)
    key.chmod(0o600)
    server = scripted(always(OK))
    servers = open_directory / "servers.json"
    servers.write_text(f'["{server.name}"]')
    servers.chmod(0o600)
    closed = open_directory / "closed"
    closed.mkdir(mode=0o755)
    proxy = azulb(
        server,
        process={"user": "nobody"},
        access_log={"output": str(access)},
        upstream={"discover": {"file": str(servers)}},
        extra={"admin": {"state_file": str(closed / "state.json")}, "listener": {"tls": {"address": low_address(), "tls": {"certificates": [{"cert": str(cert), "key": str(key)}]}}}},
    )
    warnings = [line for line in proxy.stderr().splitlines() if " warn " in line]
    assert any(f"may not write to {access}" in line and "SIGUSR1" in line for line in warnings)
    assert any(f"may not read {key}" in line and "reload" in line for line in warnings)
    assert any(f"may not read {servers}" in line for line in warnings)
    assert any(f"may not write to {closed}" in line and "state_file" in line for line in warnings)
    assert not any(str(cert) in line for line in warnings), "what can be read is no matter"


def test_a_unix_socket_belongs_to_the_user(azulb, scripted, open_directory):
    path = open_directory / "azulb.sock"
    azulb(
        scripted(always(OK)),
        process={"user": "nobody"},
        extra={"listener": {"local": {"address": f"unix:{path}"}}},
    )
    assert path.stat().st_uid == NOBODY.pw_uid


def test_further_sockets_can_be_bound_to_the_address_afterwards(azulb, scripted):
    """As a reload with more workers does: the kernel lets only sockets of one user share an address."""
    proxy = azulb(scripted(always(OK)), process={"user": "nobody", "workers": 2})

    def can_bind_as(user):
        child = os.fork()
        if child == 0:
            try:
                os.setuid(user)
                with socket.socket() as another:
                    another.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                    another.bind(proxy.address)
            except OSError:
                os._exit(1)
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    assert can_bind_as(NOBODY.pw_uid)
    assert not can_bind_as(DAEMON.pw_uid)


# ---- what cannot be
@pytest.mark.parametrize(
    "process,words",
    [
        ({"user": "no-such-user"}, ["process.user", 'no user "no-such-user"', "adduser"]),
        ({"user": "nobody", "group": "no-such-group"}, ["process.group", 'no group "no-such-group"', "addgroup"]),
        ({"user": "54321"}, ["process.user", "set process.group"]),
        ({"group": "daemon"}, ["process.group", '"group" goes with "user"']),
        ({"user": "", "group": "daemon"}, ['"group" goes with "user"']),
    ],
    ids=str,
)
def test_an_account_that_is_none_is_told_by_check(tmp_path, process, words):
    path = tmp_path / "azulb.toml"
    path.write_text(
        dumps(
            {
                "process": process,
                "listener": {"http": {"address": "127.0.0.1:0"}},
                "upstream": {"app": {"servers": ["127.0.0.1:1"]}},
            }
        )
    )
    result = subprocess.run(
        [str(BINARY), "--check", "-c", str(path)], capture_output=True, text=True, timeout=20
    )
    assert result.returncode == 1
    assert f"{path}:" in result.stderr, "the place is named"
    for word in words:
        assert word in result.stderr or word.replace("process.", "") in result.stderr


def test_who_is_not_root_cannot_become_another_user(open_directory):
    binary = shutil.copy(BINARY, open_directory / "azulb")
    config = open_directory / "azulb.toml"
    config.write_text(
        '[process]\nuser = "daemon"\n[listener.http]\naddress = "127.0.0.1:0"\n'
        '[upstream.app]\nservers = ["127.0.0.1:1"]\n'
    )
    result = run_as(NOBODY, [binary, "-c", config])
    assert result.returncode == 1
    assert "start it as root" in result.stderr
    assert "daemon" in result.stderr


def test_who_is_that_user_already_stays_it(open_directory):
    binary = shutil.copy(BINARY, open_directory / "azulb")
    config = open_directory / "azulb.toml"
    config.write_text(
        '[process]\nuser = "nobody"\n[listener.http]\naddress = "127.0.0.1:0"\n[access_log]\noutput = "off"\n'
        '[upstream.app]\nservers = ["127.0.0.1:1"]\n'
    )
    log = open_directory / "log"
    with open(log, "wb") as stderr:
        process = subprocess.Popen(
            [str(binary), "-c", str(config)],
            user=NOBODY.pw_uid,
            group=NOBODY.pw_gid,
            extra_groups=[],
            stderr=stderr,
        )
    try:
        wait_until(lambda: "is ready" in log.read_text(), what="the start")
    finally:
        process.terminate()
    assert process.wait(10) == 0


# ---- what takes the user's rights for granted: reloads and upgrades
@pytest.fixture
def reachable(tmp_path):
    """The user gets as far as the test's directory, and may read the configuration in it."""
    for directory in (tmp_path, *tmp_path.parents):
        if directory.owner() == "root" and stat.S_IMODE(directory.stat().st_mode) == 0o700:
            directory.chmod(0o711)


def main_state(proxy):
    return next(state for state in thread_states(proxy) if state["Pid"] == [str(proxy.pid)])


def serves(address):
    host, _, port = address.partition(":")
    return fetch((host, int(port))).status == 200


def test_a_reload_adds_workers_and_a_low_port_as_the_user(azulb, scripted, reachable):
    first, second = low_address(), low_address()
    proxy = azulb(
        scripted(always(OK)),
        process={"user": "nobody", "workers": 1},
        extra={"listener": {"low": {"address": first}}},
    )
    report = proxy.reload({"listener": {"low": {"address": [first, second]}}, "process": {"workers": 3}})
    assert "not reloaded" not in report, report
    assert serves(first) and serves(second)
    assert capabilities(main_state(proxy), "CapEff") == 0


def test_a_reload_without_the_right_to_low_ports_says_so(azulb, scripted, reachable):
    proxy = azulb(scripted(always(OK)), process={"user": "nobody"})
    report = proxy.reload({"listener": {"low": {"address": low_address()}}})
    assert "not reloaded" in report and "CAP_NET_BIND_SERVICE" in report
    assert proxy.fetch().status == 200


def test_after_an_upgrade_the_rights_are_the_same(azulb, scripted, reachable):
    first, second, third = low_address(), low_address(), low_address()
    proxy = azulb(
        scripted(always(OK)),
        process={"user": "nobody", "workers": 2},
        extra={"listener": {"low": {"address": first}}},
    )
    before = main_state(proxy)
    proxy.config["listener"]["low"]["address"] = [first, second]
    proxy.config_path.write_text(dumps(proxy.config))
    proxy.upgrade()
    assert serves(first) and serves(second)
    after = main_state(proxy)
    for key in ("Uid", "Gid", "Groups", "NoNewPrivs", "CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd"):
        assert after[key] == before[key], key
    report = proxy.reload({"listener": {"low": {"address": [first, third]}}, "process": {"workers": 3}})
    assert "not reloaded" not in report, report
    assert serves(third)


def test_an_upgrade_cannot_add_low_ports_that_azulb_had_no_right_to(azulb, scripted, reachable):
    proxy = azulb(scripted(always(OK)), process={"user": "nobody"})
    address = low_address()
    proxy.config_path.write_text(
        dumps({**proxy.config, "listener": {**proxy.config["listener"], "low": {"address": address}}})
    )
    answer = proxy.command("/upgrade")
    assert answer.status == 409
    assert f"cannot listen on {address}" in answer.body.decode() and "CAP_NET_BIND_SERVICE" in answer.body.decode()
    assert proxy.fetch().status == 200


def test_the_pid_file_in_a_directory_of_roots_follows_an_upgrade(azulb, scripted, reachable, tmp_path):
    path = tmp_path / "pid"
    proxy = azulb(scripted(always(OK)), process={"user": "nobody", "pid_file": str(path)})
    for _ in range(2):
        proxy.upgrade()
        proxy.wait_predecessors()
        assert path.read_text() == f"{proxy.pid}\n"
        assert path.stat().st_uid == 0
