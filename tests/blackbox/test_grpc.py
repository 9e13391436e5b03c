"""gRPC through azulb: a real client and a real server (python3-grpcio), over h2c and TLS."""

import queue
import threading
from concurrent import futures

import grpc
import pytest

from support.ports import free_port

HTTP2 = {"protocol": "http2"}
LARGE = 4 * 1024 * 1024
NO_LIMIT = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


class Service(grpc.GenericRpcHandler):
    """/test/METHOD, messages as they are."""

    def __init__(self):
        self.cancelled = threading.Event()
        self.running = threading.Event()
        self.metadata = {}

    def service(self, details):
        kind, method = {
            "/test/Echo": (grpc.unary_unary_rpc_method_handler, self.echo),
            "/test/Count": (grpc.unary_stream_rpc_method_handler, self.count),
            "/test/Join": (grpc.stream_unary_rpc_method_handler, self.join),
            "/test/Talk": (grpc.stream_stream_rpc_method_handler, self.talk),
            "/test/Fail": (grpc.unary_unary_rpc_method_handler, self.fail),
            "/test/Wait": (grpc.unary_unary_rpc_method_handler, self.wait),
            "/test/Endless": (grpc.unary_stream_rpc_method_handler, self.endless),
        }.get(details.method, (None, None))
        return kind(method) if kind else None

    def echo(self, request, context):
        self.metadata = dict(context.invocation_metadata())
        context.send_initial_metadata([("x-first", "1")])
        context.set_trailing_metadata([("x-last", "2"), ("x-bytes-bin", b"\0\1")])
        return request

    def count(self, request, context):
        yield from (b"%d" % number for number in range(int(request)))

    def join(self, requests, context):
        return b",".join(requests)

    def talk(self, requests, context):
        for request in requests:
            yield b"re: " + request

    def fail(self, request, context):
        context.set_trailing_metadata([("x-why", "because")])
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "no, büt politely")

    def wait(self, request, context):
        context.add_callback(self.cancelled.set)
        self.running.set()
        self.cancelled.wait(30)
        return b""

    def endless(self, request, context):
        context.add_callback(self.cancelled.set)
        while not self.cancelled.is_set():
            yield b"x" * 1000


class Server:
    def __init__(self, credentials=None):
        self.service = Service()
        self.server = grpc.server(futures.ThreadPoolExecutor(max_workers=8), [self.service], options=NO_LIMIT)
        if credentials is None:
            self.port = self.server.add_insecure_port("127.0.0.1:0")
        else:
            self.port = self.server.add_secure_port("127.0.0.1:0", credentials)
        self.name = f"127.0.0.1:{self.port}"
        self.server.start()

    def stop(self, grace=None):
        self.service.cancelled.set()
        self.server.stop(grace).wait(10)


@pytest.fixture
def servers():
    started = []

    def start(**more):
        started.append(Server(**more))
        return started[-1]

    yield start
    for server in started:
        server.stop()


class Client:
    def __init__(self, address, credentials=None, options=()):
        options = [*NO_LIMIT, ("grpc.enable_http_proxy", 0), *options]
        if credentials:
            self.channel = grpc.secure_channel(address, credentials, options=options)
        else:
            self.channel = grpc.insecure_channel(address, options=options)
        self.echo = self.channel.unary_unary("/test/Echo")
        self.count = self.channel.unary_stream("/test/Count")
        self.join = self.channel.stream_unary("/test/Join")
        self.talk = self.channel.stream_stream("/test/Talk")
        self.fail = self.channel.unary_unary("/test/Fail")
        self.wait = self.channel.unary_unary("/test/Wait")
        self.endless = self.channel.unary_stream("/test/Endless")
        self.missing = self.channel.unary_unary("/test/Missing")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.channel.close()


PATHS = pytest.mark.parametrize("client_tls, server_tls", [(False, False), (True, False), (True, True)],
                                ids=["h2c", "tls to h2c", "tls"])


