"""What the kernel tells: the machine, and the CPU time and memory of processes."""

import ctypes
import os
import platform
import re
import resource
import shutil
import signal
import socket
import subprocess

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def raise_descriptor_limit(wanted=65536):
    """Raises RLIMIT_NOFILE for us and all we start; returns what we got."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in ((max(wanted, soft), max(wanted, hard)), (hard, hard)):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, limit)
            return limit[0]
        except (ValueError, OSError):
            continue
    return soft


def child_setup(cpu):
    """A preexec_fn: pins the child to one CPU, or to some, and has it end with us, whatever becomes of us."""
    cpus = {cpu} if isinstance(cpu, int) else set(cpu)

    def setup():
        os.sched_setaffinity(0, cpus)
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    return setup


def set_priority(nice):
    """Sets our priority and that of all we start. Where the kernel groups processes by session (autogroup), a
    process's nice value counts only within its session: we take a session of our own and set the group's, too."""
    os.setpriority(os.PRIO_PROCESS, 0, nice)
    try:
        os.setsid()
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)  # the terminal's Ctrl-C no longer reaches us, but our parent
    except PermissionError:
        pass  # we lead a process group: the group's value is set for the session that we are in
    try:
        with open("/proc/self/autogroup", "w") as autogroup:
            autogroup.write(str(nice))
    except FileNotFoundError:
        pass


def free_port():
    """A port that was free a moment ago, for programs that cannot be asked which one the kernel gave them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def process_tree(root):
    """The process ids of a process and all its descendants."""
    children = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat") as stat:
                fields = stat.read().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(entry))
    found, todo = [], [root]
    while todo:
        process = todo.pop()
        found.append(process)
        todo.extend(children.get(process, []))
    return found


def cpu_ns(processes):
    """CPU time of all threads so far, in nanoseconds, from schedstat (which is exact while they sleep)."""
    total = 0
    for process in processes:
        for thread in os.listdir(f"/proc/{process}/task"):
            try:
                with open(f"/proc/{process}/task/{thread}/schedstat") as schedstat:
                    total += int(schedstat.read().split()[0])
            except FileNotFoundError:
                return _cpu_ns_from_stat(processes)
    return total


def _cpu_ns_from_stat(processes):
    return int(sum(cpu_ticks(processes)) * 1e9 / os.sysconf("SC_CLK_TCK"))


def cpu_ticks(processes):
    """(user, system) clock ticks: coarse, good only for the share of the two over a whole run."""
    user = system = 0
    for process in processes:
        with open(f"/proc/{process}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        user += int(fields[11])
        system += int(fields[12])
    return user, system


def memory_bytes(processes):
    """Proportional set size of all processes together."""
    total = 0
    for process in processes:
        with open(f"/proc/{process}/smaps_rollup") as rollup:
            total += int(re.search(r"^Pss:\s+(\d+) kB", rollup.read(), re.M).group(1)) * 1024
    return total


def _first_line(command):
    path = shutil.which(command[0], path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin") or command[0]
    try:
        done = subprocess.run([path, *command[1:]], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0].strip() if lines else None


def describe(azulb):
    """The machine and the versions, for the report."""
    cpu = "unknown CPU"
    with open("/proc/cpuinfo") as cpuinfo:
        match = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read(), re.M)
        if match:
            cpu = match.group(1)
    virtual = " (virtual)" if " hypervisor" in open("/proc/cpuinfo").read() else ""
    return {
        "cpu": cpu + virtual,
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "load_average_before": os.getloadavg()[0],
        "versions": {
            "azulb": _first_line([azulb, "--version"]) if azulb else None,
            "nginx": _first_line(["nginx", "-v"]),
            "haproxy": _first_line(["haproxy", "-v"]),
        },
    }
