"""Starts the real azulb with a generated configuration, and looks at what it writes and shows."""

import contextlib
import functools
import json
import os
import pathlib
import re
import signal
import subprocess
import time

from support.adopted_process import AdoptedProcess
from support.client import Client, connect, fetch
from support.ports import free_port
from support.toml_writer import dumps, merge
from support.waiting import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[3]
BINARY = pathlib.Path(os.environ.get("AZULB_BINARY", ROOT / "build" / "azulb")).resolve()
SANITIZER_REPORT = re.compile(
    r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|Assertion .* failed|terminate called", re.M
)
PORT_TAKEN = re.compile(r"in use", re.I)


@functools.cache
def is_sanitized():
    """Whether the binary carries a sanitizer, which makes its memory figures meaningless."""
    data = BINARY.read_bytes()
    return b"__asan_init" in data or b"__tsan_init" in data


def default_config(servers, directory, port, admin_port):
    """One listener, one upstream "app" over `servers` (names, or an object with a .name), nothing retried by surprise."""
    config = {
        "process": {"workers": 1, "drain_timeout": "5s"},
        "log": {"level": "info"},
        "access_log": {"output": str(directory / "access.log")},
        "admin": {"address": f"127.0.0.1:{admin_port}"},
        "listener": {"http": {"address": f"127.0.0.1:{port}"}},
        "upstream": {"app": {"servers": [server_entry(server) for server in servers]}},
    }
    return config


def server_entry(server):
    if isinstance(server, dict):
        return {**server, "address": server_entry(server["address"])}
    return server if isinstance(server, str) else server.name


