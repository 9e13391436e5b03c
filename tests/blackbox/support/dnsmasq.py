"""A real DNS server whose records the tests change: dnsmasq."""

import getpass
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile

from support.ports import free_port
from support.waiting import wait_until


class Dnsmasq:
    """Answers for names under .test from its own records alone.

    Addresses stand in a hosts file that SIGHUP has it read anew; for other records (`options`, such as
    "srv-host=_http._tcp.app.test,a.app.test,3000,0,5") it is started again on the same port.
    """

    def __init__(self, directory, hosts=None, ttl=1, options=()):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="dnsmasq-", dir=directory))
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.hosts_path, self.log_path = self.directory / "hosts", self.directory / "log"
        self.ttl, self.options = ttl, list(options)
        self.process = None
        self._write(hosts or {})

    def _write(self, hosts):
        lines = [f"{address} {name}\n" for name, addresses in hosts.items() for address in addresses]
        self.hosts_path.write_text("".join(lines))

    def start(self):
        dnsmasq = shutil.which("dnsmasq") or "/usr/sbin/dnsmasq"
        arguments = [
            "--keep-in-foreground", "--conf-file=/dev/null", f"--pid-file={self.directory}/pid",
            f"--user={getpass.getuser()}", f"--port={self.port}", "--listen-address=127.0.0.1", "--bind-interfaces",
            "--no-resolv", "--no-hosts", f"--addn-hosts={self.hosts_path}", "--local=/test/",
            f"--local-ttl={self.ttl}", "--log-queries", f"--log-facility={self.log_path}",
        ]  # fmt: skip
        self.process = subprocess.Popen([dnsmasq, *arguments, *(f"--{option}" for option in self.options)])
        wait_until(self._answers, 10, "dnsmasq answering")
        return self

    def _answers(self):
        assert self.process.poll() is None, self.log()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.5)
            try:
                sock.connect(("127.0.0.1", self.port))
                sock.send(b"\0\1\1\0\0\1\0\0\0\0\0\0\5probe\4test\0\0\1\0\1")
                return len(sock.recv(512)) >= 12
            except OSError:
                return False

    def set(self, hosts):
        """Other addresses: live when this returns."""
        reads = self.log().count(f"read {self.hosts_path}")
        self._write(hosts)
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.log().count(f"read {self.hosts_path}") > reads, what="dnsmasq's new records")

    def restart(self, hosts=None, options=None):
        self.kill()
        if hosts is not None:
            self._write(hosts)
        if options is not None:
            self.options = list(options)
        return self.start()

    def log(self):
        return self.log_path.read_text() if self.log_path.exists() else ""

    def queries(self, name):
        return self.log().count(f"] {name} from")

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
