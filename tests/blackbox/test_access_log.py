"""The access log: every field, every format, and no way to forge a line."""

import json
import re

import pytest

from support.scripted_server import OK, always, per_request, reset, response, send, status_from_target
from support.waiting import wait_until

KEYS = {
    "time",
    "client_ip",
    "client_port",
    "listener",
    "host",
    "method",
    "target",
    "version",
    "status",
    "route",
    "upstream",
    "server",
    "attempts",
    "request_id",
    "bytes_received",
    "bytes_sent",
    "duration_ms",
    "time_to_first_byte_ms",
    "upstream_ms",
    "queue_ms",
    "error",
    "user_agent",
    "referer",
}
ERROR_WORDS = {
    "bad_request",
    "not_found",
    "method_not_allowed",
    "request_timeout",
    "body_too_large",
    "header_too_large",
    "expectation_failed",
    "upgrade_required",
    "upstream_connect",
    "upstream_timeout",
    "upstream_reset",
    "upstream_invalid",
    "no_server",
    "queue_full",
    "queue_timeout",
    "client_closed",
    "draining",
    "tunnel_timeout",
    "overload",
    "too_many_connections",
    "internal",
}


def test_a_json_record_has_everything(azulb, scripted):
    server = scripted(always(response(201, b"hello", reason="Created")))
    proxy = azulb(server, routes=[{"name": "everything", "upstream": "app"}])
    with proxy.client() as client:
        port = client.sock.getsockname()[1]
        client.request(
            "POST",
            "/path?a=b",
            {"User-Agent": "tester/1", "Referer": "http://from/", "X-Request-ID": "id-1"},
            b"12345",
        )
    record = proxy.access_log()[0]
    assert KEYS <= set(record), KEYS - set(record)
    expected = {
        "client_ip": "127.0.0.1",
        "client_port": port,
        "listener": "http",
        "host": "example.test",
        "method": "POST",
        "target": "/path?a=b",
        "status": 201,
        "route": "everything",
        "upstream": "app",
        "server": server.name,
        "attempts": 1,
        "request_id": "id-1",
        "user_agent": "tester/1",
        "referer": "http://from/",
    }
    assert {key: record[key] for key in expected} == expected
    assert record["version"] in ("HTTP/1.1", "1.1") and not record["error"] and not record.get("tunnel")
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", record["time"])
    assert record["bytes_received"] > 100 and record["bytes_sent"] > 50
    assert 0 <= record["upstream_ms"] <= record["duration_ms"]
    assert 0 <= record["time_to_first_byte_ms"] <= record["duration_ms"]
    assert (record["queue_ms"] or 0) >= 0


def test_times_measure_what_they_say(azulb, crystal_apps):
    proxy = azulb(*crystal_apps(1))
    proxy.fetch(target="/slow?ms=200")
    record = proxy.access_log()[0]
    for key in ("duration_ms", "time_to_first_byte_ms", "upstream_ms"):
        assert record[key] >= 195, (key, record)
    proxy.fetch(target="/events?count=4&ms=60")
    record = proxy.access_record(target="/events?count=4&ms=60")
    assert record["duration_ms"] - record["time_to_first_byte_ms"] >= 100


def test_bytes_are_counted(azulb, scripted):
    proxy = azulb(scripted(always(response(200, b"y" * 100_000))))
    proxy.fetch("POST", "/big", body=b"x" * 50_000)
    record = proxy.access_record(target="/big")
    assert 50_000 <= record["bytes_received"] < 51_000
    assert 100_000 <= record["bytes_sent"] < 101_000


