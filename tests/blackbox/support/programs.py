"""Real servers and proxies for the tests: our Crystal app, nginx and HAProxy."""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from support.client import connect
from support.ports import free_port
from support.waiting import wait_until

SOURCE = pathlib.Path(__file__).resolve().parents[1] / "servers" / "app.cr"


def build_crystal_app(cache):
    """Compiles servers/app.cr into `cache`, once per content however many test workers there are."""
    crystal = shutil.which("crystal")
    assert crystal, "crystal is missing: install Debian's package crystal"
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    cache.mkdir(parents=True, exist_ok=True)
    binary = cache / f"crystal_app-{digest}"
    with open(cache / "crystal_app.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            partial = binary.with_suffix(".partial")
            subprocess.run(
                [crystal, "build", str(SOURCE), "-o", str(partial)],
                check=True,
                timeout=300,
                env={**os.environ, "CRYSTAL_CACHE_DIR": str(cache / "crystal-cache")},
            )
            partial.rename(binary)
    return binary


class CrystalApp:
    """One replica. `executed_path` collects a line for each POST /count that ran, over all replicas that share it."""

    def __init__(self, binary, directory, name="app", executed_path=None):
        self.binary, self.directory, self.label = binary, pathlib.Path(directory), name
        self.port = free_port()
        self.address, self.name = ("127.0.0.1", self.port), f"127.0.0.1:{self.port}"
        self.executed_path = executed_path or self.directory / "executed"
        self.process = None

    def start(self):
        self.launch()
        self.wait_accepting()
        return self

    def launch(self):
        """Starts the process and does not wait for it."""
        environment = {
            **os.environ,
            "PORT": str(self.port),
            "NAME": self.label,
            "EXECUTED": str(self.executed_path),
        }
        with open(self.directory / f"{self.label}.log", "ab") as log:
            self.process = subprocess.Popen([str(self.binary)], env=environment, stdout=log, stderr=log)

    def wait_accepting(self):
        def accepts():
            assert self.process.poll() is None, (self.directory / f"{self.label}.log").read_text()
            with contextlib.suppress(OSError):
                connect(self.address, timeout=1).close()
                return True

        wait_until(accepts, 15, f"{self.label} accepting")

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait(10)


class Nginx:
    """An nginx with one server block; `locations` is its body.

    `http` stands before it. With `stream` it passes connections on instead of requests; `locations` says how.
    """

    def __init__(self, directory, locations, http="", server_options="", stream=False):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="nginx-", dir=directory))
        self.port = free_port()
        self.address, self.name = ("127.0.0.1", self.port), f"127.0.0.1:{self.port}"
        self.process = None
        server = f"server {{ listen 127.0.0.1:{self.port} {server_options}; {locations} }}"
        (self.directory / "nginx.conf").write_text(
            f"""
{'load_module /usr/lib/nginx/modules/ngx_stream_module.so;' if stream else ''}
daemon off; master_process off; worker_processes 1; pid {self.directory}/nginx.pid; error_log stderr warn;
events {{ worker_connections 512; }}
"""
            + (f"stream {{ {server} }}" if stream else self._http(http, server))
        )

    def _http(self, more, server):
        return f"""
http {{
  access_log off; client_body_temp_path {self.directory}/body; proxy_temp_path {self.directory}/proxy;
  fastcgi_temp_path {self.directory}/f; uwsgi_temp_path {self.directory}/u; scgi_temp_path {self.directory}/s;
  client_max_body_size 0;
  {more}
  {server}
}}
"""

    def start(self):
        nginx = shutil.which("nginx") or "/usr/sbin/nginx"
        with open(self.directory / "stderr", "wb") as stderr:
            self.process = subprocess.Popen(
                [nginx, "-p", str(self.directory), "-c", str(self.directory / "nginx.conf"), "-e", "stderr"],
                stderr=stderr,
            )

        def accepts():
            assert self.process.poll() is None, (self.directory / "stderr").read_text()
            with contextlib.suppress(OSError):
                connect(self.address, timeout=1).close()
                return True

        wait_until(accepts, 10, "nginx accepting")
        return self

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)


class HAProxy:
    """A HAProxy that passes connections on as they are (mode tcp); `body` names its server."""

    def __init__(self, directory, body, bind_options=""):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="haproxy-", dir=directory))
        self.port = free_port()
        self.address, self.name = ("127.0.0.1", self.port), f"127.0.0.1:{self.port}"
        self.process = None
        (self.directory / "haproxy.cfg").write_text(
            f"""
global
  maxconn 100
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen front
  bind {self.name} {bind_options}
  {body}
"""
        )

    def start(self):
        haproxy = shutil.which("haproxy") or "/usr/sbin/haproxy"
        with open(self.directory / "stderr", "wb") as stderr:
            self.process = subprocess.Popen(
                [haproxy, "-db", "-f", str(self.directory / "haproxy.cfg")], stdout=stderr, stderr=stderr
            )

        def accepts():
            assert self.process.poll() is None, (self.directory / "stderr").read_text()
            with contextlib.suppress(OSError):
                connect(self.address, timeout=1).close()
                return True

        wait_until(accepts, 10, "HAProxy accepting")
        return self

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
