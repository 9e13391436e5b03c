"""Another attempt, and when there must be none."""

import threading
import time

import pytest

from support.scripted_server import (
    OK,
    SilentPort,
    always,
    close,
    hang,
    per_connection,
    per_request,
    reset,
    response,
    send,
)

ALL = [
    "error",
    "timeout",
    "invalid_header",
    "http_500",
    "http_502",
    "http_503",
    "http_504",
    "http_403",
    "http_404",
    "http_429",
]
NO_OUTLIER = {"outlier": {"consecutive_errors": 0}}


def fail_then_ok(azulb, scripted, action, retry=None, **upstream):
    """azulb over one server that runs `action` on the first request and is well from the second on."""
    server = scripted(per_request(action, send(OK)))
    return server, azulb(
        server,
        upstream={
            **NO_OUTLIER,
            "timeout": {"response": "300ms", "connect": "300ms"},
            "retry": retry or {},
            **upstream,
        },
    )


FAILURES = {
    "error": [reset, close],
    "timeout": [hang],
    "invalid_header": [send(b"rubbish\r\n\r\n"), send(b"HTTP/1.1 2x0 OK\r\n\r\n")],
    **{
        f"http_{status}": [send(response(status, b"first"))] for status in (500, 502, 503, 504, 403, 404, 429)
    },
}
FAILED_STATUS = {"error": 502, "timeout": 504, "invalid_header": 502}
PAIRS = [(condition, action) for condition, actions in FAILURES.items() for action in actions]


@pytest.mark.parametrize("condition,action", PAIRS, ids=[f"{c}-{n}" for n, (c, _) in enumerate(PAIRS)])
def test_a_get_is_tried_again_on(azulb, scripted, condition, action):
    server, proxy = fail_then_ok(azulb, scripted, action, {"on": [condition]})
    answer = proxy.fetch(target="/again")
    assert (answer.status, answer.body) == (200, b"ok")
    assert len(server.requests) == 2
    assert proxy.access_record(target="/again")["attempts"] == 2


@pytest.mark.parametrize("condition,action", PAIRS, ids=[f"{c}-{n}" for n, (c, _) in enumerate(PAIRS)])
def test_a_get_is_not_tried_again_without_the_condition(azulb, scripted, condition, action):
    server, proxy = fail_then_ok(
        azulb, scripted, action, {"on": [other for other in ALL if other != condition]}
    )
    answer = proxy.fetch()
    assert answer.status == (FAILED_STATUS.get(condition) or int(condition[5:]))
    assert len(server.requests) == 1


def test_off(azulb, scripted):
    server, proxy = fail_then_ok(azulb, scripted, reset, {"on": ["off"]})
    assert proxy.fetch().status == 502
    assert len(server.requests) == 1


def test_each_attempt_on_a_server_not_tried_yet(azulb, scripted):
    servers = [scripted(always(response(503))) for _ in range(2)] + [scripted(always(OK))]
    proxy = azulb(*servers)
    for _ in range(6):
        assert proxy.fetch().status == 200
    for record in proxy.access_log(6):
        assert record["server"] in (servers[2].name, [servers[2].name]) and record["attempts"] <= 3


def test_refused_connections_are_tried_elsewhere(azulb, scripted):
    dead, good = scripted(always(OK)), scripted(always(OK))
    dead.close()
    proxy = azulb(dead, good)
    for method in ("GET", "POST"):
        for _ in range(4):
            assert proxy.fetch(method, body=b"x" if method == "POST" else None).status == 200


def test_connect_timeouts_are_tried_elsewhere(azulb, scripted):
    silent, good = SilentPort(), scripted(always(OK))
    proxy = azulb(silent.name, good, upstream={**NO_OUTLIER, "timeout": {"connect": "300ms"}})
    assert [proxy.fetch("POST", body=b"x").status for _ in range(4)] == [200] * 4
    silent.close()


