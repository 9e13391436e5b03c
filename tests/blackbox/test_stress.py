"""All at once, at random: clients that leave, garble, dribble and pipeline, and servers that do anything. Whoever keeps to
the rules on both sides notices nothing of it, and afterwards nothing is left over.

AZULB_STRESS_SEED gives other choices, AZULB_STRESS_SECONDS more of them.
"""

import asyncio
import os
import random

from support.stress_clients import StressClients
from support.stress_servers import StressServers
from support.waiting import wait_until

SECONDS = float(os.environ.get("AZULB_STRESS_SECONDS", "8"))
SEED = int(os.environ.get("AZULB_STRESS_SEED", "1"))
GAUGES = (
    "azulb_http_requests_in_flight",
    "azulb_connections_active",
    "azulb_server_active_requests",
    "azulb_server_tunnels_active",
    "azulb_server_connections_idle",
)


def in_use(proxy):
    """All that is still counted as going on, by name."""
    metrics = proxy.metrics()
    for name in GAUGES:
        assert name in metrics.names()
    return {name: metrics.total(name) for name in GAUGES if metrics.total(name) != 0}


async def stress(start, rng):
    """`start(good, bad)` starts azulb over the servers; returns it, the servers and the clients, all done."""
    servers = StressServers(rng)
    addresses = {good: [servers.listen(good) for _ in range(3)] for good in (True, False)}
    loop = asyncio.get_running_loop()
    proxy = await loop.run_in_executor(None, start, addresses[True], addresses[False])
    clients = StressClients(rng, proxy.address)
    await asyncio.gather(*[clients.run(SECONDS) for _ in range(24)])
    await loop.run_in_executor(None, wait_until, lambda: in_use(proxy) == {}, 15, "everything at its end")
    await servers.close()
    return proxy, servers, clients


def test_whoever_keeps_to_the_rules_notices_nothing(azulb):
    print(f"AZULB_STRESS_SEED={SEED}")

    def start(good, bad):
        hasty = {"connect": "500ms", "response": "1s", "idle": "1s", "tunnel": "2s"}
        return azulb(
            process={"workers": 2},
            listener={"timeout": {"header": "4s", "body": "4s", "send": "4s", "keepalive": "3s"}},
            extra={
                "upstream": {
                    "app": {"servers": good, "keepalive": {"idle": "2s"}},
                    "bad": {
                        "servers": bad,
                        "balance": "least_connections",
                        "queue_timeout": "1s",
                        "timeout": hasty,
                        "keepalive": {"idle": "1s", "connections": 4},
                        "outlier": {"ejection": "200ms"},
                    },
                }
            },
            routes=[
                {"name": "good", "path_prefix": "/good", "upstream": "app"},
                {"name": "any", "path_prefix": "/", "upstream": "bad"},
            ],
        )

    proxy, servers, clients = asyncio.run(stress(start, random.Random(SEED)))
    print(dict(clients.counts))
    assert clients.failures == []
    assert servers.errors == []
    garbled = {"garbled", ""}
    twice = [ident for ident, count in servers.posts.items() if count > 1 and ident not in garbled]
    assert [ident for ident in twice if ident.startswith("i")] == [], "a POST reached servers twice"
    assert clients.counts[200] > 100
    assert proxy.alive()
