"""More work than the servers bear: limits that are never exceeded, a fair queue, and quick refusals."""

import threading
import time

import pytest

from support.client import Client
from support.scripted_server import always, response
from support.waiting import wait_until

OK = response(200, b"ok")


class LimitedServer:
    """Answers each request after `service_seconds`, or when told to, and knows how many it had at once."""

    def __init__(self, service_seconds=None):
        self.service_seconds = service_seconds
        self.release = threading.Semaphore(0)
        self.lock = threading.Lock()
        self.now = self.most = self.served = 0
        self.order = []

    def handler(self, peer):
        while True:
            request = peer.read_request()
            with self.lock:
                self.now += 1
                self.most = max(self.most, self.now)
                self.order.append(request.target)
            if self.service_seconds is None:
                assert self.release.acquire(timeout=20)
            else:
                time.sleep(self.service_seconds)
            with self.lock:
                self.now -= 1
                self.served += 1
            peer.send(OK)


def in_background(work, *arguments):
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()
    return thread


def fetch(proxy, target):
    return proxy.fetch(target=target)


def waiting_requests(proxy):
    return proxy.metrics().total("azulb_upstream_waiting_requests")


@pytest.mark.parametrize("balance", ["round_robin", "least_connections", "random_two", "least_time", "hash"])
def test_no_server_gets_more_than_max_connections_with_2_workers(azulb, scripted, balance):
    limits = (2, 3)
    accounts = [LimitedServer(0.005) for _ in limits]
    servers = [scripted(account.handler) for account in accounts]
    proxy = azulb(
        {"address": servers[0], "max_connections": 2},
        servers[1],
        process={"workers": 2},
        upstream={"balance": balance, "max_connections": 3},
    )
    statuses, lock = [], threading.Lock()

    def client(number):
        for each in range(10):
            status = proxy.fetch(target=f"/{number}/{each}").status
            with lock:
                statuses.append(status)

    threads = [in_background(client, number) for number in range(16)]
    for thread in threads:
        thread.join(20)
    assert statuses == [200] * 160
    assert sum(account.served for account in accounts) == 160
    assert [account.most for account in accounts] == list(limits)


def test_requests_wait_in_the_order_in_which_they_came_whichever_worker_has_them(azulb, scripted):
    account = LimitedServer()
    proxy = azulb(
        scripted(account.handler), process={"workers": 2}, upstream={"max_connections": 1, "queue_timeout": "20s"}
    )
    threads = []
    for number in range(12):
        threads.append(in_background(fetch, proxy, f"/{number}"))
        wait_until(lambda: waiting_requests(proxy) == number or (number == 0 and account.now == 1))
    for _ in threads:
        account.release.release()
    for thread in threads:
        thread.join(20)
    assert account.order == [f"/{number}" for number in range(12)]
    assert account.most == 1
    assert proxy.access_record(target="/11")["queue_ms"] > 0


def test_a_route_of_high_priority_goes_before_those_that_wait_already(azulb, scripted):
    account = LimitedServer()
    proxy = azulb(
        scripted(account.handler),
        process={"workers": 2},
        upstream={"max_connections": 1, "queue_timeout": "20s"},
        routes=[
            {"path_prefix": "/high", "upstream": "app", "priority": "high"},
            {"path_prefix": "/low", "upstream": "app", "priority": "low"},
            {"upstream": "app"},
        ],
    )
    threads = []
    for number, target in enumerate(["/first", "/low/1", "/normal/1", "/high/1", "/low/2", "/normal/2", "/high/2"]):
        threads.append(in_background(fetch, proxy, target))
        wait_until(lambda: waiting_requests(proxy) == number or (number == 0 and account.now == 1))
    for _ in threads:
        account.release.release()
    for thread in threads:
        thread.join(20)
    assert account.order == ["/first", "/high/1", "/high/2", "/normal/1", "/normal/2", "/low/1", "/low/2"]


def test_past_the_queue_requests_are_refused_at_once_with_retry_after(azulb, scripted):
    account = LimitedServer()
    proxy = azulb(
        scripted(account.handler),
        process={"workers": 2},
        upstream={"max_connections": 1, "queue": 2, "queue_timeout": "20s"},
    )
    threads = [in_background(fetch, proxy, f"/{number}") for number in range(3)]
    wait_until(lambda: waiting_requests(proxy) == 2)
    refused = proxy.fetch(target="/refused")
    assert (refused.status, refused.header("Retry-After")) == (503, "1")
    assert proxy.access_record(target="/refused")["error"] == "queue_full"
    for _ in threads:
        account.release.release()
    for thread in threads:
        thread.join(20)
    assert account.served == 3