def test_attempts_are_limited_and_the_last_answer_reaches_the_client(azulb, scripted):
    servers = [
        scripted(always(response(503, b"from %d" % number, {"X-Own": str(number)}))) for number in range(4)
    ]
    proxy = azulb(*servers, upstream={"retry": {"attempts": 3}})
    answer = proxy.fetch(target="/all")
    assert answer.status == 503
    assert answer.body == b"from " + answer.header("x-own").encode()
    assert sum(len(server.requests) for server in servers) == 3
    record = proxy.access_record(target="/all")
    assert record["attempts"] == 3 and record["status"] == 503


def test_one_attempt(azulb, scripted):
    server, proxy = fail_then_ok(azulb, scripted, send(response(503, b"only")), {"attempts": 1})
    assert (proxy.fetch().status, len(server.requests)) == (503, 1)


def test_the_servers_answer_after_an_error_of_another(azulb, scripted):
    """First a reset, then a 503: the 503 is what the client gets."""
    servers = [scripted(per_request(reset)), scripted(always(response(503, b"real")))]
    proxy = azulb(*servers, upstream={**NO_OUTLIER, "retry": {"attempts": 2}})
    assert proxy.fetch().body == b"real"


def test_nothing_is_tried_again_after_the_first_byte_to_the_client(azulb, scripted):
    def cut(peer, request):
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        return False

    server, proxy = fail_then_ok(azulb, scripted, cut, {"on": ALL})
    with proxy.client() as client:
        client.send_request()
        client.read_head()
        data, _ = client.read_all()
    assert data == b"hello"
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "method,target",
    [
        ("POST", "/"),
        ("PATCH", "/"),
        ("LOCK", "/"),
        ("GET", "/?_method=delete"),
        ("GET", "/?a=b&_method=POST"),
        ("PUT", "/?_method=x"),
    ],
)
@pytest.mark.parametrize("action", [reset, hang, send(response(503, b"mine"))], ids=["reset", "hang", "503"])
def test_what_is_not_idempotent_is_sent_once(azulb, scripted, method, target, action):
    server, proxy = fail_then_ok(azulb, scripted, action, {"on": ["error", "timeout", "http_503"]})
    answer = proxy.fetch(method, target, body=b"x")
    assert answer.status in (502, 503, 504)
    assert len(server.requests) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_idempotent_methods_are_tried_again(azulb, scripted, method):
    server, proxy = fail_then_ok(azulb, scripted, reset)
    assert proxy.fetch(method, body=b"x" if method == "PUT" else None).status == 200
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "condition,action", [("error", reset), ("timeout", hang), ("http_503", send(response(503)))]
)
def test_non_idempotent_allows_it(azulb, scripted, condition, action):
    server, proxy = fail_then_ok(azulb, scripted, action, {"on": [condition, "non_idempotent"]})
    answer = proxy.fetch("POST", body=b"once more")
    assert answer.status == 200
    assert [request.body for request in server.requests] == [b"once more"] * 2


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_is_replayed_whole(azulb, scripted, chunked):
    body = bytes(range(256)) * 200
    server, proxy = fail_then_ok(azulb, scripted, send(response(503)), {"buffer": "64KiB"})
    answer = proxy.fetch("PUT", body=[body[:100], body[100:30000], body[30000:]] if chunked else body)
    assert answer.status == 200
    assert [request.body for request in server.requests] == [body, body]


def test_trailers_are_replayed_too(azulb, scripted):
    server, proxy = fail_then_ok(azulb, scripted, send(response(503)))
    with proxy.client() as client:
        client.send(
            b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n"
        )
        assert client.read_response().status == 200
    assert [request.trailers for request in server.requests] == [[("X-Sum", "1")]] * 2


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_larger_than_the_buffer_is_tried_once(azulb, scripted, chunked):
    body = b"x" * 20000
    server, proxy = fail_then_ok(azulb, scripted, send(response(503, b"mine")), {"buffer": "10000"})
    answer = proxy.fetch("PUT", body=[body] if chunked else body)
    assert (answer.status, answer.body) == (503, b"mine")
    assert len(server.requests) == 1 and server.requests[0].body == body


def test_time_for_another_try_is_limited(azulb, scripted):
    server, proxy = fail_then_ok(azulb, scripted, hang, {"timeout": "100ms"})  # the first try takes 300 ms
    assert proxy.fetch().status == 504
    assert len(server.requests) == 1


