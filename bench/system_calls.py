"""Counts a contender's system calls under load with strace: what it asks of the kernel for one request."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

_LINE = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", re.M)


def count(server, load):
    """Runs `load` (which returns the number of requests) under strace; {call: calls per request}, or None without
    strace. Tracing slows everything down, so its figures say nothing about time."""
    if shutil.which("strace") is None:
        return None
    with tempfile.NamedTemporaryFile(mode="r", prefix="azulb-bench-strace-") as output:
        attach = [argument for process in server.processes() for argument in ("-p", str(process))]
        tracer = subprocess.Popen(["strace", "-c", "-f", "-o", output.name, *attach],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            if not _wait_until_traced(server, tracer):
                return None
            requests = load()
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait(timeout=10)
        calls = {name: int(number) / requests for number, name in _LINE.findall(output.read())}
    calls.pop("total", None)
    return {name: value for name, value in calls.items() if value >= 0.005}


def _wait_until_traced(server, tracer):
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and tracer.poll() is None:
        if all(_is_traced(process) for process in server.processes() if os.path.exists(f"/proc/{process}")):
            return True
        time.sleep(0.02)
    return False


def _is_traced(process):
    with open(f"/proc/{process}/status") as status:
        return "TracerPid:\t0\n" not in status.read()
