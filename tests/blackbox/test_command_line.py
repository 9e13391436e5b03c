"""The command line: what one can learn from it, and what it says when something is wrong."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess

import pytest
import websockets

from support.azulb import BINARY, ROOT
from support.client import fetch
from support.ports import free_port
from support.scripted_server import OK, always
from support.waiting import wait_until


def run(*arguments, **more):
    environment = {**os.environ, **more.pop("environment", {})}
    return subprocess.run(
        [str(BINARY), *map(str, arguments)],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=20,
        env=environment,
        **more,
    )


def check(tmp_path, text, **more):
    path = tmp_path / "checked.toml"
    path.write_text(text)
    result = run("-c", path, "--check", **more)
    return result.returncode, result.stdout + result.stderr


GOOD = '[listener.http]\naddress = "127.0.0.1:8080"\n\n[upstream.app]\nservers = ["127.0.0.1:3001"]\n'


# ---- help and version
def test_version():
    result = run("--version")
    assert result.returncode == 0
    assert re.search(r"azulb \d+\.\d+\.\d+", result.stdout)


def test_help_teaches():
    result = run("--help")
    assert result.returncode == 0
    for word in ("-c", "--check", "proxy", "demo", "--version"):
        assert word in result.stdout, word
    assert "--to" in run("proxy", "--help").stdout


def test_unknown_options_are_errors():
    result = run("--no-such-option")
    assert result.returncode not in (0, -signal.SIGSEGV, -signal.SIGABRT)
    assert "no-such-option" in result.stdout + result.stderr


def test_no_configuration_at_all(tmp_path):
    result = run(cwd=tmp_path)
    assert result.returncode > 0
    assert "-c" in result.stdout + result.stderr or "--help" in result.stdout + result.stderr


# ---- --check
@pytest.mark.parametrize("option", ["--check", "-t"])
def test_a_good_file_passes(tmp_path, option):
    path = tmp_path / "good.toml"
    path.write_text(GOOD)
    assert run("-c", path, option).returncode == 0


def test_the_shipped_small_file_passes():
    assert run("-c", ROOT / "conf" / "azulb.toml", "--check").returncode == 0


def test_the_shipped_reference_passes():
    result = run("-c", ROOT / "conf" / "reference.toml", "--check")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    "text,line,column,words",
    [
        ("[proces]\nworkers = 1\n", 1, None, ["proces", "process"]),
        ("[process]\nworkres = 1\n", 2, 1, ["workres", "workers"]),
        ("[process]\nworkers = -1\n", 2, None, ["workers"]),
        ("[process]\nworkers = \"many\"\n", 2, None, ["workers", "auto"]),
        ("[process]\ndrain_timeout = 30\n", 2, None, ["drain_timeout"]),
        ("[process]\ndrain_timeout = \"30 parsecs\"\n", 2, None, ["drain_timeout", "30 parsecs"]),
        ("[process]\nmax_memory = \"much\"\n", 2, None, ["max_memory"]),
        ("[log]\nlevel = \"loud\"\n", 2, None, ["level", "debug"]),
        ("[access_log]\nsample = 1.5\n", 2, None, ["sample"]),
        ("[access_log]\nformat = \"{no_such_field}\"\n", 2, None, ["no_such_field"]),
    ],
    ids=lambda value: value.split("\n")[1] if isinstance(value, str) else None,
)
def test_a_diagnostic_names_the_place_and_the_remedy(tmp_path, text, line, column, words):
    status, output = check(tmp_path, text + "\n" + GOOD)
    assert status == 1
    place = re.search(r"checked\.toml:(\d+):(\d+)", output)
    assert place, output
    assert int(place.group(1)) == line
    if column:
        assert int(place.group(2)) == column
    assert text.split("\n")[line - 1] in output, "the line itself is shown"
    for word in words:
        assert word in output, output


@pytest.mark.parametrize(
    "change,words",
    [
        (("3001", "300001"), ["300001"]),
        (("127.0.0.1:3001", "127.0.0.1"), ["127.0.0.1"]),
        (("127.0.0.1:8080", "nonsense"), ["nonsense"]),
        (('servers = [', 'balance = "round_robbin"\nservers = ['), ["round_robbin", "round_robin"]),
        (('servers = [', 'balanse = "hash"\nservers = ['), ["balanse", "balance"]),
        (('servers = ["127.0.0.1:3001"]', "servers = []"), ["servers"]),
        (('servers = ["127.0.0.1:3001"]', 'servers = ["127.0.0.1:1", "127.0.0.1:1"]'), ["127.0.0.1:1"]),
        (('servers = [', 'balance = "hash"\nhash_key = "moon"\nservers = ['), ["moon"]),
        (("[upstream.app]", "[upstream.app.retry]\non = [\"eror\"]\n[upstream.app]"), ["eror", "error"]),
        (
            ("[upstream.app]", "[upstream.app.health]\nexpect_status = \"2xx\"\n[upstream.app]"),
            ["expect_status"],
        ),
        (("[upstream.app]", "[upstream.app.outlier]\nmax_ejected = 2.0\n[upstream.app]"), ["max_ejected"]),
        (("[upstream.app]", "[[route]]\nupstream = \"ap\"\n[upstream.app]"), ["ap", "app"]),
        (
            (
                "[upstream.app]",
                "[[route]]\npath = \"/a\"\npath_prefix = \"/b\"\nupstream = \"app\"\n[upstream.app]",
            ),
            ["path"],
        ),
        (("[upstream.app]", "[[route]]\npath = \"/a\"\n[upstream.app]"), ["upstream"]),
        (
            (
                "[upstream.app]",
                "[[route]]\nname = \"a\"\nupstream = \"app\"\n[[route]]\nname = \"a\"\nupstream = \"app\"\n[upstream.app]",
            ),
            ["a"],
        ),
        (
            ("[upstream.app]", "[[route]]\nlistener = [\"htp\"]\nupstream = \"app\"\n[upstream.app]"),
            ["htp", "http"],
        ),
        (
            ("[listener.http]", "[listener.other]\naddress = \"127.0.0.1:8080\"\n[listener.http]"),
            ["127.0.0.1:8080"],
        ),
        (("[upstream.app]", "[admin]\naddress = \"0.0.0.0:9900\"\n[upstream.app]"), ["token"]),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else None,
)
def test_meaning_is_checked_too(tmp_path, change, words):
    text = GOOD.replace(*change)
    assert text != GOOD
    status, output = check(tmp_path, text)
    assert status == 1, output
    assert re.search(r"checked\.toml:\d+:\d+", output), output
    for word in words:
        assert word in output, output


def test_all_errors_come_at_once(tmp_path):
    status, output = check(
        tmp_path,
        '[process]\nworkres = 1\ndrain_timeout = "x"\n[log]\nlevel = 7\n[nonsense]\n'
        + GOOD.replace("3001", "99999")
        + "queue = -1\n",
    )
    assert status == 1
    lines = {int(number) for number in re.findall(r"checked\.toml:(\d+):\d+", output)}
    assert {2, 3, 5, 6, 11, 12} <= lines, output


def test_a_syntax_error_names_its_place(tmp_path):
    status, output = check(tmp_path, GOOD + "[process\n")
    assert status == 1
    assert re.search(r"checked\.toml:6:\d+", output), output


@pytest.mark.parametrize(
    "text",
    [
        '[[route]]\nupstream = "app"\nmirror = "app"\n',
        '[upstream.app.sticky]\ncookie = "a"\n',
        '[[upstream.x.servers]]\naddress = "127.0.0.1:1"\nbackup = true\n',
        '[upstream.x]\nservers = ["127.0.0.1:1"]\nslow_start = "5s"\n',
    ],
    ids=lambda text: text.strip().split("\n")[0] + " " + text.strip().split("\n")[-1],
)
def test_what_is_not_built_yet_is_an_error_that_says_so(tmp_path, text):
    status, output = check(tmp_path, text + GOOD)
    assert status == 1
    assert "not supported yet" in output


def test_environment_variables(tmp_path):
    text = GOOD.replace("3001", "${PORT_FOR_TEST}").replace("8080", "${OTHER_PORT:-8081}")
    assert check(tmp_path, text, environment={"PORT_FOR_TEST": "3001"})[0] == 0
    status, output = check(tmp_path, text)
    assert status == 1
    assert "PORT_FOR_TEST" in output and "checked.toml:5:" in output


def test_checking_binds_nothing(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        status, output = check(tmp_path, GOOD.replace("8080", str(taken.getsockname()[1])))
    assert status == 0, output


@pytest.mark.parametrize(
    "text", ["", "\0", "\ufeff", "[" * 10000, "a = " + "[" * 5000, "x" * 100000, '"\\u0000" = 1\n', "\xff"]
)
def test_rubbish_is_refused_without_a_crash(tmp_path, text):
    path = tmp_path / "checked.toml"
    path.write_bytes(text.encode("latin-1", "replace"))
    assert run("-c", path, "--check").returncode == 1


# ---- start-up errors
def start_error(tmp_path, text, name="startup.toml"):
    path = tmp_path / name
    path.write_text(text)
    result = run("-c", path)
    assert result.returncode > 0
    return result.stdout + result.stderr


def test_a_port_in_use(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        output = start_error(tmp_path, GOOD.replace("8080", str(port)))
    assert f"127.0.0.1:{port}" in output and "in use" in output.lower()


def test_a_missing_file(tmp_path):
    result = run("-c", tmp_path / "absent.toml")
    assert result.returncode > 0
    assert "absent.toml" in result.stderr + result.stdout
    assert "no such file" in (result.stderr + result.stdout).lower()


def test_a_directory_instead_of_a_file(tmp_path):
    result = run("-c", tmp_path)
    assert result.returncode > 0 and str(tmp_path) in result.stderr + result.stdout


def test_a_log_that_cannot_be_opened(tmp_path):
    text = GOOD.replace("8080", str(free_port())) + '[access_log]\noutput = "/no/such/directory/access.log"\n'
    assert "/no/such/directory/access.log" in start_error(tmp_path, text)


def test_an_address_that_is_not_ours(tmp_path):
    output = start_error(tmp_path, GOOD.replace("127.0.0.1:8080", f"192.0.2.1:{free_port()}"))
    assert "192.0.2.1" in output


def test_a_host_name_is_resolved_at_start(azulb, scripted):
    server = scripted(always(OK))
    proxy = azulb(f"localhost:{server.address[1]}")
    assert proxy.fetch().status == 200


# ---- without a file
def test_proxy_needs_no_file(azulb, scripted):
    servers = [scripted(always(OK)) for _ in range(2)]
    proxy = azulb(
        arguments=lambda azulb: [
            "proxy",
            "--listen",
            f"127.0.0.1:{azulb.port}",
            "--to",
            servers[0].name,
            "--to",
            servers[1].name,
        ]
    )
    for _ in range(10):
        assert proxy.fetch().status == 200
    assert [len(server.requests) for server in servers] == [5, 5]


def test_proxy_listens_on_all_addresses_for_a_bare_port(azulb, scripted):
    server = scripted(always(OK))
    proxy = azulb(arguments=lambda azulb: ["proxy", "--listen", f":{azulb.port}", "--to", server.name])
    assert proxy.fetch().status == 200


def test_proxy_prints_the_file_it_stands_for(tmp_path):
    result = run(
        "proxy",
        "--listen",
        "127.0.0.1:8080",
        "--to",
        "127.0.0.1:3001",
        "--to",
        "127.0.0.1:3002",
        "--print-config",
    )
    assert result.returncode == 0
    status, output = check(tmp_path, result.stdout)
    assert status == 0, output
    assert "127.0.0.1:3002" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["proxy"],
        ["proxy", "--listen", ":0"],
        ["proxy", "--listen", "x", "--to", "127.0.0.1:1"],
        ["proxy", "--listen", "127.0.0.1:1", "--to", "nonsense"],
    ],
)
def test_proxy_with_wrong_arguments(arguments):
    result = run(*arguments)
    assert result.returncode > 0 and (result.stderr + result.stdout).strip()


def test_demo(azulb):
    proxy = azulb(
        arguments=lambda azulb: [
            "demo",
            "--listen",
            f"127.0.0.1:{azulb.port}",
            "--admin",
            f"127.0.0.1:{azulb.admin_port}",
        ]
    )
    names = {fetch(proxy.address).body.split(b"\n")[0] for _ in range(6)}
    assert len(names) == 3, "/ tells which replica answers, and there are three"
    assert fetch(proxy.address, target="/health").status == 200
    assert fetch(proxy.address, target="/status/418").status == 418
    assert fetch(proxy.address, target="/slow?ms=50").status == 200
    with proxy.client() as client:
        client.send_request("GET", "/events")
        assert client.read_head().header("content-type").startswith("text/event-stream")
        client.read_until(b"\n\n")
    assert fetch(proxy.address, target="/no-such-path").status == 404
    wait_until(lambda: "curl" in proxy.stdout() + proxy.stderr(), what="something to try")


def test_the_demos_websocket(azulb):
    proxy = azulb(
        arguments=lambda azulb: [
            "demo",
            "--listen",
            f"127.0.0.1:{azulb.port}",
            "--admin",
            f"127.0.0.1:{azulb.admin_port}",
        ]
    )

    async def talk():
        async with websockets.connect(f"ws://127.0.0.1:{proxy.port}/ws") as socket:
            for message in ("hello", "x" * 70000, b"\0\1"):
                await socket.send(message)
                assert await socket.recv() == message

    asyncio.run(asyncio.wait_for(talk(), 20))


def test_standard_descriptors_may_be_closed(azulb, scripted):
    """A service manager may start it with none: their numbers must not become sockets that log lines go to."""
    server = scripted(always(OK))
    proxy = azulb(server, access_log={"output": "stdout"})
    command = f"exec '{BINARY}' -c '{proxy.config_path}' <&- >&- 2>&-"
    proxy.stop()
    process = subprocess.Popen(["sh", "-c", command])
    try:

        def answers():
            with contextlib.suppress(OSError):
                return fetch(proxy.address).status == 200

        wait_until(answers, 10, "an answer")
        for number in range(20):
            assert fetch(proxy.address, "GET", f"/{number}").status == 200
        process.terminate()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()


def test_sockets_and_pid_file(azulb, scripted, tmp_path):
    proxy = azulb(scripted(always(OK)), process={"pid_file": str(tmp_path / "azulb.pid")})
    wait_until((tmp_path / "azulb.pid").read_text, what="the process id in the file")
    assert int((tmp_path / "azulb.pid").read_text()) == proxy.pid
    proxy.stop()
    assert not (tmp_path / "azulb.pid").exists()