def test_backoff_still_ends_well(azulb, scripted):
    server, proxy = fail_then_ok(azulb, scripted, reset, {"backoff": "100ms"})
    assert proxy.fetch().status == 200
    assert len(server.requests) == 2


def test_the_budget_stops_a_storm(azulb, scripted):
    """Of 40 live requests that all fail, retries may be a tenth, or three, whichever is more, at once."""
    arrived, release, lock, tries = threading.Semaphore(0), threading.Event(), threading.Lock(), [0]

    def handler(peer):
        while True:
            peer.read_request()
            with lock:
                tries[0] += 1
                is_first = tries[0] <= 40
            if is_first:
                arrived.release()
                assert release.wait(20)
            else:
                time.sleep(
                    0.3
                )  # holds the retry live while the others fail, so that they meet a spent budget
            peer.send(response(503, b"no"))

    proxy = azulb(
        scripted(handler),
        scripted(handler),
        upstream={"retry": {"attempts": 2, "budget": 0.1, "on": ["http_503"]}},
    )
    clients = [proxy.client() for _ in range(40)]
    for client in clients:
        client.send_request()
    for _ in clients:
        assert arrived.acquire(timeout=10)
    release.set()
    for client in clients:
        answer = client.read_response()
        assert (answer.status, answer.body) == (503, b"no"), "the server's own answer, retried or not"
        client.close()
    assert 40 < tries[0] <= 52, f"{tries[0]} tries for 40 requests"


def test_the_budget_is_never_below_three(azulb, scripted):
    servers = [scripted(always(response(503))), scripted(always(OK))]
    proxy = azulb(*servers, upstream={"retry": {"budget": 0.0}})
    for _ in range(10):
        assert proxy.fetch().status == 200


def test_a_client_that_leaves_gets_no_second_attempt(azulb, scripted):
    hold = threading.Event()

    def first(peer, request):
        assert hold.wait(10)
        peer.reset()
        return False

    server = scripted(per_request(first, send(OK)))
    proxy = azulb(server, upstream=NO_OUTLIER)
    client = proxy.client()
    client.send_request("GET", "/gone")
    server.wait_requests(1)
    client.reset()
    proxy.access_record(target="/gone")
    hold.set()
    assert proxy.fetch("GET", "/next").status == 200
    assert [request.target for request in server.requests] == ["/gone", "/next"]


def test_posts_are_never_executed_twice(azulb, crystal_apps):
    """Replicas that fall over at random, POSTs from several threads: each id is in the record at most once."""
    apps = crystal_apps(3)
    proxy = azulb(*apps, process={"workers": 2}, upstream={"timeout": {"connect": "500ms", "response": "2s"}})
    results, lock = {}, threading.Lock()

    def post(thread):
        for number in range(60):
            key = f"{thread}-{number}"
            try:
                status = proxy.fetch("POST", f"/count?id={key}", body=b"x" * 10).status
            except Exception:
                status = 0
            with lock:
                results[key] = status

    threads = [threading.Thread(target=post, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for app in apps * 2:
        app.kill()
        app.start()
    for thread in threads:
        thread.join()
    executed = [line.split()[0] for line in apps[0].executed_path.read_text().splitlines()]
    assert len(executed) == len(set(executed)), "an id was executed twice"
    missing = [key for key, status in results.items() if status == 200 and key not in executed]
    assert missing == []


def test_the_error_words_of_failed_attempts(azulb, scripted):
    dead = scripted(always(OK))
    dead.close()
    words = {}
    for name, server, timeout in (
        ("upstream_connect", dead, {}),
        ("upstream_reset", scripted(per_connection(reset_after_head)), {}),
        ("upstream_timeout", scripted(per_request(hang)), {"response": "200ms"}),
        ("upstream_invalid", scripted(always(b"rubbish\r\n\r\n")), {}),
    ):
        proxy = azulb(server, upstream={"timeout": timeout, "retry": {"on": ["off"]}})
        proxy.fetch(target="/failed")
        words[name] = proxy.access_record(target="/failed")["error"]
    assert words == {name: name for name in words}


def reset_after_head(peer):
    peer.read_request()
    peer.reset()