HOSTILE = [
    b"quote\" and \\ backslash",
    b"tab\tinside",
    b"\xff\xfe\x80 not utf-8",
    b"</script><b>",
    b"\xe2\x80\xa8 separator",
    b"{client_ip} ${HOME} %s %n",
    b"\xc3\xa9\xe2\x82\xac utf-8",
    b"\xed\xa0\x80 surrogate",
    b"\xf4\x90\x80\x80 beyond",
    b"\xc0\xaf overlong",
    b"\x80",
    b"\xc3",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_bytes_stay_in_their_field(azulb, scripted, value):
    proxy = azulb(scripted(always(OK)))
    with proxy.client() as client:
        client.send(
            b"GET /hostile HTTP/1.1\r\nHost: a\r\nUser-Agent: "
            + value
            + b"\r\nReferer: "
            + value
            + b"\r\n\r\n"
        )
        assert client.read_response().status == 200
    wait_until(lambda: proxy.access_lines(), what="the line")
    raw = proxy.access_log_path.read_bytes()
    assert raw.count(b"\n") == 1 and raw.endswith(b"\n")
    record = json.loads(raw.decode("utf-8"))  # fails when a byte got through that is no UTF-8
    assert record["status"] == 200 and KEYS <= set(record)
    assert not any(ord(character) < 32 and character != "\t" for character in raw.decode().rstrip("\n"))
    try:
        assert record["user_agent"] == value.decode()
    except UnicodeDecodeError:
        ascii_part = bytes(byte for byte in value if byte < 128).decode()
        assert ascii_part.strip() in record["user_agent"] or ascii_part == ""


def test_a_refused_request_cannot_forge_a_line(azulb, scripted):
    proxy = azulb(scripted(always(OK)))
    with proxy.client() as client:
        client.send(b'GET /x"\n{"status":200,"target":"/forged"}\n HTTP/1.1\r\nHost: a\r\n\r\n')
        assert client.read_response().status == 400
    for record in proxy.access_log():
        assert record["target"] != "/forged"


def test_combined_format(azulb, scripted):
    proxy = azulb(scripted(always(OK)), access_log={"format": "combined"})
    proxy.fetch(
        target="/page?q=1", headers={"User-Agent": 'agent "quoted" \\ back', "Referer": "http://from/"}
    )
    wait_until(lambda: proxy.access_lines(), what="the line")
    line = proxy.access_lines()[0]
    match = re.fullmatch(
        r'127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET /page\?q=1 HTTP/1\.1" 200 2 '
        r'"http://from/" "((?:[^"\\]|\\.)*)"',
        line,
    )
    assert match, line
    assert "agent" in match.group(1)


def test_a_template(azulb, scripted):
    proxy = azulb(
        scripted(always(OK)),
        access_log={
            "format": "{client_ip} {method} {target} {status} {duration_ms} [{upstream}/{route}] {request_id} end"
        },
    )
    proxy.fetch(target="/t", headers={"X-Request-ID": "rid"})
    wait_until(lambda: proxy.access_lines(), what="the line")
    assert re.fullmatch(r"127\.0\.0\.1 GET /t 200 [0-9.]+ \[app/\S*\] rid end", proxy.access_lines()[0])


def test_a_template_escapes_too(azulb, scripted):
    proxy = azulb(scripted(always(OK)), access_log={"format": "{status} {user_agent}"})
    with proxy.client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: a\xff\tb\r\n\r\n")
        client.read_response()
    wait_until(lambda: proxy.access_lines(), what="the line")
    assert b"\xff" not in proxy.access_log_path.read_bytes()


def test_stdout_is_the_default_and_off_is_off(azulb, scripted):
    server = scripted(always(OK))
    default = azulb(server, access_log=None)
    default.fetch(target="/to-stdout")
    wait_until(lambda: "/to-stdout" in default.stdout(), what="the line on stdout")
    off = azulb(server, access_log={"output": "off"})
    off.fetch(target="/unlogged")
    off.stop()
    assert "/unlogged" not in off.stdout() + off.stderr()


def test_sampling_keeps_what_went_wrong(azulb, scripted):
    server = scripted(status_from_target)
    proxy = azulb(server, access_log={"sample": 0.0}, upstream={"retry": {"on": ["http_503"]}})
    with proxy.client() as client:
        for target in ("/200", "/302", "/404", "/500"):
            client.request("GET", target)
    records = proxy.access_log(2)
    proxy.stop()
    records = [json.loads(line) for line in proxy.access_lines()]
    assert [record["target"] for record in records] == ["/404", "/500"]


def test_sampling_takes_a_share(azulb, scripted):
    proxy = azulb(scripted(always(OK)), access_log={"sample": 0.5})
    with proxy.client() as client:
        for _ in range(400):
            client.request()
    proxy.stop()
    assert 120 < len(proxy.access_lines()) < 280


def test_retried_requests_are_always_kept(azulb, scripted):
    server = scripted(per_request(reset, send(OK)))
    proxy = azulb(server, access_log={"sample": 0.0}, upstream={"outlier": {"consecutive_errors": 0}})
    assert proxy.fetch(target="/retried").status == 200
    assert proxy.access_record(target="/retried")["attempts"] == 2


def test_every_line_is_written_before_the_end(azulb, scripted):
    proxy = azulb(scripted(always(OK)), process={"workers": 2})
    for _ in range(20):
        with proxy.client() as client:
            for _ in range(20):
                client.request()
    proxy.stop()
    assert len(proxy.access_lines()) == 400


def test_the_error_words_are_from_the_closed_list(azulb, scripted):
    proxy = azulb(
        scripted(always(OK)),
        routes=[{"path": "/known", "upstream": "app"}],
        listener={"limit": {"header_bytes": "2KiB"}},
    )
    with proxy.client() as client:
        client.send(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n")
        client.read_response()
    proxy.fetch(target="/unknown")
    proxy.fetch(target="/known", headers={"X-A": "a" * 4000})
    proxy.fetch("POST", target="/known", headers={"Expect": "nothing"}, body=b"")
    records = proxy.access_log(4)
    found = {record["status"]: record["error"] for record in records}
    assert found == {
        405: "method_not_allowed",
        404: "not_found",
        431: "header_too_large",
        417: "expectation_failed",
    }
    assert set(found.values()) <= ERROR_WORDS


def test_a_full_log_disk_does_not_stop_traffic(azulb, scripted):
    proxy = azulb(scripted(always(OK)), access_log={"output": "/dev/full"})
    for _ in range(50):
        assert proxy.fetch().status == 200


def test_the_process_log_in_json(azulb, scripted):
    proxy = azulb(scripted(always(OK)), log={"format": "json"})
    proxy.fetch()
    proxy.stop()
    lines = proxy.stderr().splitlines()
    assert lines
    for line in lines:
        assert isinstance(json.loads(line), dict), line
