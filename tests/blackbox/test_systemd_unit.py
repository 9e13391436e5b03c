"""packaging/azulb.service and azulb.socket, as far as they can be judged without a running systemd."""

import re
import shutil
import signal
import subprocess

import pytest

from support.azulb import BINARY, ROOT, is_sanitized
from support.scripted_server import OK, always
from support.waiting import wait_until

UNIT = ROOT / "packaging" / "azulb.service"
SOCKET = ROOT / "packaging" / "azulb.socket"
WORST_EXPOSURE = 2.0  # of systemd-analyze security: 0 is locked in, 10 is open

pytestmark = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")


def settings(path, section):
    """[(key, value)] of a section, in order: keys of a unit may repeat."""
    lines = path.read_text().partition(f"[{section}]\n")[2].partition("\n[")[0].splitlines()
    return [tuple(line.split("=", 1)) for line in lines if "=" in line and not line.startswith("#")]


def test_its_exposure_is_low():
    result = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    match = re.search(r"Overall exposure level for azulb\.service: ([0-9.]+)", result.stdout)
    assert match, result.stdout + result.stderr
    assert float(match.group(1)) <= WORST_EXPOSURE, result.stdout


def test_systemd_understands_every_line(tmp_path):
    """`verify` wants the program to be there: in a copy it is."""
    for source in (UNIT, SOCKET):
        text = source.read_text().replace("/usr/bin/azulb", str(BINARY))
        (tmp_path / source.name).write_text(re.sub(r"^Documentation=.*$", "", text, flags=re.M))
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / SOCKET.name), str(tmp_path / UNIT.name)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    complaints = [line for line in result.stderr.splitlines() if "azulb" in line]
    assert not complaints, "\n".join(complaints)


def test_it_says_what_azulb_does():
    service = settings(UNIT, "Service")
    values = dict(service)
    assert values["Type"] == "notify"
    assert int(values["WatchdogSec"].rstrip("s")) >= 10
    assert int(values["LimitNOFILE"]) >= 2 * 65536 + 256, "enough for the default of max_connections"
    assert [value for key, value in service if key == "ExecReload"][-1] == "/bin/kill -HUP $MAINPID"
    assert values["ExecStartPre"] == "/usr/bin/azulb --check -c /etc/azulb/azulb.toml"


def test_the_socket_unit_opens_what_the_shipped_configuration_listens_on():
    config = (ROOT / "conf" / "azulb.toml").read_text()
    values = dict(settings(SOCKET, "Socket"))
    assert f'[listener.{values["FileDescriptorName"]}]' in config
    assert f'address = "{values["ListenStream"]}"' in config


def groups_of_calls():
    """{"@group": {call or group}} as this systemd has them."""
    listing = subprocess.run(
        ["systemd-analyze", "--no-pager", "syscall-filter"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    groups, current = {}, None
    for line in listing.splitlines():
        word = line.strip()
        if line.startswith("@"):
            current = groups.setdefault(word, set())
        elif current is not None and word and not word.startswith("#"):
            current.add(word)
    return groups


def expanded(word, groups):
    if not word.startswith("@"):
        return {word}
    return set().union(*(expanded(member, groups) for member in groups[word]))


def allowed_calls():
    groups = groups_of_calls()
    allowed = expanded("@default", groups)
    for key, value in settings(UNIT, "Service"):
        if key != "SystemCallFilter":
            continue
        calls = set().union(*(expanded(word, groups) for word in value.lstrip("~").split()))
        allowed = allowed - calls if value.startswith("~") else allowed | calls
    return allowed


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_azulb_makes_only_system_calls_that_the_unit_allows(azulb, scripted, tmp_path):
    if is_sanitized():
        pytest.skip("the sanitizers' runtime makes calls of its own")
    trace = tmp_path / "trace"
    proxy = azulb(
        scripted(always(OK)),
        upstream={"health": {"path": "/"}},
        process={"workers": 2, "pid_file": str(tmp_path / "azulb.pid")},
    )
    proxy.stop()  # its configuration and ports serve the traced one
    with open(trace, "wb") as output, open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(
            ["strace", "-f", "-qq", "-o", "/dev/stdout", BINARY, "-c", proxy.config_path], stdout=output, stderr=log
        )
    try:
        wait_until(
            lambda: "is ready" in (tmp_path / "log").read_text() or process.poll() is not None,
            30,
            "the start",
        )
        if process.poll() is not None:
            pytest.skip("this system allows no ptrace: " + (tmp_path / "log").read_text())
        assert [proxy.fetch().status for _ in range(20)] == [200] * 20
        assert proxy.admin("/metrics").status == proxy.admin("/state").status == 200
    finally:
        child = re.match(rb"\d+", trace.read_bytes())
        if child:
            subprocess.run(["kill", "-USR1", child.group().decode()], check=False)
            subprocess.run(["kill", "-TERM", child.group().decode()], check=False)
        else:
            process.send_signal(signal.SIGTERM)
        process.wait(30)
    made = set(re.findall(r"^\d+ +(\w+)\(", trace.read_text(errors="replace"), flags=re.M))
    assert {"epoll_wait", "accept4", "execve"} & made, "it was traced"
    assert made - allowed_calls() == set()
