"""What goes with the binary: the manual pages and the shells' completion say what this azulb has."""

import re
import shutil
import subprocess

import pytest

from support.azulb import BINARY, ROOT
from support.scripted_server import OK, always

PACKAGING = ROOT / "packaging"
PAGES = ["azulb.8", "azulb.toml.5"]


def help_of(*command):
    result = subprocess.run([str(BINARY), *command, "--help"], capture_output=True, text=True, timeout=20)
    assert result.returncode == 0
    return result.stdout


def options_of(text):
    """{"--long"} of a help text; the short ones stand beside these."""
    return {option for line in text.splitlines() if line.startswith("  -") for option in re.findall(r"--[\w-]+", line.split()[0])}


def commands():
    section = help_of().partition("Subcommands:\n")[2].split("\n\n")[0]
    return re.findall(r"^  (\w+)", section, flags=re.M)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """{name: path}, with azulb.toml(5) as the build makes it."""
    directory = tmp_path_factory.mktemp("man")
    made = directory / "azulb.toml.5"
    command = [PACKAGING / "man" / "reference_to_man.py", ROOT / "conf" / "reference.toml", PACKAGING / "man" / "azulb.toml.5.in", "1.2.3"]
    made.write_text(subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout)
    return {"azulb.toml.5": made, "azulb.8": PACKAGING / "man" / "azulb.8"}


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed")
@pytest.mark.parametrize("name", PAGES)
def test_a_manual_page_is_well_formed(pages, name):
    result = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", str(pages[name])], capture_output=True, text=True, timeout=20)
    assert result.stdout + result.stderr == ""


def plain(path):
    text = subprocess.run(["mandoc", "-T", "utf8", "-O", "width=200", str(path)], capture_output=True, text=True, check=True, timeout=20).stdout
    return re.sub(r".\x08", "", text)


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed")
def test_the_manual_has_every_option_and_command(pages):
    text = plain(pages["azulb.8"])
    assert commands()
    for command in (None, *commands()):
        section = text if command is None else text.partition(f"azulb {command}\n")[2]
        assert section, f"azulb {command} has no section"
        for option in options_of(help_of(*([command] if command else []))) - ({"--help"} if command else set()):
            assert option in section, f"{command}: {option}"


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed")
def test_the_manual_has_every_key_of_the_reference(pages):
    text = plain(pages["azulb.toml.5"])
    supported, unsupported = text.split("NOT SUPPORTED YET")
    keys = 0
    for line in (ROOT / "conf" / "reference.toml").read_text().splitlines():
        line = line.removeprefix("#| ")
        match = re.match(r"(# not supported yet: )?\[?(?:upstream\.app\.)?(\w+)(?:\]| = )", line)
        if match and not line.startswith("["):
            keys += 1
            assert re.search(rf"^ +.*\b{match.group(2)}\b", unsupported if match.group(1) else supported, flags=re.M), line
    assert keys > 100
    for table in re.findall(r"^\[([\w.]+)\]", (ROOT / "conf" / "reference.toml").read_text(), flags=re.M):
        shown = re.sub(r"^(listener|upstream)\.\w+", r"\1.NAME", table)
        assert f"[{shown}]" in supported


# ---- completion
ON_SERVERS = {"drain", "disable", "enable", "weight", "remove"}  # begin with a server's name


def complete_in_bash(*words):
    script = (
        'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _azulb; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    command = ["bash", "-c", script, str(PACKAGING / "completion" / "azulb.bash"), str(BINARY), *words]
    return lines_of(command)


def complete_in_zsh(*words):
    script = (
        'compadd() { if [[ $1 == -a ]]; then print -l -- "${(@P)2}"; else print -l -- "$@"; fi }\n'
        '_describe() { print -l -- "${(@P)2%%:*}" }\n_files() { print FILES }\n_message() { : }\n'
        'completion=$1; shift; words=("$@"); CURRENT=$#; source $completion'
    )
    command = ["zsh", "-f", "-c", script, "zsh", str(PACKAGING / "completion" / "_azulb"), str(BINARY), *words]
    return lines_of(command)


def complete_in_fish(*words):
    script = f'set -p PATH {BINARY.parent}; source {PACKAGING}/completion/azulb.fish; complete -C "$argv"'
    line = " ".join(["azulb", *words])
    return {candidate.split("\t")[0] for candidate in lines_of(["fish", "--no-config", "-c", script, line])}


def lines_of(command):
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=ROOT)
    assert result.returncode == 0 and not result.stderr, result.stderr
    return set(result.stdout.split("\n")) - {""}


IN_EACH_SHELL = pytest.mark.parametrize(
    "complete",
    [
        pytest.param(function, id=name, marks=pytest.mark.skipif(not shutil.which(name), reason=f"{name} is not installed"))
        for name, function in (("bash", complete_in_bash), ("zsh", complete_in_zsh), ("fish", complete_in_fish))
    ],
)


@IN_EACH_SHELL
def test_a_shell_completes_what_azulb_has(complete):
    assert complete("") >= set(commands())
    assert options_of(help_of()) <= complete("--")
    for command in commands():
        if command not in ON_SERVERS:
            assert options_of(help_of(command)) <= complete(command, "--"), command
    assert complete("proxy", "--balance", "") == {"round_robin", "least_connections", "random_two", "least_time", "hash"}
    assert complete("-c", "conf/azulb.t") & {"conf/azulb.toml", "FILES"}
    assert not complete("proxy", "--listen", "") & set(commands())


@IN_EACH_SHELL
def test_a_shell_completes_the_running_azulbs_servers(complete, azulb, scripted, monkeypatch):
    server = scripted(always(OK))
    proxy = azulb({"address": server.name, "name": "app1"}, {"address": server.name.replace("127.0.0.1", "127.0.0.2"), "name": "app2"})
    monkeypatch.setenv("AZULB_ADMIN", f"127.0.0.1:{proxy.admin_port}")
    for command in ON_SERVERS & set(commands()):
        assert complete(command, "") == {"app/app1", "app/app2"}, command
        assert options_of(help_of(command)) <= complete(command, "app/app1", "--"), command
