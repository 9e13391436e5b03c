"""Servers found by DNS (a real dnsmasq) and in files: changes go live in time, and no request is lost by them."""

import contextlib
import json
import os
import re
import socket
import threading
import time

import pytest

from support.scripted_server import always, response
from support.waiting import wait_until

TTL = 1  # seconds, of dnsmasq's records

NO_CHECKS = {"retry": {"on": ["off"]}}
CHECKED = {"health": {"interval": "200ms", "fast_interval": "100ms", "rise": 1}}


@pytest.fixture
def replicas(scripted):
    """Factory: replicas(3) are servers on 127.0.0.2, 127.0.0.3, … and one port; each answers with its address."""

    def start(count, first=2):
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            with contextlib.suppress(OSError):
                hosts = [f"127.0.0.{number}" for number in range(first, first + count)]
                return [scripted(always(response(200, host.encode())), host=host, port=port) for host in hosts], port

    return start


def discovering(proxy_factory, resolver, *servers, upstream=None, **discover):
    upstream = {**(upstream or {}), "servers": list(servers), "discover": {"resolver": resolver.address, **discover}}
    return proxy_factory(upstream=upstream)


def server_names(proxy):
    return sorted(server["address"] for server in proxy.state()["upstreams"][0]["servers"])


def answering(proxy, count=12):
    """Who answers the next requests."""
    answers = [proxy.fetch() for _ in range(count)]
    assert {answer.status for answer in answers} == {200}, answers
    return {answer.body.decode() for answer in answers}


class Load:
    """GETs from keep-alive clients until the end; what is not a 200 is a failure."""

    def __init__(self, proxy, threads=4):
        self.proxy, self.stopping = proxy, threading.Event()
        self.failures, self.answers = [], []
        self.threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def _run(self):
        client = self.proxy.client()
        while not self.stopping.is_set():
            answer = client.request("GET", "/")
            if answer.status != 200:
                self.failures.append(f"{answer.status} {answer.body[:60]!r}")
            self.answers.append((time.monotonic(), answer.body.decode()))
            time.sleep(0.002)
        client.close()

    def last_from(self, host):
        return max((when for when, body in list(self.answers) if body == host), default=None)

    def first_from(self, host):
        return min((when for when, body in list(self.answers) if body == host), default=None)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        assert not self.failures, self.failures[:5]


@pytest.mark.parametrize("upstream", [NO_CHECKS, CHECKED], ids=["unchecked", "checked"])
def test_a_changed_record_is_live_within_its_ttl_and_a_second_and_loses_no_request(azulb, dnsmasq, replicas, upstream):
    (old, new), port = replicas(2)
    dns = dnsmasq({"app.test": ["127.0.0.2"]}, ttl=TTL)
    proxy = discovering(azulb, dns, dns=f"app.test:{port}", upstream=upstream)
    with Load(proxy) as load:
        wait_until(lambda: load.first_from("127.0.0.2"), what="the first server")
        dns.set({"app.test": ["127.0.0.3"]})
        changed = time.monotonic()
        wait_until(lambda: load.first_from("127.0.0.3"), what="the new server")
        assert load.first_from("127.0.0.3") - changed < TTL + 1
        wait_until(lambda: server_names(proxy) == [new.name], what="the new list")
        gone = time.monotonic()
        wait_until(lambda: time.monotonic() > gone + 0.5, what="a while")
        assert load.last_from("127.0.0.2") < gone + 0.2
    assert not old.errors
    lines = [line for line in proxy.stderr().splitlines() if f"new: {new.name}; gone: {old.name}" in line]
    assert len(lines) == 1, proxy.stderr()


def test_of_a_name_with_several_addresses_each_serves_and_those_that_stay_keep_their_health(azulb, dnsmasq, replicas):
    _, port = replicas(3)
    dns = dnsmasq({"app.test": ["127.0.0.2", "127.0.0.3"]})
    proxy = discovering(azulb, dns, dns=f"app.test:{port}", upstream=CHECKED)
    assert answering(proxy) == {"127.0.0.2", "127.0.0.3"}
    since = {server["address"]: server["health_since"] for server in proxy.state()["upstreams"][0]["servers"]}
    dns.set({"app.test": ["127.0.0.3", "127.0.0.4"]})
    wait_until(lambda: server_names(proxy) == [f"127.0.0.3:{port}", f"127.0.0.4:{port}"], what="the new list")
    assert answering(proxy) <= {"127.0.0.3", "127.0.0.4"}
    stayed = next(s for s in proxy.state()["upstreams"][0]["servers"] if s["address"] == f"127.0.0.3:{port}")
    assert stayed["health_since"] == since[f"127.0.0.3:{port}"]
    assert stayed["source"] == f"dns app.test:{port}"


