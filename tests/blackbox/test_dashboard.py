"""The dashboard: its events, and the page in a real browser."""

import json
import threading

import pytest

from support.chromium import Chromium
from support.client import Client
from support.scripted_server import OK, always, response
from support.waiting import wait_until

FAST = {"interval": "200ms", "fast_interval": "100ms", "timeout": "500ms", "rise": 1, "fall": 1}

# Of every page: waits for what the script wants to see.
HELPERS = """
const until = async (condition, what) => {
  for (let turn = 0; turn < 1000; ++turn) {
    const value = condition();
    if (value) return value;
    await new Promise(resolve => setTimeout(resolve, 20));
  }
  throw new Error(`${what} is not seen: ${document.body.innerText}`);
};
const row = name => document.querySelector(`[data-server="${name}"]`);
const state = name => row(name)?.dataset.state;
const told = text => [...document.querySelectorAll("#changes li")].some(line => line.textContent.includes(text));
const button = (name, action) => until(() => row(name)?.querySelector(`[data-action="${action}"]`), `${action} of ${name}`);
"""


@pytest.fixture
def browser(tmp_path):
    chromium = Chromium(tmp_path, "")
    yield chromium.start()
    chromium.kill()


class Watching:
    """A script that runs in the dashboard while the test goes on."""

    def __init__(self, browser, proxy, script):
        url = f"http://127.0.0.1:{proxy.admin_port}/"
        self.result, self.error = None, None

        def run():
            try:
                self.result = browser.run(url, HELPERS + script, timeout=60)
            except BaseException as error:
                self.error = error

        self.thread = threading.Thread(target=run)
        self.thread.start()

    def end(self):
        self.thread.join()
        if self.error:
            raise self.error
        return self.result


def read_event(client):
    """An event is a chunk: its size, its line, an empty line."""
    text = client.read_until(b"\n\n")
    client.read_line()
    return json.loads(text[text.index(b"data: ") + 6 :])


def watch(proxy):
    client = Client(proxy.admin_address, timeout=20)
    client.send_request(target="/events", host="localhost")
    head = client.read_head()
    assert head.status == 200 and head.header("content-type") == "text/event-stream"
    return client


def test_events_come_every_second_and_at_once_when_a_server_changes(azulb, scripted):
    server = scripted(always(OK))
    proxy = azulb({"address": server, "name": "app1"})
    with watch(proxy) as client:
        first = read_event(client)
        second = read_event(client)
        assert second["time_ms"] > first["time_ms"]
        proxy.command("/servers/app/app1/drain")
        states = [read_event(client)["state"]["upstreams"][0]["servers"][0]["admin_state"] for _ in range(2)]
        assert "draining" in states


def test_watchers_are_bounded_and_their_places_come_free(azulb, scripted):
    proxy = azulb(scripted(always(OK)))
    clients = []
    while len(clients) <= 64:
        client = Client(proxy.admin_address, timeout=20)
        client.send_request(target="/events", host="localhost")
        clients.append(client)
        if client.read_head().status == 503:
            break
    assert 16 <= len(clients) <= 64
    assert proxy.admin("/healthz").status == 200
    for client in clients:
        client.close()

    def one_more():
        with Client(proxy.admin_address, timeout=20) as client:
            client.send_request(target="/events", host="localhost")
            return client.read_head().status == 200

    wait_until(one_more, 20, "a free place")


def test_azulb_ends_while_somebody_watches(azulb, scripted):
    proxy = azulb(scripted(always(OK)))
    with watch(proxy) as client:
        read_event(client)
        proxy.stop()


def test_a_killed_replica_is_shown_as_down_without_a_reload(azulb, crystal_apps, browser):
    apps = crystal_apps(2)
    proxy = azulb(*({"address": app.name, "name": app.label} for app in apps), upstream={"health": {"path": "/health", **FAST}})
    watching = Watching(
        browser,
        proxy,
        """
        await until(() => state("app1") === "up" && state("app2") === "up", "both up");
        const born = performance.timeOrigin;
        await fetch("/servers/app/app1/weight", {method: "POST", headers: {"Content-Type": "application/json"}, body: '{"weight": 7}'});
        await until(() => state("app2") === "down", "app2 down");
        await until(() => told("app/app2 is down"), "the change");
        const why = row("app2").textContent;
        await until(() => state("app2") === "up", "app2 up again");
        return {why, weight: row("app1").textContent.includes("7 (1)"), reloaded: performance.timeOrigin !== born};
        """,
    )
    wait_until(lambda: proxy.servers_state()[apps[0].name]["weight"] == 7 or watching.error, 60, "the page being watched")
    apps[1].kill()
    proxy.wait_health(apps[1].name, "down")
    wait_until(lambda: not watching.error, what="no error")
    apps[1].start()
    result = watching.end()
    assert "connection refused" in result["why"]
    assert result["weight"] and not result["reloaded"]


