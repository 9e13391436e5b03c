"""A service manager as azulb sees one: the socket that it tells things to, and sockets that it hands down."""

import pathlib
import socket
import tempfile

from support.waiting import wait_until


class ServiceManager:
    """The end of NOTIFY_SOCKET that systemd would have. `messages` are dicts, in their order."""

    def __init__(self):
        self._directory = tempfile.TemporaryDirectory(prefix="azulb-notify-")
        path = pathlib.Path(self._directory.name) / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self.messages = []
        self.environment = {"NOTIFY_SOCKET": str(path)}

    def close(self):
        self._socket.close()
        self._directory.cleanup()

    def read(self):
        """All messages so far."""
        while True:
            try:
                text = self._socket.recv(4096).decode()
            except BlockingIOError:
                return self.messages
            self.messages.append(dict(line.split("=", 1) for line in text.split("\n")))

    def wait(self, key, count=1, timeout=10):
        """The `count`th message that has `key`."""

        def found():
            return [message for message in self.read() if key in message][count - 1 : count]

        return wait_until(found, timeout, f"message {count} with {key}")[0]


def listening_socket(address="127.0.0.1", port=0):
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((address, port))
    listening.listen(64)
    return listening


def exec_with_sockets(sockets, arguments, names=None):
    """Arguments of a command that becomes `arguments`, with `sockets` as descriptors from 3 on (sd_listen_fds(3)).

    `names` is LISTEN_FDNAMES; the sockets' descriptors must be inherited (pass_fds).
    """
    variables = {"LISTEN_FDS": str(len(sockets))}
    if names is not None:
        variables["LISTEN_FDNAMES"] = ":".join(names)
    descriptors = [listening.fileno() for listening in sockets]
    script = (
        "import os, sys\n"
        f"high = [os.dup2(d, 100 + i) for i, d in enumerate({descriptors!r})]\n"
        "for index, descriptor in enumerate(high):\n"
        "    os.dup2(descriptor, 3 + index, inheritable=True)\n"
        "    os.close(descriptor)\n"
        f"os.environ.update({variables!r}, LISTEN_PID=str(os.getpid()))\n"
        "os.execv(sys.argv[1], sys.argv[1:])\n"
    )
    return ["/usr/bin/python3", "-c", script, *map(str, arguments)], descriptors
