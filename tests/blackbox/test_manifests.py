"""The container's, compose's and Kubernetes' files: no engine runs here, so what they say is held to what is there."""

import json
import os
import re
import subprocess

import jsonschema
import pytest
import yaml

from support.azulb import BINARY, ROOT, state_upstream
from support.client import fetch
from support.ports import free_port
from support.scripted_server import OK, always
from support.waiting import wait_until

PACKAGING = ROOT / "packaging"
NAME = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}
QUANTITY = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(m|k|M|G|Ki|Mi|Gi)?$"}
LABELS = {"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1}
PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
SELECTOR = {"type": "object", "required": ["matchLabels"], "properties": {"matchLabels": LABELS}, "additionalProperties": False}


def table(required, **properties):
    """An object with these keys and no others."""
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


HTTP_PROBE = table(
    ["httpGet"],
    httpGet=table(["path", "port"], path={"type": "string", "pattern": "^/"}, port={"type": ["string", "integer"]}),
    **{key: {"type": "integer", "minimum": 1} for key in ("periodSeconds", "timeoutSeconds", "failureThreshold")},
)
CONTAINER = table(
    ["name", "image", "ports", "livenessProbe", "readinessProbe", "resources", "securityContext"],
    name=NAME,
    image={"type": "string", "pattern": r"^[a-z0-9./-]+:[\w.-]+$"},
    args={"type": "array", "items": {"type": "string"}},
    env={"type": "array", "items": {"type": "object", "required": ["name"]}},
    ports={"type": "array", "items": table(["name", "containerPort"], name=NAME, containerPort=PORT)},
    livenessProbe=HTTP_PROBE,
    readinessProbe=HTTP_PROBE,
    lifecycle={"type": "object"},
    resources=table(
        ["requests", "limits"],
        requests={"type": "object", "additionalProperties": QUANTITY},
        limits={"type": "object", "additionalProperties": QUANTITY},
    ),
    securityContext={"type": "object"},
    volumeMounts={"type": "array", "items": table(["name", "mountPath"], name=NAME, mountPath={"type": "string"}, readOnly={"type": "boolean"})},
)
# What of the Kubernetes API (1.23 and later) these manifests use; a key that is not in here is a misspelling.
SPECS = {
    ("v1", "ConfigMap"): None,
    ("apps/v1", "Deployment"): table(
        ["selector", "template"],
        replicas={"type": "integer", "minimum": 1},
        selector=SELECTOR,
        strategy=table(
            [],
            rollingUpdate=table([], maxUnavailable={"type": ["integer", "string"]}, maxSurge={"type": ["integer", "string"]}),
        ),
        template=table(
            ["metadata", "spec"],
            metadata=table(["labels"], labels=LABELS, annotations={"type": "object", "additionalProperties": {"type": "string"}}),
            spec=table(
                ["containers"],
                terminationGracePeriodSeconds={"type": "integer"},
                securityContext={"type": "object"},
                topologySpreadConstraints={"type": "array"},
                containers={"type": "array", "items": CONTAINER, "minItems": 1},
                volumes={"type": "array", "items": table(["name", "configMap"], name=NAME, configMap=table(["name"], name=NAME))},
            ),
        ),
    ),
    ("v1", "Service"): table(
        ["selector", "ports"],
        selector=LABELS,
        ports={
            "type": "array",
            "items": table(["name", "port", "targetPort"], name=NAME, port=PORT, targetPort={"type": ["string", "integer"]}),
        },
    ),
    ("policy/v1", "PodDisruptionBudget"): table(["selector"], minAvailable={"type": ["integer", "string"]}, selector=SELECTOR),
    ("autoscaling/v2", "HorizontalPodAutoscaler"): table(
        ["scaleTargetRef", "minReplicas", "maxReplicas", "metrics"],
        scaleTargetRef=table(["apiVersion", "kind", "name"], apiVersion={"const": "apps/v1"}, kind={"const": "Deployment"}, name=NAME),
        minReplicas={"type": "integer", "minimum": 1},
        maxReplicas={"type": "integer", "minimum": 1},
        metrics={"type": "array", "minItems": 1},
        behavior={"type": "object"},
    ),
}


@pytest.fixture(scope="module")
def manifests():
    """{kind: document}; each kind occurs once."""
    documents = [d for d in yaml.safe_load_all((PACKAGING / "kubernetes" / "azulb.yaml").read_text()) if d]
    by_kind = {document["kind"]: document for document in documents}
    assert len(by_kind) == len(documents)
    return by_kind


@pytest.fixture(scope="module")
def pod(manifests):
    return manifests["Deployment"]["spec"]["template"]


@pytest.fixture(scope="module")
def container(pod):
    (only,) = pod["spec"]["containers"]
    return only


def check_configuration(tmp_path, text, **variables):
    path = tmp_path / "azulb.toml"
    path.write_text(text)
    result = subprocess.run(
        [str(BINARY), "--check", "-c", str(path)],
        capture_output=True,
        text=True,
        timeout=20,
        env={**os.environ, **variables},
    )
    assert result.returncode == 0, result.stderr


# ---- Kubernetes
def test_every_document_is_what_its_kind_takes(manifests):
    for document in manifests.values():
        jsonschema.validate(
            document["metadata"], table(["name"], name=NAME, labels=LABELS)
        )
        schema = SPECS[document["apiVersion"], document["kind"]]
        if schema:
            jsonschema.validate(document["spec"], schema)
            assert set(document) == {"apiVersion", "kind", "metadata", "spec"}
    assert {kind for _, kind in SPECS} == set(manifests)


def test_all_selectors_select_the_deployments_pods(manifests, pod):
    labels = pod["metadata"]["labels"].items()
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert manifests[kind]["spec"]["selector"]["matchLabels"].items() <= labels, kind
    assert manifests["Service"]["spec"]["selector"].items() <= labels
    for constraint in pod["spec"]["topologySpreadConstraints"]:
        assert constraint["labelSelector"]["matchLabels"].items() <= labels
    target = manifests["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert target["name"] == manifests["Deployment"]["metadata"]["name"]


def test_ports_are_those_of_the_configuration(manifests, pod, container):
    configuration = manifests["ConfigMap"]["data"]["azulb.toml"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    addresses = dict(re.findall(r'^\[(?:listener\.)?(\w+)\]\naddress = "0\.0\.0\.0:(\d+)"', configuration, flags=re.M))
    assert {name: str(port) for name, port in ports.items()} == addresses
    for probe in ("livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] in ports
    for port in manifests["Service"]["spec"]["ports"]:
        assert port["targetPort"] in ports
    assert pod["metadata"]["annotations"]["prometheus.io/port"] == str(ports["admin"])


def test_the_configuration_is_mounted_where_azulb_reads_it(manifests, pod, container):
    (volume,) = pod["spec"]["volumes"]
    (mount,) = container["volumeMounts"]
    assert volume["configMap"]["name"] == manifests["ConfigMap"]["metadata"]["name"]
    assert mount["name"] == volume["name"]
    (file,) = manifests["ConfigMap"]["data"]
    assert container["args"] == ["-c", f"{mount['mountPath']}/{file}"]


def test_the_configuration_is_valid_with_the_variables_that_the_pod_has(manifests, container, tmp_path):
    variables = {entry["name"]: "0123456789abcdef" for entry in container["env"]}
    check_configuration(tmp_path, manifests["ConfigMap"]["data"]["azulb.toml"], **variables)


def test_probes_ask_pages_that_there_are(manifests, container, azulb, scripted):
    proxy = azulb(scripted(always(OK)))
    probes = {name: container[name]["httpGet"]["path"] for name in ("livenessProbe", "readinessProbe")}
    assert probes == {"livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    for path in (*probes.values(), "/metrics"):
        assert proxy.admin(path).status == 200


def test_the_drain_ends_before_the_pod_is_killed(manifests, pod, container):
    configuration = manifests["ConfigMap"]["data"]["azulb.toml"]
    drain = int(re.search(r'drain_timeout = "(\d+)s"', configuration).group(1))
    command = container["lifecycle"]["preStop"]["exec"]["command"]
    assert command[0] == "sleep"
    assert int(command[1]) + drain < pod["spec"]["terminationGracePeriodSeconds"]
    probe = container["readinessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] <= int(command[1])


def test_the_pod_gives_up_what_azulb_does_not_need(pod, container):
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    uid = re.search(r"useradd .*--uid (\d+)", (PACKAGING / "Dockerfile").read_text()).group(1)
    assert pod["spec"]["securityContext"]["runAsUser"] == int(uid), "the image's azulb"


def test_the_adapters_rule_makes_the_metric_that_the_autoscaler_asks_for(manifests, azulb, scripted):
    (rule,) = yaml.safe_load((PACKAGING / "kubernetes" / "prometheus-adapter.yaml").read_text())["rules"]["custom"]
    series = re.match(r"\w+", rule["seriesQuery"]).group()
    proxy = azulb(scripted(always(OK)))
    proxy.fetch()
    assert proxy.metrics().types[series] == "counter"
    replacement = rule["name"]["as"].replace("${1}", r"\1")
    made = re.sub(rule["name"]["matches"], replacement, series)
    (metric,) = manifests["HorizontalPodAutoscaler"]["spec"]["metrics"]
    assert metric["type"] == "Pods"
    assert metric["pods"]["metric"]["name"] == made == "http_requests_per_second"
    budget, scaler = manifests["PodDisruptionBudget"]["spec"], manifests["HorizontalPodAutoscaler"]["spec"]
    assert budget["minAvailable"] < scaler["minReplicas"] <= scaler["maxReplicas"], "a node can be emptied"


# ---- compose
def test_compose_names_services_ports_and_files_that_there_are(tmp_path):
    directory = PACKAGING / "compose"
    compose = yaml.safe_load((directory / "compose.yaml").read_text())
    services = compose["services"]
    assert services["app"]["deploy"]["replicas"] == 5
    azulb = services["azulb"]
    assert (directory / azulb["build"]["context"]).resolve() == ROOT
    assert (ROOT / azulb["build"]["dockerfile"]).is_file()
    assert set(azulb["depends_on"]) <= set(services)
    (volume,) = azulb["volumes"]
    source, target, _ = volume.split(":")
    assert (directory / source).is_file()
    assert target == docker_instructions()["CMD"][-1][1]
    configuration = (directory / source).read_text()
    check_configuration(tmp_path, configuration)
    name, port = re.search(r'^servers = \["(\w+):(\d+)"\]', configuration, flags=re.M).groups()
    assert services[name]["expose"] == [port]
    (published,) = azulb["ports"]
    assert f'address = "0.0.0.0:{published.split(":")[1]}"' in configuration


@pytest.mark.skipif(os.getuid() != 0, reason="only root can have a hosts file of its own")
def test_a_name_with_several_addresses_is_several_servers(tmp_path):
    """What the compose file builds on: Docker's resolver answers a service's name with all replicas' addresses."""
    hosts, config, log = tmp_path / "hosts", tmp_path / "azulb.toml", tmp_path / "log"
    hosts.write_text("".join(f"127.0.9.{last} app\n" for last in range(1, 6)))
    port = free_port()
    config.write_text(
        f'[admin]\naddress = "127.0.0.1:{port}"\n[listener.http]\naddress = "127.0.0.1:0"\n[upstream.app]\nservers = ["app:3000"]\n'
    )
    command = 'mount --bind "$1" /etc/hosts && exec "$2" -c "$3"'
    with open(log, "wb") as output:
        process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", command, "sh", str(hosts), str(BINARY), str(config)], stderr=output
        )
    try:
        wait_until(lambda: " is ready: " in log.read_text() or process.poll() is not None, 15, "the start")
        if process.poll() is not None:
            pytest.skip("this system allows no mount: " + log.read_text())
        state = json.loads(fetch(("127.0.0.1", port), "GET", "/state", {"Host": "localhost"}).body)
        servers = [server["address"] for server in state_upstream(state, "app")["servers"]]
        assert sorted(servers) == [f"127.0.9.{last}:3000" for last in range(1, 6)]
    finally:
        process.terminate()
        process.wait(15)


# ---- the image
def docker_instructions():
    """{instruction: [arguments]} of the Dockerfile; an exec form is a list."""
    text = re.sub(r"\\\n", " ", (PACKAGING / "Dockerfile").read_text())
    instructions = {}
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        if not word.isupper():
            continue
        instructions.setdefault(word, []).append(json.loads(rest) if rest.startswith("[") else rest)
    return instructions


def test_the_image_is_built_of_what_is_there_and_runs_without_root(tmp_path):
    instructions = docker_instructions()
    assert [line.split()[0] for line in instructions["FROM"]] == ["debian:12-slim"] * 2
    assert instructions["USER"] == ["azulb"]
    assert instructions["ENTRYPOINT"] == [["azulb"]]
    for line in instructions["COPY"]:
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
    for script in re.findall(r"packaging/[\w-]+\.sh", " ".join(instructions["RUN"])):
        assert os.access(ROOT / script, os.X_OK), script
    configuration = (ROOT / "conf" / "azulb.toml").read_text()
    check_configuration(tmp_path, configuration)
    assert f'0.0.0.0:{instructions["EXPOSE"][0]}"' in configuration
    assert 'output = "stdout"' in configuration


def test_the_health_check_tells_a_living_azulb_from_none(azulb, scripted):
    (line,) = docker_instructions()["HEALTHCHECK"]
    command = json.loads(line.partition(" CMD ")[2])
    assert command[-1] == docker_instructions()["CMD"][-1][1], "the configuration that it runs with"
    proxy = azulb(scripted(always(OK)))

    def health():
        words = [str(BINARY), *command[1:-1], str(proxy.config_path)]
        return subprocess.run(words, capture_output=True, timeout=10).returncode

    assert health() == 0
    proxy.stop()
    assert health() != 0


# ---- packages
def packages(purpose):
    lines = (PACKAGING / "packages.txt").read_text().splitlines()
    return {line.split()[1] for line in lines if line.startswith(purpose + " ")}


def test_the_debian_package_is_built_with_what_azulb_is_built_with():
    (depends,) = re.findall(r"^Build-Depends:((?:.*\n)(?: .*\n)*)", (PACKAGING / "debian" / "control").read_text(), re.M)
    named = {entry.split()[0].partition(":")[0] for entry in depends.split(",")}
    # g++ and ninja come with every build and with meson; the other two are this project's own convenience.
    assert named - {"debhelper-compat", "python3"} == packages("build") - {"g++", "ninja-build", "ccache", "ca-certificates"}