def test_a_server_is_drained_and_enabled_by_keyboard_with_the_token(azulb, scripted, browser):
    proxy = azulb({"address": scripted(always(OK)), "name": "app1"}, admin={"token": "for-deploys"})
    result = Watching(
        browser,
        proxy,
        """
        const drain = await button("app1", "drain");
        drain.focus();
        const focused = document.activeElement === drain;
        drain.click();
        const dialog = document.getElementById("ask");
        await until(() => dialog.open, "the question for the token");
        document.getElementById("token").value = "for-deploys";
        dialog.querySelector('[value="ok"]').click();
        await until(() => state("app1") === "draining", "draining");
        const kept = [sessionStorage.length, localStorage.length, document.cookie];
        (await button("app1", "enable")).click();
        await until(() => state("app1") === "up", "enabled");
        const same = document.activeElement === row("app1").querySelector("button") || !dialog.open;
        return {focused, kept, same, label: row("app1").querySelector("button").ariaLabel, message: document.getElementById("message").textContent};
        """,
    ).end()
    assert result == {"focused": True, "kept": [1, 0, ""], "same": True, "label": "Drain app1", "message": ""}
    assert proxy.servers_state()[proxy.servers[0]["address"].name]["admin_state"] == "enabled"


def test_figures_move_with_the_traffic(azulb, scripted, browser):
    proxy = azulb(scripted(always(response(500))), upstream={"retry": {"on": ["off"]}})
    watching = Watching(
        browser,
        proxy,
        """
        const value = name => parseFloat(document.querySelector(`[data-figure="${name}"] b`)?.textContent);
        await until(() => value("Requests/s") > 0 && value("5xx/s") > 0 && value("p99") > 0, "traffic");
        return document.querySelectorAll('[data-figure="Requests/s"] polyline').length;
        """,
    )
    with proxy.client() as client:
        while watching.thread.is_alive():
            client.request()
    assert watching.end() == 1


def test_hostile_names_are_text(azulb, scripted, browser):
    name = "<img src=x onerror=document.title='hacked'>"
    proxy = azulb({"address": scripted(always(OK)), "name": name})
    result = Watching(
        browser,
        proxy,
        """
        await until(() => document.querySelector("#upstreams tbody tr"), "the server");
        return [document.querySelector("#upstreams tbody th").textContent, document.images.length, document.title];
        """,
    ).end()
    assert result == [name, 0, "azulb"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(azulb, scripted, browser, scheme):
    """WCAG 2.1's contrast of 4.5, for each kind of row, in the light and in the dark."""
    proxy = azulb({"address": scripted(always(OK)), "name": "app1"})
    script = """
    await until(() => row("app1"), "the server");
    const sheet = document.styleSheets[0];
    const dark = [...sheet.cssRules].find(rule => rule instanceof CSSMediaRule && rule.conditionText.includes("dark"));
    const rules = SCHEME === "dark" ? dark.cssRules : sheet.cssRules;
    const colours = [...rules].find(rule => rule.selectorText === ":root").style;
    const luminance = name => {
      let hex = colours.getPropertyValue(name).trim().slice(1);
      if (hex.length === 3) hex = [...hex].map(digit => digit + digit).join("");
      const [r, g, b] = [0, 2, 4].map(at => parseInt(hex.slice(at, at + 2), 16) / 255).map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const contrast = (one, other) => {
      const [low, high] = [luminance(one), luminance(other)].sort((left, right) => left - right);
      return (high + 0.05) / (low + 0.05);
    };
    const text = ["--back", "--panel", "--up", "--down", "--busy", "--off"].map(ground => contrast("--text", ground));
    return Math.min(...text, contrast("--soft", "--back"), contrast("--soft", "--panel"));
    """
    assert Watching(browser, proxy, script.replace("SCHEME", f'"{scheme}"')).end() >= 4.5