class Azulb:
    """One process. `extra` is laid over the default configuration; a listener's address is filled in when it has none."""

    def __init__(
        self, directory, servers=(), extra=None, config_text=None, arguments=None, environment=None, binary=BINARY
    ):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.servers, self.extra = servers, extra or {}
        self.config_text, self.arguments = config_text, arguments
        self.environment = {**os.environ, **(environment or {})}
        self.binary, self.process, self.predecessors = binary, None, []
        self.access_log_path = self.directory / "access.log"
        self.stderr_path, self.stdout_path = self.directory / "stderr", self.directory / "stdout"
        self.expected_exit = 0

    # ---- life
    def start(self, wait=True):
        for _ in range(4):
            self._launch()
            if not wait or self._ready():
                return self
        raise AssertionError(f"azulb did not start:\n{self.stderr()}")

    def _launch(self):
        self.port, self.admin_port = free_port(), free_port()
        self.address, self.admin_address = ("127.0.0.1", self.port), ("127.0.0.1", self.admin_port)
        self.config = merge(
            default_config(self.servers, self.directory, self.port, self.admin_port), self.extra
        )
        self.config_path = self.directory / "azulb.toml"
        text = self.config_text(self) if self.config_text else dumps(self.config)
        self.config_path.write_text(text)
        arguments = self.arguments(self) if self.arguments else ["-c", str(self.config_path)]
        with open(self.stderr_path, "wb") as stderr, open(self.stdout_path, "wb") as stdout:
            self.process = subprocess.Popen(
                [str(self.binary), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=self.directory,
                env=self.environment,
            )

    def _ready(self):
        addresses = [self.address]
        admin = self.config.get("admin", {}).get("address", "")
        if admin.endswith(f":{self.admin_port}") and not self.arguments and not self.config_text:
            addresses.append(self.admin_address)
        deadline = time.monotonic() + 15
        for address in addresses:
            while True:
                if self.process.poll() is not None:
                    if PORT_TAKEN.search(self.stderr()):
                        return False
                    raise AssertionError(
                        f"azulb ended with {self.process.returncode} at start:\n{self.stderr()}"
                    )
                with contextlib.suppress(OSError):
                    connect(address, timeout=1).close()
                    break
                if time.monotonic() > deadline:
                    raise AssertionError(f"azulb does not accept on {address}:\n{self.stderr()}")
                time.sleep(0.01)
        return True

    @property
    def name(self):
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def reload(self, extra=None, text=None):
        """Writes another configuration (`extra` over that of the start, or the whole as text), has it loaded, and
        returns what the log says about it."""
        if text is None:
            self.config = merge(
                default_config(self.servers, self.directory, self.port, self.admin_port), merge(self.extra, extra or {})
            )
            text = dumps(self.config)
        self.config_path.write_text(text)
        before = len(self.stderr())
        self.signal(signal.SIGHUP)
        return self.wait_reload(before)

    def wait_reload(self, before=0, timeout=20.0):
        def outcome():
            new = self.stderr()[before:]
            return new if re.search(r"the configuration is (not )?reloaded.*\n", new) else None

        wait_until(outcome, timeout, "the end of the reload")
        self.admin("/healthz") if "admin" in self.config else None  # the report's last line is out
        return self.stderr()[before:]

    def upgrade(self, timeout=30.0):
        """Has the executable, started anew, take over; from then on this is about the new process."""
        before = len(self.stderr())
        self.signal(signal.SIGUSR2)
        self.follow(before, timeout)

    def follow(self, before, timeout=30.0):
        """Goes on with the process that has taken over since the log was `before` long."""

        def outcome():
            new = self.stderr()[before:]
            assert "the upgrade has failed" not in new, new
            taken = re.search(r"process (\d+) serves from here on", new)
            return taken and re.search(rf"is ready: .*, process ({taken.group(1)})\n", new)

        process = int(wait_until(outcome, timeout, "the upgrade").group(1))
        self.predecessors.append(self.process)
        self.process = AdoptedProcess(process)

    def wait_predecessors(self, timeout=20):
        """All that have been replaced have ended, and well."""
        for process in self.predecessors:
            assert process.wait(timeout) == 0, self.stderr()
        self.predecessors = []

    def freeze(self):
        """Stops the process, and waits until every thread of it has stopped; SIGCONT lets it go on."""
        self.signal(signal.SIGSTOP)

        def stopped():
            states = [(task / "stat").read_text().rpartition(")")[2].split()[0] for task in self._tasks()]
            return all(state == "T" for state in states)

        wait_until(stopped, what="all threads being stopped")

    def _tasks(self):
        return pathlib.Path(f"/proc/{self.pid}/task").iterdir()

    def wait_exit(self, timeout=15):
        """The exit status; a process that does not end is killed and fails the test."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"azulb did not end within {timeout} s:\n{self.stderr()}") from None

    def stop(self):
        """Ends the process by SIGTERM, and checks its exit status and that no sanitizer complained."""
        if self.process is None:
            return
        for process in self.predecessors:
            process.send_signal(signal.SIGTERM)
        self.wait_predecessors()
        if self.alive():
            self.signal(signal.SIGTERM)
        status = self.wait_exit(20)
        self.process = None
        report = SANITIZER_REPORT.search(self.stderr())
        assert not report, f"sanitizer report:\n{self.stderr()}"
        assert "serves no more" not in self.stderr(), self.stderr()
        if self.expected_exit is not None:
            assert status == self.expected_exit, f"exit status {status}:\n{self.stderr()}"

    # ---- traffic
    def client(self, **more):
        return Client(self.address, **more)

    def fetch(self, method="GET", target="/", headers=(), body=None, **more):
        return fetch(self.address, method, target, headers, body, **more)

    # ---- what it writes
    def stderr(self):
        return self.stderr_path.read_text(errors="replace") if self.stderr_path.exists() else ""

    def stdout(self):
        return self.stdout_path.read_text(errors="replace") if self.stdout_path.exists() else ""

    def access_lines(self):
        """The finished lines of the access log, as text."""
        if not self.access_log_path.exists():
            return []
        text = self.access_log_path.read_bytes().decode("utf-8", "surrogateescape")
        return text.split("\n")[:-1]

    def access_log(self, count=1, timeout=5.0):
        """Waits for `count` lines and returns all of them, parsed from JSON."""
        wait_until(lambda: len(self.access_lines()) >= count, timeout, f"line {count} of the access log")
        return [json.loads(line) for line in self.access_lines()]

    def access_record(self, timeout=5.0, **match):
        """The first access log record whose fields equal `match`; waits for it."""

        def find():
            for line in self.access_lines():
                record = json.loads(line)
                if all(record.get(key) == value for key, value in match.items()):
                    return record
            return None

        return wait_until(find, timeout, f"an access log line with {match}")

    # ---- what it shows
    def admin(self, target, method="GET", headers=(), **more):
        more.setdefault("host", f"127.0.0.1:{self.admin_port}")
        return fetch(self.admin_address, method, target, headers, **more)

    def command(self, target, body=None, token=None, **more):
        """Has the admin interface change something: its answer, whose body is JSON."""
        headers = [("Content-Type", "application/json")]
        if token:
            headers.append(("Authorization", f"Bearer {token}"))
        text = json.dumps(body).encode() if body is not None else b""
        return self.admin(target, "POST", headers=headers, body=text, **more)

    def state(self):
        answer = self.admin("/state")
        assert answer.status == 200, answer
        return json.loads(answer.body)

    def servers_state(self, upstream="app"):
        """The state of an upstream's servers, as {address: record}."""
        return {server["address"]: server for server in state_upstream(self.state(), upstream)["servers"]}

    def wait_health(self, server, health, upstream="app", timeout=10.0):
        """Waits until /state gives `server` this health: up, down or unknown."""
        name = server if isinstance(server, str) else server.name
        wait_until(
            lambda: server_health(self.servers_state(upstream)[name]) == health,
            timeout,
            f"server {name} being {health}",
        )

    def metrics(self):
        answer = self.admin("/metrics")
        assert answer.status == 200, answer
        return Metrics(answer.body.decode())

    def resident_bytes(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.M).group(1)) * 1024

    def open_descriptors(self):
        """Of all threads: workers have tables of their own."""
        return sum(len(os.listdir(task / "fd")) for task in self._tasks())


def state_upstream(state, name):
    upstreams = state["upstreams"]
    return upstreams[name] if isinstance(upstreams, dict) else next(u for u in upstreams if u["name"] == name)


def server_health(record):
    return record["health"]


class Metrics:
    """Prometheus text format, parsed."""

    LINE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: \d+)?')
    LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)')

    def __init__(self, text):
        self.text, self.samples, self.types, self.helps = text, [], {}, {}
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ", 3)
                assert name not in self.types, f"{name} is declared twice"
                self.types[name] = kind
            elif line.startswith("# HELP "):
                self.helps[line.split(" ")[2]] = line.split(" ", 3)[3]
            elif line and not line.startswith("#"):
                match = self.LINE.fullmatch(line)
                assert match, f"not a sample: {line!r}"
                labels = dict(self.LABEL.findall(match.group(2) or ""))
                self.samples.append((match.group(1), labels, float(match.group(3))))

    def names(self):
        return {name for name, _, _ in self.samples}

    def find(self, name, **labels):
        return [
            (l, value)
            for n, l, value in self.samples
            if n == name and all(l.get(key) == str(want) for key, want in labels.items())
        ]

    def total(self, name, **labels):
        return sum(value for _, value in self.find(name, **labels))
