"""Who gets which request: exact turns over all workers, weights, load, and hashing."""

import collections
import threading

import pytest

from support.scripted_server import always, response
from support.waiting import wait_until


def named(scripted, count):
    """Servers that answer with their own number."""
    return [scripted(always(response(200, b"%d" % number))) for number in range(count)]


def spread(proxy, total, threads=1, connections=10, **request):
    """How many of `total` requests each server answered, sent over many connections and so over all workers."""
    counts, lock = collections.Counter(), threading.Lock()

    def run(share):
        local = collections.Counter()
        for start in range(0, share, connections):
            with proxy.client() as client:
                for _ in range(min(connections, share - start)):
                    answer = client.request(**request)
                    assert answer.status == 200
                    local[int(answer.body)] += 1
        with lock:
            counts.update(local)

    runners = [threading.Thread(target=run, args=(total // threads,)) for _ in range(threads)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    assert sum(counts.values()) == total
    return counts


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("connections", [1, 5, 100])
def test_300_requests_over_3_servers_with_2_workers_are_100_each(azulb, scripted, threads, connections):
    proxy = azulb(*named(scripted, 3), process={"workers": 2})
    assert spread(proxy, 300, threads, connections) == {0: 100, 1: 100, 2: 100}


def test_weights_are_exact(azulb, scripted):
    servers = named(scripted, 3)
    proxy = azulb(
        *({"address": server, "weight": weight} for server, weight in zip(servers, (5, 3, 1))),
        process={"workers": 2},
    )
    assert spread(proxy, 180, threads=3) == {0: 100, 1: 60, 2: 20}


def test_weighted_turns_are_smooth(azulb, scripted):
    servers = named(scripted, 3)
    proxy = azulb(*({"address": server, "weight": weight} for server, weight in zip(servers, (5, 1, 1))))
    with proxy.client() as client:
        order = [int(client.request().body) for _ in range(14)]
    assert order[:7] == order[7:]
    assert sorted(order[:7]) == [0, 0, 0, 0, 0, 1, 2]
    cycle = order + order
    assert all(cycle[start : start + 5] != [0] * 5 for start in range(14)), f"not smooth: {order}"


def test_least_connections_avoids_the_busy(azulb, scripted):
    release = threading.Event()

    def slow_first(number):
        def handler(peer):
            while True:
                request = peer.read_request()
                if request.target == "/hold":
                    assert release.wait(20)
                peer.send(response(200, b"%d" % number))

        return handler

    servers = [scripted(slow_first(number)) for number in range(3)]
    proxy = azulb(*servers, process={"workers": 2}, upstream={"balance": "least_connections"})
    holders = [proxy.client() for _ in range(2)]
    for number, holder in enumerate(holders):
        holder.send_request("GET", "/hold")
        wait_until(
            lambda number=number: sum(len(server.requests) for server in servers) == number + 1,
            what="the held request",
        )
    free = [number for number, server in enumerate(servers) if not server.requests]
    assert len(free) == 1, "two held requests are on two servers"
    assert spread(proxy, 40) == {free[0]: 40}
    release.set()
    for holder in holders:
        assert holder.read_response().status == 200
        holder.close()


@pytest.mark.parametrize("balance", ["least_connections", "random_two"])
def test_ties_rotate(azulb, scripted, balance):
    proxy = azulb(*named(scripted, 3), process={"workers": 2}, upstream={"balance": balance})
    counts = spread(proxy, 300)
    assert set(counts) == {0, 1, 2}
    assert min(counts.values()) > 50, counts


def test_least_connections_respects_weights(azulb, scripted):
    release, gate = threading.Event(), threading.Semaphore(0)

    def holding(number):
        def handler(peer):
            while True:
                peer.read_request()
                gate.release()
                assert release.wait(20)
                peer.send(response(200, b"%d" % number))

        return handler

    servers = [scripted(holding(number)) for number in range(2)]
    proxy = azulb(
        {"address": servers[0], "weight": 3},
        {"address": servers[1], "weight": 1},
        upstream={"balance": "least_connections"},
    )
    clients = [proxy.client() for _ in range(12)]
    for client in clients:
        client.send_request()
        assert gate.acquire(timeout=5)
    release.set()
    counts = collections.Counter(int(client.read_response().body) for client in clients)
    for client in clients:
        client.close()
    assert counts == {0: 9, 1: 3}


def test_random_two_avoids_the_busy(azulb, scripted):
    release = threading.Event()

    def handler(number):
        def run(peer):
            while True:
                if peer.read_request().target == "/hold":
                    assert release.wait(20)
                peer.send(response(200, b"%d" % number))

        return run

    servers = [scripted(handler(number)) for number in range(2)]
    proxy = azulb(*servers, upstream={"balance": "random_two"})
    holder = proxy.client()
    holder.send_request("GET", "/hold")
    wait_until(lambda: any(server.requests for server in servers), what="the held request")
    busy = 0 if servers[0].requests else 1
    counts = spread(proxy, 30)
    assert counts == {1 - busy: 30}, "of two servers both are always looked at"
    release.set()
    assert holder.read_response().status == 200
    holder.close()


# ---- hash
KEYS = {
    "client_ip": lambda value: {},
    "path": lambda value: {"target": f"/item/{value}?ignored={value}"},
    "host": lambda value: {"host": f"h{value}.test"},
    "header:X-User": lambda value: {"headers": {"x-user": str(value)}},
    "cookie:session": lambda value: {"headers": {"Cookie": f"a=b; session={value}; c=d"}},
    "query:id": lambda value: {"target": f"/?a=1&id={value}&b=2"},
}


@pytest.mark.parametrize("key", KEYS)
def test_the_same_key_goes_to_the_same_server(azulb, scripted, key):
    proxy = azulb(*named(scripted, 4), process={"workers": 2}, upstream={"balance": "hash", "hash_key": key})
    used = set()
    for value in range(40):
        answers = {int(proxy.fetch(**KEYS[key](value)).body) for _ in range(3)}
        assert len(answers) == 1, f"key {value} went to {answers}"
        used |= answers
    assert len(used) == (1 if key == "client_ip" else 4)


def mapping(proxy, count=300):
    with proxy.client() as client:
        return {value: int(client.request("GET", f"/{value}").body) for value in range(count)}


def test_few_keys_move_when_a_server_goes(azulb, scripted):
    servers = named(scripted, 5)
    options = {"upstream": {"balance": "hash", "hash_key": "path"}}
    before = mapping(azulb(*servers, **options))
    after = mapping(azulb(*servers[:4], **options))
    moved = [key for key in before if before[key] != 4 and before[key] != after[key]]
    assert len(moved) <= 15, f"{len(moved)} of 300 keys moved that had no reason to"
    assert all(server != 4 for server in after.values())


def test_keys_of_a_dead_server_move_and_come_back(azulb, scripted):
    servers = named(scripted, 3)
    proxy = azulb(
        *servers,
        upstream={
            "balance": "hash",
            "hash_key": "path",
            "outlier": {"consecutive_errors": 0},
            "health": {"interval": "100ms", "fast_interval": "50ms", "timeout": "1s", "rise": 1, "fall": 1},
        },
    )
    for server in servers:
        proxy.wait_health(server, "up")
    before = mapping(proxy, 100)
    servers[1].close()
    proxy.wait_health(servers[1], "down")
    during = mapping(proxy, 100)
    assert all(during[key] == owner for key, owner in before.items() if owner != 1)
    assert 1 not in during.values()
    scripted(always(response(200, b"1")), port=servers[1].address[1])
    proxy.wait_health(servers[1], "up")
    assert mapping(proxy, 100) == before


def test_the_hash_spreads_evenly(azulb, scripted):
    proxy = azulb(*named(scripted, 4), upstream={"balance": "hash", "hash_key": "path"})
    counts = collections.Counter(mapping(proxy, 800).values())
    assert min(counts.values()) > 120 and max(counts.values()) < 280, counts


def test_hash_weights(azulb, scripted):
    servers = named(scripted, 2)
    proxy = azulb(
        {"address": servers[0], "weight": 4},
        {"address": servers[1], "weight": 1},
        upstream={"balance": "hash", "hash_key": "path"},
    )
    counts = collections.Counter(mapping(proxy, 500).values())
    assert 340 < counts[0] < 460, counts


def test_bounded_load_spills_over(azulb, scripted):
    release, gate = threading.Event(), threading.Semaphore(0)

    def holding(number):
        def handler(peer):
            while True:
                peer.read_request()
                gate.release()
                assert release.wait(20)
                peer.send(response(200, b"%d" % number))

        return handler

    servers = [scripted(holding(number)) for number in range(4)]
    proxy = azulb(*servers, upstream={"balance": "hash", "hash_key": "path", "hash_load_factor": 1.25})
    clients = [proxy.client() for _ in range(16)]
    for client in clients:  # all of one key
        client.send_request("GET", "/same")
        assert gate.acquire(timeout=5)
    release.set()
    counts = collections.Counter(int(client.read_response().body) for client in clients)
    for client in clients:
        client.close()
    assert (
        max(counts.values()) <= 6
    ), f"more than 1.25 times the mean of 4, rounded up, on one server: {counts}"


def test_routes_share_a_server_but_not_its_turns(azulb, scripted):
    """An upstream's turn is its own."""
    servers = named(scripted, 2)
    proxy = azulb(
        *servers,
        extra={"upstream": {"b": {"servers": [server.name for server in servers]}}},
        routes=[{"path_prefix": "/b", "upstream": "b"}, {"upstream": "app"}],
    )
    with proxy.client() as client:
        a, b = [], []
        for _ in range(6):
            a.append(int(client.request("GET", "/a").body))
            b.append(int(client.request("GET", "/b").body))
    assert sorted(a) == sorted(b) == [0, 0, 0, 1, 1, 1]