def test_a_dead_resolver_changes_nothing_and_one_that_comes_back_is_heard(azulb, dnsmasq, replicas):
    _, port = replicas(2)
    dns = dnsmasq({"app.test": ["127.0.0.2"]})
    proxy = discovering(azulb, dns, dns=f"app.test:{port}", upstream=NO_CHECKS)
    with Load(proxy, threads=2) as load:
        dns.kill()
        wait_until(lambda: "the last good answer stays" in proxy.stderr(), 15, "the failure's line")
        failures = proxy.metrics().total("azulb_discovery_failures_total")
        wait_until(lambda: proxy.metrics().total("azulb_discovery_failures_total") > failures, 15, "another failure")
        assert server_names(proxy) == [f"127.0.0.2:{port}"]
        dns.restart({"app.test": ["127.0.0.3"]})
        wait_until(lambda: load.first_from("127.0.0.3"), 15, "the new server")
    assert proxy.stderr().count("cannot resolve") == 1
    assert proxy.stderr().count("resolves again") == 1


def test_a_name_that_suddenly_does_not_exist_changes_nothing(azulb, dnsmasq, replicas):
    _, port = replicas(1)
    dns = dnsmasq({"app.test": ["127.0.0.2"]})
    proxy = discovering(azulb, dns, dns=f"app.test:{port}", upstream=NO_CHECKS)
    dns.set({})
    wait_until(lambda: "the last good answer stays" in proxy.stderr(), 15, "the failure's line")
    assert answering(proxy) == {"127.0.0.2"}


def test_names_that_do_not_resolve_at_the_start_are_a_warning(azulb, dnsmasq, replicas):
    _, port = replicas(2)
    dns = dnsmasq({})
    proxy = discovering(azulb, dns, f"late.test:{port}", dns=f"app.test:{port}", upstream=NO_CHECKS)
    assert 'warn  upstream app: cannot resolve "app.test"' in proxy.stderr()
    assert proxy.fetch().status == 503
    assert proxy.access_record(error="no_server")
    assert proxy.admin("/readyz").status == 503
    dns.set({"app.test": ["127.0.0.2"], "late.test": ["127.0.0.3"]})
    wait_until(lambda: len(server_names(proxy)) == 2, 15, "both names")
    assert answering(proxy) == {"127.0.0.2", "127.0.0.3"}
    assert proxy.admin("/readyz").status == 200


def test_a_silent_resolver_does_not_hold_up_the_start_for_long(azulb, scripted):
    server = scripted(always(response(200)))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        upstream = {"servers": [server.name, "app.test:3000"], "discover": {"resolver": address}}
        proxy = azulb(upstream=upstream)  # which fails if it does not accept in time
        assert proxy.fetch().status == 200
        assert server_names(proxy) == [server.name]


def test_the_weights_and_ports_of_srv_records_hold_and_their_best_priority_serves(azulb, dnsmasq, scripted):
    servers = [scripted(always(response(200, str(number).encode()))) for number in range(3)]
    hosts = {f"s{number}.test": ["127.0.0.1"] for number in range(3)}

    def records(*priorities):
        weights = [3, 1, 1]
        return [
            f"srv-host=_http._tcp.app.test,s{number}.test,{server.address[1]},{priorities[number]},{weights[number]}"
            for number, server in enumerate(servers)
        ]

    dns = dnsmasq(hosts, options=records(10, 10, 20))
    proxy = discovering(azulb, dns, dns="_http._tcp.app.test", upstream=NO_CHECKS)
    answers = [proxy.fetch().body for _ in range(40)]
    assert {body: answers.count(body) for body in answers} == {b"0": 30, b"1": 10}
    dns.restart(options=records(10, 10, 5))
    wait_until(lambda: server_names(proxy) == [servers[2].name], 15, "the new priorities")
    assert answering(proxy) == {"2"}


def test_an_answer_too_large_for_a_datagram_comes_over_tcp(azulb, dnsmasq):
    addresses = [f"127.0.{number // 200}.{number % 200 + 1}" for number in range(600)]
    dns = dnsmasq({"app.test": addresses})
    proxy = discovering(azulb, dns, dns="app.test:9", upstream=NO_CHECKS)
    assert len(server_names(proxy)) == 600