def test_who_waits_too_long_gets_a_503_with_retry_after(azulb, scripted):
    account = LimitedServer()
    proxy = azulb(scripted(account.handler), upstream={"max_connections": 1, "queue_timeout": "200ms"})
    thread = in_background(fetch, proxy, "/served")
    wait_until(lambda: account.now == 1)
    late = proxy.fetch(target="/late")
    assert (late.status, late.header("Retry-After")) == (503, "1")
    assert proxy.access_record(target="/late")["error"] == "queue_timeout"
    account.release.release()
    thread.join(20)
    assert waiting_requests(proxy) == 0


def test_a_client_that_leaves_gives_up_its_place_in_the_queue(azulb, scripted):
    account = LimitedServer()
    proxy = azulb(
        scripted(account.handler), process={"workers": 2}, upstream={"max_connections": 1, "queue_timeout": "20s"}
    )
    served = in_background(fetch, proxy, "/served")
    wait_until(lambda: account.now == 1)
    with proxy.client() as client:
        client.send(b"GET /leaves HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: waiting_requests(proxy) == 1)
    wait_until(lambda: waiting_requests(proxy) == 0)
    follows = in_background(fetch, proxy, "/follows")
    wait_until(lambda: waiting_requests(proxy) == 1)
    for _ in range(2):
        account.release.release()
    served.join(20)
    follows.join(20)
    assert account.order == ["/served", "/follows"]


def test_a_server_that_is_enabled_again_takes_those_that_wait_on_every_worker(azulb, scripted):
    server = scripted(always(OK))
    proxy = azulb(server, process={"workers": 2}, upstream={"queue_timeout": "20s"})
    place = f"/servers/app/{server.name}"
    assert proxy.command(f"{place}/disable").status == 200
    statuses = []
    threads = [in_background(lambda: statuses.append(proxy.fetch(target="/").status)) for _ in range(20)]
    wait_until(lambda: waiting_requests(proxy) == 20)
    assert proxy.command(f"{place}/enable").status == 200
    for thread in threads:
        thread.join(20)
    assert statuses == [200] * 20


def served_per_second(address, clients, seconds):
    """What `clients` get out of a server that they ask one request after the other, each on its own connection."""
    counts = []
    end = time.monotonic() + seconds

    def client():
        count = 0
        with Client(address) as connection:
            while time.monotonic() < end:
                assert connection.request().status == 200
                count += 1
        counts.append(count)

    threads = [in_background(client) for _ in range(clients)]
    for thread in threads:
        thread.join(20)
    return sum(counts) / seconds


def test_offered_twice_what_the_servers_bear_they_stay_busy_and_the_rest_is_refused(azulb, scripted):
    """Clients send at twice the rate that the servers bear, whatever becomes of it."""
    service_seconds, limit, seconds, patience = 0.1, 5, 6.0, 0.5
    accounts = [LimitedServer(service_seconds) for _ in range(2)]
    servers = [scripted(account.handler) for account in accounts]
    capacity = len(servers) * served_per_second(servers[0].address, limit, 2.0)
    proxy = azulb(
        *servers,
        process={"workers": 2},
        upstream={"max_connections": limit, "queue": 1000, "queue_timeout": f"{int(patience * 1000)}ms"},
    )
    rate, clients = 2 * capacity, 160
    answers = []  # status, end, and the time that it took
    begin = time.monotonic() + 0.5

    def client(number):
        with proxy.client() as connection:
            at = begin + number / rate
            while at < begin + seconds:
                time.sleep(max(0.0, at - time.monotonic()))
                sent = time.monotonic()
                status = connection.request().status
                end = time.monotonic()
                answers.append((status, end, end - sent))
                at += clients / rate

    threads = [in_background(client, number) for number in range(clients)]
    for thread in threads:
        thread.join(30)
    assert {status for status, _, _ in answers} == {200, 503}
    assert [account.most for account in accounts] == [limit, limit], "never exceeded, and made use of"
    settled = [answer for answer in answers if begin + 1 < answer[1] < begin + seconds]
    served = [took for status, _, took in settled if status == 200]
    assert len(served) / (seconds - 1) >= 0.95 * capacity
    # Waiting is bounded by the queue's timeout; the rest is service, and what a busy machine adds.
    assert max(served) < patience + service_seconds + 1
    assert max(took for status, _, took in settled if status == 503) < patience + 1
