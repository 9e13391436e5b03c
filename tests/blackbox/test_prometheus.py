"""The Grafana dashboard and the alerts, evaluated by a real Prometheus that scrapes a running azulb."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import urllib.parse

import pytest
import yaml

from support.azulb import ROOT
from support.client import fetch
from support.ports import free_port
from support.scripted_server import OK, always
from support.waiting import wait_until

DASHBOARD = ROOT / "packaging" / "grafana" / "azulb.json"
ALERTS = ROOT / "packaging" / "prometheus" / "alerts.yaml"
ADAPTER = ROOT / "packaging" / "kubernetes" / "prometheus-adapter.yaml"
WORDS = set(
    "sum rate increase by le histogram_quantile count min changes vector or job instance upstream server route code kind"
    " listener state up".split()
)

pytestmark = pytest.mark.skipif(not shutil.which("prometheus"), reason="Prometheus is not installed")


def dashboard_expressions():
    dashboard = json.loads(DASHBOARD.read_text())
    found = [
        (panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel.get("targets", ())
    ]
    found += [(note["name"], note["expr"]) for note in dashboard["annotations"]["list"]]
    return found


def alert_rules():
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def filled_in(expression):
    """As Grafana would ask it, with everything selected."""
    expression = expression.replace("$__rate_interval", "10s")
    return re.sub(r"\$(job|instance|upstream)\b", ".*", expression)


def metric_names(expression):
    """What an expression selects: words that are no function, keyword or label."""
    bare = re.sub(r'"[^"]*"|\[[^\]]*\]', "", expression)
    return {name for name in re.findall(r"[a-zA-Z_]\w+", bare) if name not in WORDS}


class Prometheus:
    def __init__(self, directory, target):
        directory.mkdir(exist_ok=True)
        self.port = free_port()
        config = yaml.safe_load((ROOT / "packaging" / "prometheus" / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
        rules = yaml.safe_load(ALERTS.read_text())
        for rule in rules["groups"][0]["rules"]:
            rule.pop("for", None)  # a test does not wait for minutes
        (directory / "alerts.yaml").write_text(yaml.safe_dump(rules))
        config["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
        (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
        self.log = open(directory / "log", "wb")
        self.process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={directory}/prometheus.yml",
                f"--storage.tsdb.path={directory}/data",
                f"--web.listen-address=127.0.0.1:{self.port}",
            ],
            stdout=self.log,
            stderr=self.log,
            env={**os.environ, "GOMAXPROCS": "1"},
        )
        wait_until(self._ready, 30, "Prometheus")

    def _ready(self):
        with contextlib.suppress(OSError):
            return fetch(("127.0.0.1", self.port), "GET", "/-/ready").status == 200

    def ask(self, path):
        answer = fetch(("127.0.0.1", self.port), "GET", f"/api/v1/{path}")
        data = json.loads(answer.body)
        assert data["status"] == "success", data
        return data["data"]

    def query(self, expression):
        return self.ask("query?query=" + urllib.parse.quote(expression))["result"]

    def firing(self):
        return {alert["labels"]["alertname"] for alert in self.ask("alerts")["alerts"] if alert["state"] == "firing"}

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


@pytest.fixture(scope="module")
def observed(module_azulb, tmp_path_factory):
    """(azulb, its servers' switch, Prometheus): requests have been answered with 200 and 500, and some were retried."""
    from support.scripted_server import ScriptedServer, response

    state = {"health": True}

    def handler(peer):
        while True:
            request = peer.read_request()
            if request.target == "/health":
                peer.send(OK if state["health"] else response(503))
            elif request.target == "/error":
                peer.send(response(500))
            elif request.target == "/again":
                peer.send(response(503))
            else:
                peer.send(OK)

    servers = [ScriptedServer(handler) for _ in range(2)]
    proxy = module_azulb(
        *servers,
        upstream={"health": {"path": "/health", "interval": "100ms", "fall": 1, "fast_interval": "50ms"}, "queue_timeout": "100ms"},
    )
    prometheus = Prometheus(tmp_path_factory.mktemp("prometheus"), f"127.0.0.1:{proxy.admin_port}")
    try:
        for server in servers:
            proxy.wait_health(server, "up")

        def traffic():
            for target in ("/", "/error", "/again"):
                proxy.fetch(target=target)
            return prometheus.query('sum(rate(http_requests_total{job="azulb"}[10s])) > 0')

        wait_until(traffic, 30, "two scrapes with traffic between them")
        yield proxy, state, prometheus
    finally:
        prometheus.stop()
        for server in servers:
            server.close()


def test_promtool_accepts_the_rules():
    result = subprocess.run(["promtool", "check", "rules", str(ALERTS)], capture_output=True, text=True, timeout=30)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "WARNING" not in result.stdout + result.stderr


def test_only_metrics_that_azulb_has_are_asked_for(observed):
    proxy, _, _ = observed
    types = proxy.metrics().types
    known = set(types) | {
        f"{name}{suffix}" for name, kind in types.items() if kind == "histogram" for suffix in ("_bucket", "_sum", "_count")
    }
    expressions = dashboard_expressions() + [(rule["alert"], rule["expr"]) for rule in alert_rules()]
    assert len(expressions) > 40
    for title, expression in expressions:
        unknown = metric_names(filled_in(expression)) - known
        assert not unknown, f"{title}: {expression}"
    variables = json.loads(DASHBOARD.read_text())["templating"]["list"]
    for variable in variables:
        if variable["type"] == "query":
            assert re.match(r"label_values\((\w+)", variable["definition"]).group(1) in known


@pytest.mark.parametrize("title,expression", dashboard_expressions(), ids=lambda text: text[:40])
def test_every_expression_of_the_dashboard_returns_data(observed, title, expression):
    _, _, prometheus = observed
    expression = filled_in(expression)
    if title == "Starts":  # an annotation: nothing while nothing starts
        expression = expression.replace(" > 0", "")
    assert prometheus.query(expression), expression


def test_labels_that_legends_name_are_there(observed):
    _, _, prometheus = observed
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            labels = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            for series in prometheus.query(filled_in(target["expr"])):
                if series["metric"]:
                    assert labels <= set(series["metric"]), f"{panel['title']}: {target['legendFormat']}"


def test_the_adapters_query_returns_a_rate(observed):
    _, _, prometheus = observed
    (rule,) = yaml.safe_load(ADAPTER.read_text())["rules"]["custom"]
    query = rule["metricsQuery"].replace("<<.Series>>", "http_requests_total")
    query = query.replace("<<.LabelMatchers>>", 'job="azulb"').replace("<<.GroupBy>>", "instance")
    (series,) = prometheus.query(query.replace("[2m]", "[10s]"))
    assert float(series["value"][1]) > 0


def test_alerts_are_silent_until_there_is_cause(observed):
    proxy, state, prometheus = observed
    assert not prometheus.firing() & {"AzulbDown", "AzulbServerDown", "AzulbUpstreamWithoutServer"}
    state["health"] = False
    wait_until(
        lambda: {"AzulbServerDown", "AzulbUpstreamWithoutServer"} <= prometheus.firing(), 20, "the alerts of dead servers"
    )

    def failing():
        proxy.fetch()
        return "AzulbErrors" in prometheus.firing()

    wait_until(failing, 20, "the alert of errors")
    state["health"] = True
    wait_until(
        lambda: not {"AzulbServerDown", "AzulbUpstreamWithoutServer"} & prometheus.firing(), 20, "the servers' return"
    )
    proxy.stop()
    wait_until(lambda: "AzulbDown" in prometheus.firing(), 20, "the alert of a dead azulb")
