"""A real browser: Chromium loads pages, and holds WebSockets, over TLS and HTTP/2."""

import base64
import hashlib

import pytest

from support.certificates import openssl
from support.chromium import Chromium
from support.waiting import wait_until

# What each request of the page went over, and what a WebSocket does that echoes, rests, and closes.
PAGE = """
const echoed = await (await fetch("/echo", {method: "POST", body: "x".repeat(200000)})).json();
const streams = Array.from({length: 60}, (_, at) => fetch(`/stream?chunks=4&size=20000&number=${at}`));
const sizes = await Promise.all(streams.map(async answer => (await (await answer).text()).length));
const protocols = performance.getEntries()
  .filter(entry => entry.nextHopProtocol !== undefined)
  .map(entry => [new URL(entry.name).pathname, entry.nextHopProtocol]);
return {posted: echoed.body_size, scheme: echoed.headers["X-Forwarded-Proto"], sizes, protocols};
"""

WEBSOCKET = """
const socket = new WebSocket(`wss://${location.host}/ws`);
socket.binaryType = "arraybuffer";
const next = name => new Promise((resolve, reject) => {
  socket.addEventListener(name, resolve, {once: true});
  if (name !== "close") socket.addEventListener("close", event => reject(`closed: ${event.code}`), {once: true});
});
const echo = async data => { const answer = next("message"); socket.send(data); return (await answer).data; };
await next("open");
const texts = [];
for (const size of [0, 5, 70000]) texts.push(await echo("t".repeat(size)) === "t".repeat(size));
const bytes = new Uint8Array(300000).map((_, at) => at % 251);
const binary = new Uint8Array(await echo(bytes));
const same = binary.length === bytes.length && binary.every((byte, at) => byte === bytes[at]);
await new Promise(resolve => setTimeout(resolve, IDLE_MS));
const after = await echo("still there");
const closed = next("close");
socket.close(1000, "done");
const end = await closed;
return {texts, binary: same, after, code: end.code, clean: end.wasClean};
"""


@pytest.fixture
def chromium(tmp_path, certificates):
    """A browser that believes certificates.ec."""
    public_key = openssl("pkey", "-in", certificates.ec.key, "-pubout", "-outform", "DER")
    browser = Chromium(tmp_path, base64.b64encode(hashlib.sha256(public_key).digest()).decode())
    yield browser.start()
    browser.kill()


def test_a_page_and_a_websocket_over_one_http2_connection(tls_azulb, crystal_apps, chromium):
    # Short enough to run out while the WebSocket rests: an open stream must keep its connection.
    proxy = tls_azulb(*crystal_apps(1), listener={"timeout": {"keepalive": "500ms"}})
    url = f"https://localhost:{proxy.port}/"

    page = chromium.run(url, PAGE)
    assert page["posted"] == 200_000 and page["scheme"] == ["https"]
    assert page["sizes"] == [80_000] * 60
    assert {"/", "/echo", "/stream"} <= {path for path, _ in page["protocols"]}
    assert {protocol for _, protocol in page["protocols"]} == {"h2"}

    # 1005: the server answers the close with an empty one.
    talk = chromium.run(url, WEBSOCKET.replace("IDLE_MS", "1500"))
    assert talk == {"texts": [True] * 3, "binary": True, "after": "still there", "code": 1005, "clean": True}

    record = proxy.access_record(target="/ws")
    assert (record["version"], record["tunnel"], record["status"], record["error"]) == ("HTTP/2.0", True, 101, None)
    assert record["duration_ms"] >= 1500
    assert record["bytes_received"] > 370_000 and record["bytes_sent"] > 370_000
    assert "Mozilla/5.0" in record["user_agent"]
    log = proxy.access_log()
    assert {line["version"] for line in log} == {"HTTP/2.0"}, "nothing went another way"
    page_ports = {line["client_port"] for line in log if line["target"] == "/"}
    assert record["client_port"] in page_ports, "the WebSocket is a stream of its page's connection"
    wait_until(lambda: proxy.metrics().total("azulb_tunnels_active") == 0)
