"""Port numbers for processes that cannot be asked which port the kernel gave them.

azulb binds with SO_REUSEPORT, so two test workers that were given the same number would not notice but share the
traffic. Each number is therefore also locked in a file until the test process ends.
"""

import fcntl
import os
import socket
import tempfile

_locks = []


def free_port(family=socket.AF_INET):
    """A TCP port on loopback that nothing is bound to now, chosen by the kernel and locked against other test workers."""
    directory = os.path.join(tempfile.gettempdir(), f"azulb-test-ports-{os.getuid()}")
    os.makedirs(directory, exist_ok=True)
    for _ in range(200):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
            port = probe.getsockname()[1]
        lock = open(os.path.join(directory, str(port)), "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        _locks.append(lock)
        return port
    raise RuntimeError("no free port found")
