"""A reload by the admin API and by `azulb reload`: as SIGHUP, and the caller learns what became of it."""

import json
import threading

import pytest

from support.client import Client
from support.scripted_server import OK, always, response
from support.toml_writer import dumps
from support.waiting import wait_until
from test_command_line_client import DONE, REFUSED, UNREACHABLE, USAGE, run
from support.ports import free_port

BROKEN = "[listener.http]\nadress = 1\n\n[upstream.app]\nservers = 3\n"


@pytest.fixture
def proxy(azulb, scripted):
    return azulb(scripted(always(response(200, b"one"))))


def write(proxy, **changes):
    """Another configuration in the file, which azulb has not been told of."""
    proxy.config_path.write_text(dumps({**proxy.config, **changes}))


def other_upstream(server):
    return {"app": {"servers": [server.name]}}


def test_the_api_reloads_and_says_what_changed(proxy, scripted):
    other = scripted(always(response(200, b"two")))
    write(proxy, upstream=other_upstream(other), route=[{"name": "all", "upstream": "app"}])
    answer = proxy.command("/reload")
    assert answer.status == 200
    report = json.loads(answer.body)
    assert report["changed"]
    assert {"kind": "added", "what": "route", "name": "all", "keys": [], "text": "route all: added"} in report["changes"]
    assert f"server app/{other.name}: added" in [change["text"] for change in report["changes"]]
    assert proxy.fetch().body == b"two"
    assert json.loads(proxy.command("/reload").body) == {"changed": False, "changes": []}


def test_the_api_tells_all_diagnostics_and_nothing_has_changed(proxy):
    proxy.config_path.write_text(BROKEN)
    answer = proxy.command("/reload")
    assert answer.status == 422
    report = json.loads(answer.body)
    assert len(report["diagnostics"]) >= 2
    first = report["diagnostics"][0]
    assert (first["line"], first["column"], first["suggestion"]) == (2, 1, "address")
    assert first["file"] == str(proxy.config_path)
    assert 'unknown key "adress"' in report["text"] and 'unknown key "adress"' in proxy.stderr()
    assert proxy.fetch().body == b"one"


def test_what_cannot_be_had_is_a_conflict(proxy, scripted):
    taken = scripted(always(OK))
    write(proxy, listener={"http": {"address": [f"127.0.0.1:{proxy.port}", taken.name]}})
    answer = proxy.command("/reload")
    assert answer.status == 409
    assert "another process listens there" in json.loads(answer.body)["error"]


def test_without_the_token_nothing_is_reloaded(azulb, scripted):
    proxy = azulb(scripted(always(OK)), admin={"token": "secret"})
    before = proxy.stderr()
    assert proxy.command("/reload").status == 401
    assert proxy.command("/reload", token="secret").status == 200
    assert proxy.stderr()[len(before) :].count("reloaded") == 1


def test_many_reloads_at_once_are_all_answered(proxy, scripted):
    other = scripted(always(response(200, b"two")))
    write(proxy, upstream=other_upstream(other))
    statuses = []
    threads = [
        threading.Thread(target=lambda: statuses.append(proxy.command("/reload").status)) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 20 and proxy.fetch().body == b"two"


def test_a_client_that_goes_before_the_answer_harms_nobody(proxy):
    for _ in range(20):
        with Client(proxy.admin_address) as client:
            client.send(
                b"POST /reload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n"
            )
    wait_until(lambda: "the configuration is reloaded" in proxy.stderr(), what="the reload")
    assert proxy.command("/reload").status == 200


def test_the_reload_that_moves_the_admin_address_is_answered(proxy):
    new = free_port()
    write(proxy, admin={"address": f"127.0.0.1:{new}"})
    assert proxy.command("/reload").status == 200
    proxy.admin_port, proxy.admin_address = new, ("127.0.0.1", new)
    assert proxy.admin("/healthz").status == 200


# ---- azulb reload
def test_the_command_shows_what_changed(proxy, scripted):
    write(proxy, upstream=other_upstream(scripted(always(OK))), route=[{"name": "all", "upstream": "app"}])
    result = run("reload", "-c", proxy.config_path)
    assert result.returncode == DONE, result.stderr
    assert result.stdout.startswith("the configuration is reloaded\n") and "route all: added\n" in result.stdout
    result = run("reload", "-c", proxy.config_path)
    assert result.stdout == "the configuration is reloaded: nothing has changed\n"
    result = run("reload", "--json", "-c", proxy.config_path)
    assert json.loads(result.stdout) == {"changed": False, "changes": []}


def test_the_command_shows_all_diagnostics_and_fails(proxy):
    proxy.config_path.write_text(BROKEN)
    admin = ("--admin", f"127.0.0.1:{proxy.admin_port}")
    result = run("reload", *admin)
    assert result.returncode == REFUSED and result.stdout == ""
    assert "errors: all goes on as it was" in result.stderr
    assert 'azulb.toml:2:1: error: unknown key "adress"\n' in result.stderr
    result = run("reload", "--json", *admin)
    assert result.returncode == REFUSED
    assert json.loads(result.stdout)["diagnostics"][0]["key"] == "listener.http.adress"
    # Where the file itself is asked for the admin address, too.
    result = run("reload", "-c", proxy.config_path)
    assert result.returncode == REFUSED
    assert 'azulb.toml:2:1: error: unknown key "adress"\n' in result.stderr
    assert proxy.fetch().status == 200


def test_the_command_fails_where_no_azulb_answers(tmp_path):
    assert run("reload", "--admin", f"127.0.0.1:{free_port()}").returncode == UNREACHABLE
    assert run("reload", "--admin", "nonsense:x").returncode == USAGE
    assert run("reload", "everything").returncode == USAGE
