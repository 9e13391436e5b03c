"""Prometheus metrics: the promised names and labels, and figures that are right."""

import re
import threading

from support.scripted_server import OK, always, per_request, reset, status_from_target
from support.waiting import wait_until


def test_requests_are_counted_by_route_and_code(azulb, scripted):
    server = scripted(status_from_target)
    proxy = azulb(server, process={"workers": 2}, routes=[{"name": "all", "upstream": "app"}])
    for target, times in (("/200", 30), ("/404", 4), ("/500", 2)):
        for _ in range(times):
            proxy.fetch(target=target)

    def counted():
        metrics = proxy.metrics()
        return [
            metrics.total(
                "azulb_http_requests_total", listener="http", route="all", upstream="app", code=code
            )
            for code in (200, 404, 500)
        ] == [30, 4, 2]

    wait_until(counted, what="the counts")
    metrics = proxy.metrics()
    for labels, _ in metrics.find("azulb_http_requests_total"):
        assert set(labels) == {"listener", "route", "upstream", "code"}
    assert metrics.total("http_requests_total") == 36


def test_the_names_azus_users_know(azulb, scripted):
    proxy = azulb(scripted(always(OK)))
    proxy.fetch()
    wait_until(lambda: proxy.metrics().total("http_requests_total") >= 1, what="the count")
    metrics = proxy.metrics()
    assert metrics.total("memory_usage_bytes") > 1_000_000
    assert metrics.find("http_request_duration_seconds_count")
    assert metrics.types["http_request_duration_seconds"] == "histogram"


def test_histograms_are_well_formed(azulb, crystal_apps):
    proxy = azulb(*crystal_apps(1))
    for _ in range(5):
        proxy.fetch(target="/slow?ms=60")
    wait_until(
        lambda: proxy.metrics().total("azulb_http_request_duration_seconds_count") == 5, what="five requests"
    )
    metrics = proxy.metrics()
    assert metrics.types["azulb_http_request_duration_seconds"] == "histogram"
    buckets = sorted(
        (float(labels["le"]), value)
        for labels, value in metrics.find("azulb_http_request_duration_seconds_bucket")
        if labels.get("route")
        == metrics.find("azulb_http_request_duration_seconds_bucket")[0][0].get("route")
    )
    values = [value for _, value in buckets]
    assert values == sorted(values) and values[-1] == 5 and buckets[-1][0] == float("inf")
    assert all(value == 0 for bound, value in buckets if bound <= 0.05)
    assert metrics.total("azulb_http_request_duration_seconds_sum") >= 0.3


def test_every_family_has_help_and_type(azulb, scripted):
    proxy = azulb(scripted(always(OK)))
    proxy.fetch()
    metrics = proxy.metrics()
    for name in metrics.names():
        family = re.sub(r"_(bucket|sum|count)$", "", name)
        declared = name if name in metrics.types else family
        assert declared in metrics.types, f"{name} has no TYPE"
        assert len(metrics.helps.get(declared, "")) > 10, f"{name} has no helpful HELP"
        if metrics.types[declared] == "counter":
            assert name.endswith("_total"), f"counter {name} should end in _total"


def test_counters_never_fall_and_gauges_return(azulb, scripted):
    release = threading.Event()

    def handler(peer):
        while True:
            if peer.read_request().target == "/hold":
                assert release.wait(20)
            peer.send(OK)

    proxy = azulb(scripted(handler))
    clients = [proxy.client() for _ in range(3)]
    for client in clients:
        client.send_request("GET", "/hold")

    def in_flight():
        return sum(value for name, _, value in proxy.metrics().samples if "in_flight" in name)

    wait_until(lambda: in_flight() == 3, what="three in flight")
    release.set()
    for client in clients:
        client.read_response()
        client.close()
    wait_until(lambda: in_flight() == 0, what="none in flight")


def test_each_server_has_its_figures(azulb, scripted):
    good, bad = scripted(always(OK)), scripted(per_request(reset))
    proxy = azulb(good, bad, upstream={"outlier": {"consecutive_errors": 2, "ejection": "1m"}})
    for _ in range(10):
        assert proxy.fetch().status == 200

    def families(server):
        return {
            name
            for name, labels, _ in proxy.metrics().samples
            if labels.get("upstream") == "app" and labels.get("server") == server.name
        }

    wanted = ("request", "error", "health", "eject", "active", "connect", "response", "retr")
    for server in (good, bad):
        have = families(server)
        assert [word for word in wanted if not any(word in name for name in have)] == [], have
    metrics = proxy.metrics()
    ejected = [
        value
        for name, labels, value in metrics.samples
        if "eject" in name and labels.get("server") == bad.name and metrics.types.get(name) == "gauge"
    ]
    assert 1 in ejected


def test_process_and_pool_figures(azulb, scripted):
    proxy = azulb(scripted(always(OK)))
    for _ in range(3):
        proxy.fetch()
    names = proxy.metrics().names()
    for word in ("connections", "bytes", "memory", "cpu", "reuse"):
        assert any(word in name for name in names), f"nothing about {word}"


def test_hostile_label_values_are_escaped(azulb, scripted):
    proxy = azulb(scripted(always(OK)), routes=[{"name": 'quo"te \\ back', "upstream": "app"}])
    proxy.fetch()
    wait_until(
        lambda: proxy.metrics().find("azulb_http_requests_total", route='quo\\"te \\\\ back'),
        what="the escaped name",
    )


def test_scraping_under_load(azulb, scripted):
    proxy = azulb(scripted(always(OK)), process={"workers": 2})
    stop = threading.Event()

    def load():
        with proxy.client() as client:
            while not stop.is_set():
                assert client.request().status == 200

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    last = -1.0
    for _ in range(20):
        value = proxy.metrics().total("azulb_http_requests_total")
        assert value >= last
        last = value
    stop.set()
    for thread in threads:
        thread.join()
    assert last > 0
