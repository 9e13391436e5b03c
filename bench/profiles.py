"""The profiles: what is asked of every contender, and how a round is measured."""

import contextlib
import json
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass, replace
from statistics import median

import certificates
import contenders
import http2
import machine
import system_calls

BODY_BYTES = {"/": 100, "/64k": 65536, "/1m": 1048576}


@dataclass(frozen=True)
class Profile:
    name: str
    title: str
    path: str = "/"
    mode: str = "closed"
    connections: int = 32
    kind: str = "cpu"  # cpu | memory | latency
    tls: bool = False
    resume: bool = False  # sessions, mode connection
    streams: int = 0  # of HTTP/2 on each connection; 0: HTTP/1.1
    warm_up: str = ""  # kind memory: the profile that warms a contender up

    @property
    def body_bytes(self):
        return BODY_BYTES[self.path]


PROFILES = {profile.name: profile for profile in (
    Profile("small", "small responses, 32 keep-alive connections"),
    Profile("64k", "64 KiB responses, 32 keep-alive connections", "/64k"),
    Profile("1m", "1 MiB responses, 8 keep-alive connections", "/1m", connections=8),
    Profile("connection", "a connection per request, 32 at once", mode="connection"),
    Profile("websocket_echo", "WebSocket echo of 128 bytes, 32 connections", "/ws", "websocket_echo"),
    Profile("idle_websocket", "memory of an idle WebSocket", "/ws", "websocket_idle", 5000, "memory",
            warm_up="websocket_echo"),
    Profile("tls", "small responses over TLS 1.3, 32 keep-alive connections", tls=True),
    Profile("tls_1m", "1 MiB responses over TLS 1.3, 8 keep-alive connections", "/1m", connections=8, tls=True),
    Profile("tls_handshake", "a TLS 1.3 connection with a full handshake per request, ECDSA P-256, 32 at once",
            mode="connection", tls=True),
    Profile("tls_resumed", "a resumed TLS 1.3 connection per request, 32 at once", mode="connection", tls=True,
            resume=True),
    Profile("idle_tls", "memory of an idle TLS connection after one request", "/", "idle", 5000, "memory", tls=True,
            warm_up="tls"),
    Profile("http2", "small responses over HTTP/2 and TLS, 32 connections × 16 streams", tls=True, streams=16),
    Profile("latency", "latency at a fixed rate, 64 connections", "/", "rate", 64, "latency"),
)}


@dataclass(frozen=True)
class Setup:
    """All that starting a contender needs."""
    tools: str
    azulb: str
    backend: str
    directory: str
    cpu: int
    websocket: bool = False
    certificate: certificates.Certificate | None = None  # for TLS
    http2: bool = False
    forwarded_headers: bool = False
    relay_buffer_kib: int = 80
    nginx_buffers: str = "8 4k"
    haproxy_global: str = ""
    haproxy_splice: str = ""


class BenchmarkError(Exception):
    pass


