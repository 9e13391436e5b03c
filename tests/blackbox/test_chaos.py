"""Replicas die, freeze, restart and refuse under a steady load: GETs lose nothing, POSTs run at most once."""

import collections
import signal
import threading
import time

import pytest

from support.client import fetch
from support.waiting import wait_until

UPSTREAM = {
    "timeout": {"connect": "500ms", "response": "700ms"},
    "health": {"interval": "200ms", "fast_interval": "100ms", "timeout": "300ms", "rise": 1, "fall": 2},
    "outlier": {"consecutive_errors": 3, "ejection": "300ms", "max_ejected": 0.7},
}


class Load:
    """GETs from several keep-alive clients until it is told to stop."""

    def __init__(self, proxy, threads=4):
        self.proxy, self.stopping = proxy, threading.Event()
        self.failures, self.count = [], 0
        self.replicas = collections.Counter()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(number,)) for number in range(threads)]

    def run(self, number):
        client, sent = self.proxy.client(), 0
        while not self.stopping.is_set():
            try:
                if sent % 50 == 49:
                    client.close()
                    client = self.proxy.client()
                target = "/slow?ms=5" if sent % 7 == 3 else "/"
                answer = client.request("GET", target)
                problem = None if answer.status == 200 else f"{answer.status} {answer.body[:60]!r}"
            except Exception as error:
                problem = repr(error)
                client.close()
                client = self.proxy.client()
            sent += 1
            with self.lock:
                self.count += 1
                if problem:
                    self.failures.append(f"{target}: {problem}")
                else:
                    self.replicas[answer.body] += 1
            time.sleep(0.002)
        client.close()

    def wait_for_more(self, requests):
        start = self.count
        wait_until(lambda: self.count >= start + requests, 30, f"{requests} more requests")

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.wait_for_more(50)
        return self

    def __exit__(self, *exc):
        self.stopping.set()
        for thread in self.threads:
            thread.join(20)
        if exc == (None, None, None):
            assert self.failures == [], f"{len(self.failures)} of {self.count} failed: {self.failures[:5]}"


@pytest.fixture
def field(azulb, crystal_apps):
    apps = crystal_apps(3)
    proxy = azulb(*apps, process={"workers": 2}, upstream=UPSTREAM)
    for app in apps:
        proxy.wait_health(app, "up")
    return proxy, apps


def test_killed_and_restarted(field):
    proxy, apps = field
    with Load(proxy) as load:
        for app in apps:
            app.kill()
            load.wait_for_more(100)
            proxy.wait_health(app, "down")
            app.start()
            proxy.wait_health(app, "up")
            load.wait_for_more(100)
        before = load.replicas.copy()
        load.wait_for_more(60)
        wait_until(
            lambda: all(load.replicas[name] > before[name] for name in before),
            what="traffic at every replica",
        )


def test_killed_and_restarted_at_once(field):
    proxy, apps = field
    with Load(proxy) as load:
        for app in apps * 3:
            app.kill()
            app.start()
            load.wait_for_more(60)


def test_all_that_was_in_flight_at_a_killed_replica_is_answered(azulb, crystal_apps):
    """Default settings: eight requests fail at the same moment, and each of them is tried elsewhere."""
    apps = crystal_apps(3)
    proxy = azulb(*apps, process={"workers": 2})
    clients = [proxy.client() for _ in range(24)]
    for client in clients:
        client.send_request("GET", "/slow?ms=500")
    wait_until(lambda: proxy.servers_state()[apps[0].name]["active"] == 8, what="eight requests in flight")
    apps[0].kill()
    statuses = [client.read_response().status for client in clients]
    for client in clients:
        client.close()
    assert statuses == [200] * 24


def test_frozen(field):
    proxy, apps = field
    with Load(proxy) as load:
        for app in apps[:2]:
            app.signal(signal.SIGSTOP)
            proxy.wait_health(app, "down")
            load.wait_for_more(100)
            app.signal(signal.SIGCONT)
            proxy.wait_health(app, "up")
            load.wait_for_more(50)


def test_answering_503(field):
    proxy, apps = field
    with Load(proxy) as load:
        for app in apps[:2]:
            fetch(app.address, "GET", "/control?all=503")
            load.wait_for_more(150)
            proxy.wait_health(app, "down")
            fetch(app.address, "GET", "/control?all=0")
            proxy.wait_health(app, "up")


def test_unhealthy_but_serving(field):
    """A replica on its way out says so in /health; it gets nothing new, and loses nothing."""
    proxy, apps = field
    with Load(proxy) as load:
        fetch(apps[0].address, "GET", "/control?health=503")
        proxy.wait_health(apps[0], "down")
        load.wait_for_more(20)  # what was under way
        before = load.replicas[b"app1"]
        load.wait_for_more(100)
        assert load.replicas[b"app1"] == before


def test_a_rolling_restart(field):
    """systemctl restart, one after the other: SIGTERM cuts what is in flight."""
    proxy, apps = field
    with Load(proxy) as load:
        for app in apps:
            app.signal(signal.SIGTERM)
            app.process.wait(10)
            app.start()
            proxy.wait_health(app, "up")
            load.wait_for_more(50)


def test_posts_under_chaos_run_at_most_once(field):
    proxy, apps = field
    statuses, lock = {}, threading.Lock()
    stop = threading.Event()

    def post(thread):
        number = 0
        while not stop.is_set():
            key = f"{thread}-{number}"
            number += 1
            try:
                status = proxy.fetch("POST", f"/count?id={key}", body=b"z" * (number % 3000)).status
            except Exception:
                status = 0
            with lock:
                statuses[key] = status

    threads = [threading.Thread(target=post, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for app in apps:
        app.kill()
        app.start()
        app.signal(signal.SIGSTOP)
        proxy.wait_health(app, "down")
        app.signal(signal.SIGCONT)
        proxy.wait_health(app, "up")
    stop.set()
    for thread in threads:
        thread.join(30)
    executed = collections.Counter(line.split()[0] for line in apps[0].executed_path.read_text().splitlines())
    assert [key for key, count in executed.items() if count > 1] == []
    assert [key for key, status in statuses.items() if status == 200 and not executed[key]] == []
    assert sum(status == 200 for status in statuses.values()) > 100
