"""What the worker threads have for themselves."""

import os
import pathlib

from support.scripted_server import OK, always
from support.waiting import wait_until


def sockets_by_thread(proxy):
    """The names of the descriptors of each thread that has a table of its own."""
    tables = {}
    for task in pathlib.Path(f"/proc/{proxy.pid}/task").iterdir():
        names = []
        for descriptor in os.listdir(task / "fd"):
            try:
                names.append(os.readlink(task / "fd" / descriptor))
            except FileNotFoundError:
                pass  # closed meanwhile
        tables[(task / "comm").read_text().strip() + task.name] = names
    return tables


def test_a_worker_keeps_nothing_of_another_thread_open(azulb, scripted):
    proxy = azulb(scripted(always(OK)), process={"workers": 2})

    def workers():
        return [names for thread, names in sockets_by_thread(proxy).items() if thread.startswith("azulb-worker")]

    def apart():
        sockets = [{name for name in names if name.startswith("socket:")} for names in workers()]
        return len(sockets) == 2 and all(len(own) == 1 for own in sockets) and sockets[0] != sockets[1]

    wait_until(apart, what="each worker with its one listening socket")