@pytest.fixture
def path(azulb, servers, certificates):
    """Factory: path(client_tls, server_tls) starts a server and azulb before it; returns server, azulb and client."""
    clients = []

    def start(client_tls=False, server_tls=False, **more):
        leaf, roots = certificates.ec, open(certificates.authority.bundle, "rb").read()
        credentials = None
        upstream = {**HTTP2, **more.pop("upstream", {})}
        if server_tls:
            pair = (open(leaf.pair["key"], "rb").read(), open(leaf.pair["cert"], "rb").read())
            credentials = grpc.ssl_server_credentials([pair])
            upstream["tls"] = {"ca": str(certificates.authority.bundle)}
        server = servers(credentials=credentials)
        listener = {"tls": {"certificates": [leaf.pair]}} if client_tls else {}
        proxy = azulb(server, upstream=upstream, listener=listener, **more)
        client = Client(
            f"127.0.0.1:{proxy.port}",
            grpc.ssl_channel_credentials(roots) if client_tls else None,
            [("grpc.ssl_target_name_override", "both.test")] if client_tls else (),
        )
        clients.append(client)
        return server, proxy, client

    yield start
    for client in clients:
        client.channel.close()


@PATHS
def test_a_unary_call_passes_with_its_metadata(path, client_tls, server_tls):
    server, proxy, client = path(client_tls, server_tls)
    answer, call = client.echo.with_call(b"hello", metadata=[("x-mine", "yes")], timeout=10)
    assert answer == b"hello"
    assert call.code() == grpc.StatusCode.OK
    assert ("x-first", "1") in call.initial_metadata()
    assert dict(call.trailing_metadata()) == {"x-last": "2", "x-bytes-bin": b"\0\1"}
    assert server.service.metadata["x-mine"] == "yes"
    record = proxy.access_record(target="/test/Echo")
    assert record["status"] == 200 and record["error"] is None


@PATHS
def test_messages_stream_in_all_directions(path, client_tls, server_tls):
    _, _, client = path(client_tls, server_tls)
    assert list(client.count(b"500", timeout=20)) == [b"%d" % number for number in range(500)]
    assert client.join(iter([b"a", b"b", b"c"]), timeout=10) == b"a,b,c"
    # Each message is sent only after the answer to the one before has come: nothing is held back on either way.
    outbox = queue.Queue()
    talk = client.talk(iter(outbox.get, None), timeout=20)
    for number in range(100):
        outbox.put(b"%d" % number)
        assert next(talk) == b"re: %d" % number
    outbox.put(None)
    assert list(talk) == []


@PATHS
def test_large_messages_pass_whole(path, client_tls, server_tls):
    _, _, client = path(client_tls, server_tls)
    message = bytes(range(256)) * (LARGE // 256)
    assert client.echo(message, timeout=40) == message
    assert client.join(iter([message, message]), timeout=40) == message + b"," + message


def test_an_error_comes_as_the_server_said_it(path):
    server, proxy, client = path()
    with pytest.raises(grpc.RpcError) as caught:
        client.fail(b"", timeout=10)
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert caught.value.details() == "no, büt politely"
    assert dict(caught.value.trailing_metadata())["x-why"] == "because"
    with pytest.raises(grpc.RpcError) as caught:
        client.missing(b"", timeout=10)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_call_past_its_deadline_ends_at_the_server_too(path):
    server, proxy, client = path()
    with pytest.raises(grpc.RpcError) as caught:
        client.wait(b"", timeout=0.3)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert server.service.cancelled.wait(10)
    assert client.echo(b"next", timeout=10) == b"next"
    assert proxy.metrics().total("azulb_server_connections_opened_total") == 1


def test_a_cancelled_stream_ends_at_the_server_and_leaves_the_others_alone(path):
    server, proxy, client = path()
    endless = client.endless(b"", timeout=30)
    for _ in range(100):
        next(endless)
    endless.cancel()
    assert server.service.cancelled.wait(10)
    assert client.echo(b"next", timeout=10) == b"next"


def test_a_server_that_shuts_down_lets_its_calls_end(path, servers):
    server, proxy, client = path()
    waiting = client.wait.future(b"", timeout=20)
    assert server.service.running.wait(10)
    stopping = server.server.stop(20)  # GOAWAY, and what runs may end
    server.service.cancelled.set()
    assert waiting.result() == b""
    stopping.wait(10)
    with pytest.raises(grpc.RpcError) as caught:
        client.echo(b"", timeout=10)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


def test_no_server_is_unavailable(azulb):
    proxy = azulb(f"127.0.0.1:{free_port()}", upstream=HTTP2)
    with Client(f"127.0.0.1:{proxy.port}") as client, pytest.raises(grpc.RpcError) as caught:
        client.echo(b"", timeout=10)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
