"""The load of the http2 profile: h2load, of nghttp2, since a client for HTTP/2 is more than we want to write."""

import re
import shutil
import socket
import ssl
import subprocess

import contenders
import machine

_WARM_UP_REQUESTS = 20000
_PATTERNS = {
    "seconds": r"^finished in ([\d.]+)(us|ms|s),",
    "requests": r"^requests: .* (\d+) succeeded",
    "failed": r"^requests: .* (\d+) failed",
    "good": r"^status codes: (\d+) 2xx",
    "body_bytes": r"^traffic: .*\((\d+)\) data",
}
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


def require(server):
    """Raises Unavailable if there is no h2load, or if the contender does not agree on HTTP/2."""
    if shutil.which("h2load") is None:
        raise contenders.Unavailable("h2load is not installed")
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        with socket.create_connection(("127.0.0.1", server.port), 5) as plain, context.wrap_socket(plain) as connection:
            agreed = connection.selected_alpn_protocol()
    except OSError as error:
        agreed = str(error)
    if agreed != "h2":
        raise contenders.Unavailable(f"does not agree on h2 by ALPN ({agreed})")


class Http2Load:
    """Drives the contenders one after the other, each for about the time asked for."""

    def __init__(self, load_cpu):
        self._load_cpu = load_cpu
        self._rates = {}  # contender: requests per second, as last seen

    def run(self, profile, server, seconds):
        """The same figures as bench_load gives. h2load counts exactly only when told how many requests to make."""
        requests = _WARM_UP_REQUESTS
        if server.name in self._rates:
            requests = max(1000, int(self._rates[server.name] * seconds))
        done = subprocess.run(
            ["h2load", "--clients", str(profile.connections), "--max-concurrent-streams", str(profile.streams),
             "--requests", str(requests), "--npn-list=h2", "--tls13-ciphers=TLS_AES_128_GCM_SHA256",
             f"https://{server.address}{profile.path}"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds + 60,
            preexec_fn=machine.child_setup(self._load_cpu))
        figures = {}
        for name, pattern in _PATTERNS.items():
            match = re.search(pattern, done.stdout, re.M)
            if match is None:
                return _nothing(f"h2load says nothing of {name}: {done.stderr.strip()[-200:]}")
            figures[name] = float(match.group(1)) * (_UNITS[match.group(2)] if name == "seconds" else 1)
        errors = requests - min(figures["requests"], figures["good"])
        trouble = f"{errors:.0f} of {requests} requests failed" if errors else ""
        if not errors and figures["body_bytes"] != requests * profile.body_bytes:
            errors, trouble = requests, "wrong body length"
        self._rates[server.name] = requests / figures["seconds"]
        return {"requests": figures["requests"], "seconds": figures["seconds"], "errors": int(errors),
                "first_error": trouble, "reconnects": 0, "p50_us": 0, "p99_us": 0}


def _nothing(why):
    return {"requests": 0, "seconds": 1, "errors": 1, "first_error": why, "reconnects": 0, "p50_us": 0, "p99_us": 0}