def test_a_file_is_followed_and_a_broken_or_missing_one_changes_nothing(azulb, replicas, tmp_path):
    _, port = replicas(4)
    path = tmp_path / "servers.json"

    def write(text):
        path.with_suffix(".new").write_text(text)
        os.rename(path.with_suffix(".new"), path)

    write(json.dumps([f"127.0.0.2:{port}"]))
    proxy = azulb(upstream={"servers": [], "discover": {"file": str(path)}, **NO_CHECKS})
    with Load(proxy, threads=2):
        assert answering(proxy) == {"127.0.0.2"}
        write(json.dumps({"servers": [{"address": f"127.0.0.3:{port}", "weight": 2, "name": "three"}]}))
        wait_until(lambda: answering(proxy) == {"127.0.0.3"}, what="the new server")
        state = proxy.state()["upstreams"][0]["servers"][0]
        assert (state["name"], state["weight"], state["source"]) == ("three", 2, f"file {path}")

        write('["127.0.0.4:1",')
        wait_until(lambda: "this is not JSON" in proxy.stderr(), what="the fault's line")
        path.unlink()
        wait_until(lambda: "No such file" in proxy.stderr(), what="the missing file's line")
        assert answering(proxy) == {"127.0.0.3"}
        failures = proxy.metrics().total("azulb_discovery_failures_total", source=f"file {path}")
        assert failures >= 2

        path.write_text(json.dumps([f"127.0.0.{number}:{port}" for number in (4, 5)]))  # in place
        wait_until(lambda: answering(proxy) == {"127.0.0.4", "127.0.0.5"}, what="the servers of the file")
    assert proxy.stderr().count("this is not JSON") == 1


def test_a_toml_file_behind_links_that_are_swapped_is_followed(azulb, replicas, tmp_path):
    _, port = replicas(2)
    for number in (2, 3):
        (tmp_path / f"..{number}").mkdir()
        (tmp_path / f"..{number}" / "servers.toml").write_text(f'servers = ["127.0.0.{number}:{port}"]\n')
    (tmp_path / "..data").symlink_to("..2")
    (tmp_path / "servers.toml").symlink_to("..data/servers.toml")
    proxy = azulb(upstream={"servers": [], "discover": {"file": str(tmp_path / "servers.toml")}, **NO_CHECKS})
    assert answering(proxy) == {"127.0.0.2"}
    (tmp_path / "..data_tmp").symlink_to("..3")
    os.rename(tmp_path / "..data_tmp", tmp_path / "..data")
    wait_until(lambda: answering(proxy) == {"127.0.0.3"}, what="the new server")


def test_a_request_under_way_on_a_server_that_goes_is_finished(azulb, dnsmasq, replicas, scripted):
    released = threading.Event()

    def slow(peer):
        peer.read_request()
        assert released.wait(30)
        peer.send(response(200, b"slow"))

    _, port = replicas(1, first=3)
    scripted(slow, host="127.0.0.2", port=port)
    dns = dnsmasq({"app.test": ["127.0.0.2"]})
    proxy = discovering(azulb, dns, dns=f"app.test:{port}", upstream=NO_CHECKS)
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(proxy.fetch()))
    waiting.start()
    wait_until(lambda: proxy.state()["upstreams"][0]["servers"][0]["active"] == 1, what="the slow request")
    dns.set({"app.test": ["127.0.0.3"]})
    wait_until(lambda: server_names(proxy) == [f"127.0.0.3:{port}"], what="the new list")
    assert answering(proxy) == {"127.0.0.3"}
    released.set()
    waiting.join(20)
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"slow")]


def test_the_metrics_tell_how_the_sources_fare(azulb, dnsmasq, replicas):
    _, port = replicas(2)
    dns = dnsmasq({"app.test": ["127.0.0.2", "127.0.0.3"]})
    proxy = discovering(azulb, dns, dns=f"app.test:{port}", upstream=NO_CHECKS)
    labels = {"upstream": "app", "source": f"dns app.test:{port}"}
    metrics = proxy.metrics()
    assert metrics.total("azulb_discovery_servers", **labels) == 2
    assert metrics.total("azulb_discovery_failures_total", **labels) == 0
    assert metrics.total("azulb_discovery_last_success_age_seconds", **labels) < 60
    dns.kill()
    wait_until(lambda: proxy.metrics().total("azulb_discovery_failures_total", **labels) > 0, 15, "a failure")
    assert proxy.metrics().total("azulb_discovery_servers", **labels) == 2


def test_check_warns_of_what_does_not_resolve_and_passes(azulb, dnsmasq):
    dns = dnsmasq({})
    proxy = azulb(
        arguments=lambda self: ["-c", str(self.config_path), "--check"],
        upstream={"servers": ["gone.test:1"], "discover": {"resolver": dns.address}},
        wait=False,
    )
    assert proxy.wait_exit() == 0
    assert "the configuration is valid" in proxy.stdout()
    assert re.search(r'warn .*cannot resolve "gone.test"', proxy.stderr())