class Bench:
    def __init__(self, options, progress):
        self.options = options
        self.progress = progress
        self.skipped = {}  # contender, or contender and profile: why
        self._http2 = http2.Http2Load(options.load_cpu)

    def run(self, profile):
        """Measures one profile; returns its part of the report."""
        with contextlib.ExitStack() as stack:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="azulb-bench-"))
            backend = stack.enter_context(contenders.Server(
                "backend", [os.path.join(self.options.tools, "bench_backend")], self.options.load_cpu, directory))
            setup = Setup(tools=self.options.tools, azulb=self.options.azulb, backend=backend.address,
                          directory=directory, cpu=self.options.proxy_cpu, websocket=profile.path == "/ws",
                          certificate=certificates.make(directory) if profile.tls else None, http2=profile.streams > 0,
                          forwarded_headers=self.options.forwarded_headers,
                          relay_buffer_kib=self.options.relay_buffer_kib, **self._tuning(profile))
            if profile.kind == "memory":
                return self._memory(profile, setup)
            running = {}
            for name in self._contenders(profile):
                with self._skipping(name):
                    server = stack.enter_context(contenders.ALL[name](setup))
                    with self._skipping(f"{name}, {profile.name}"):
                        if profile.streams:
                            http2.require(server)
                        running[name] = server
            if not running:
                raise BenchmarkError("no contender is left")
            for server in running.values():  # fills pools, faults in memory
                warmup = profile if profile.kind == "cpu" else PROFILES["small"]
                self._load(warmup, server, min(0.5, self.options.seconds))
            if profile.kind == "latency":
                return self._latency(profile, running)
            return self._cpu(profile, running)

    def _contenders(self, profile):
        """The bare relay speaks no TLS."""
        return [name for name in self.options.contenders if not (profile.tls and name == "relay")]

    @staticmethod
    def _tuning(profile):
        """What an expert sets for bodies of that size; see README.md for how these were chosen."""
        if profile.tls and profile.path == "/1m":  # what is encrypted cannot be spliced
            return {"nginx_buffers": "8 16k", "haproxy_global": "tune.bufsize 65536"}
        splice = {"haproxy_splice": "option splice-response", "haproxy_global": "tune.pipesize 1048576"}
        return {"/64k": {"nginx_buffers": "8 64k", **splice}, "/1m": {"nginx_buffers": "8 16k", **splice}}.get(
            profile.path, {})

    @contextlib.contextmanager
    def _skipping(self, name):
        try:
            yield
        except contenders.Unavailable as why:
            if name not in self.skipped:
                self.progress(f"skipping {name}: {why}")
            self.skipped[name] = str(why)

    def _rounds(self, running):
        """Yields (round, name, server); the order turns so that no contender always follows the same one."""
        names = list(running)
        for number in range(self.options.rounds):
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                yield number, name, running[name]

    def _load_command(self, profile, server, seconds, extra=()):
        command = [os.path.join(self.options.tools, "bench_load"), "--address", server.address, "--mode", profile.mode,
                   "--path", profile.path, "--connections", str(profile.connections), "--seconds", str(seconds), *extra]
        if profile.tls:
            command += ["--tls", *(["--resume"] if profile.resume else [])]
        if profile.path in BODY_BYTES:
            command += ["--expect-bytes", str(BODY_BYTES[profile.path])]
        return command

    def _load(self, profile, server, seconds, extra=()):
        if profile.streams:
            result = self._http2.run(profile, server, seconds)
        else:
            done = subprocess.run(self._load_command(profile, server, seconds, extra), stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=seconds + 60,
                                  preexec_fn=machine.child_setup(self.options.load_cpu))
            result = self._parse(done.stdout, server, done.stderr)
        if result["requests"] == 0:
            raise BenchmarkError(f"{server.name} answered nothing: {result['first_error']}")
        return result

    @staticmethod
    def _parse(text, server, trouble=""):
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            raise BenchmarkError(f"bench_load against {server.name}: {trouble.strip() or 'no result'}") from None

    def _cpu(self, profile, running):
        samples = {name: [] for name in running}
        ticks = {name: machine.cpu_ticks(server.processes()) for name, server in running.items()}
        for number, name, server in self._rounds(running):
            processes = server.processes()
            before = machine.cpu_ns(processes)
            result = self._load(profile, server, self.options.seconds)
            spent_ns = machine.cpu_ns(processes) - before
            sample = {"cpu_us": spent_ns / 1000 / result["requests"], "per_second": result["requests"] / result["seconds"],
                      "busy": spent_ns / 1e9 / result["seconds"], "errors": result["errors"],
                      "reconnects": result["reconnects"], "p50_us": result["p50_us"], "p99_us": result["p99_us"],
                      "first_error": result["first_error"]}
            samples[name].append(sample)
            self._report_sample(profile, number, name, sample,
                                f"{sample['cpu_us']:8.2f} µs CPU, {sample['per_second']:8.0f}/s, "
                                f"CPU {sample['busy'] * 100:3.0f} %")
        rows = {}
        for name, server in running.items():
            user, system = (after - before for after, before in
                            zip(machine.cpu_ticks(server.processes()), ticks[name]))
            rows[name] = self._summary(samples[name], ("cpu_us", "per_second", "busy", "p50_us", "p99_us"))
            rows[name]["user_us"] = rows[name]["cpu_us"] * user / max(1, user + system)
        part = {"samples": samples, "rows": rows, "ratios": self._ratios(samples, "cpu_us")}
        if self.options.perf:
            part["system_calls"] = self._system_calls(profile, running)
        return part

    def _system_calls(self, profile, running):
        counts = {}
        for name, server in running.items():
            calls = system_calls.count(server, lambda: self._load(profile, server, 0.5)["requests"])
            if calls is None:
                self.progress("  no system call counts: strace is missing or may not attach")
                break
            counts[name] = calls
        return counts

    def _latency(self, profile, running):
        small = PROFILES["small"]
        fastest = {name: self._load(small, server, self.options.seconds)["requests"] / self.options.seconds
                   for name, server in running.items()}
        rate = self.options.rate or round(0.5 * min(fastest.values()), -2)
        self.progress(f"  rate: {rate:.0f}/s")
        samples = {name: [] for name in running}
        for number, name, server in self._rounds(running):
            result = self._load(profile, server, self.options.seconds, ("--rate", str(rate)))
            samples[name].append({key: result[key] for key in (
                "p50_us", "p90_us", "p99_us", "p999_us", "errors", "first_error")})
            self._report_sample(profile, number, name, samples[name][-1],
                                f"p50 {result['p50_us']:7.0f} µs, p99 {result['p99_us']:7.0f} µs")
        rows = {name: self._summary(samples[name], ("p50_us", "p90_us", "p99_us", "p999_us")) for name in running}
        return {"rate": rate, "samples": samples, "rows": rows, "ratios": self._ratios(samples, "p99_us")}

    def _memory(self, profile, setup):
        """Growth of the process by idle connections, each time from a newly started and warmed contender."""
        profile = replace(profile, connections=self.options.websockets)
        samples = {}
        for number in range(min(self.options.rounds, 3)):
            for name in self._contenders(profile):
                with self._skipping(name), contenders.ALL[name](setup) as server:
                    self._load(replace(PROFILES[profile.warm_up], connections=16), server, 0.3)
                    sample = self._hold(profile, server)
                    samples.setdefault(name, []).append(sample)
                    self._report_sample(profile, number, name, sample,
                                        f"{sample['bytes']:8.0f} bytes for each of {profile.connections}")
        rows = {name: self._summary(samples[name], ("bytes",)) for name in samples}
        return {"connections": profile.connections, "samples": samples, "rows": rows,
                "ratios": self._ratios(samples, "bytes")}

    def _hold(self, profile, server):
        before = self._settled_memory(server)
        load = subprocess.Popen(self._load_command(profile, server, 1), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                text=True, preexec_fn=machine.child_setup(self.options.load_cpu))
        try:
            first = self._parse(load.stdout.readline(), server)
            grown = self._settled_memory(server) - before
            output, _ = load.communicate(timeout=60)  # closes its input: every connection must still answer
            result = self._parse(output, server)
        finally:
            if load.poll() is None:
                load.kill()
                load.wait()
        if first.get("open") != profile.connections:
            raise BenchmarkError(f"{server.name}: {first.get('open')} of {profile.connections} connections opened: "
                                 f"{result['first_error']}")
        return {"bytes": grown / profile.connections, "errors": result["errors"], "first_error": result["first_error"]}

    @staticmethod
    def _settled_memory(server):
        """The memory once it has stopped moving."""
        processes = server.processes()
        last = machine.memory_bytes(processes)
        for _ in range(50):
            time.sleep(0.1)
            now = machine.memory_bytes(processes)
            if now == last:
                break
            last = now
        return last

    def _report_sample(self, profile, number, name, sample, text):
        trouble = f", {sample['errors']} ERRORS ({sample['first_error']})" if sample["errors"] else ""
        self.progress(f"  {profile.name} {number + 1}/{self.options.rounds} {name:8} {text}{trouble}")

    @staticmethod
    def _summary(samples, keys):
        row = {key: median(sample[key] for sample in samples) for key in keys}
        row["errors"] = sum(sample["errors"] for sample in samples)
        return row

    @staticmethod
    def _ratios(samples, key):
        """Median over the rounds of each pair's ratio within the same round: {"azulb": {"relay": 1.05, ...}, ...}"""
        return {one: {other: median(a[key] / b[key] if b[key] > 0 else float("inf")
                                    for a, b in zip(samples[one], samples[other]))
                      for other in samples if other != one} for one in samples}
