"""What the worker threads have for themselves."""

import collections
import os
import pathlib
import re

import pytest

from support.azulb import is_sanitized
from support.scripted_server import OK, always
from support.waiting import wait_until


def tables(proxy):
    """What the descriptors of each thread are, by its name and number."""
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


@pytest.mark.skipif(is_sanitized(), reason="ThreadSanitizer knows of one table only")
def test_a_worker_keeps_what_it_needs_and_nothing_of_another_thread(azulb, scripted):
    proxy = azulb(scripted(always(OK)), process={"workers": 2})
    # Its loop and libuv's; its mailbox, main's, the access log's, and the 16 by which workers wake each other; where it
    # listens, and gets sockets from main.
    expected = {"anon_inode:[eventpoll]": 2, "anon_inode:[eventfd]": 3 + 16, "socket:": 2}

    def kinds(names):
        return collections.Counter(re.sub(r"\[\d+\]$", "", name) for name in names)

    def apart():
        workers = [names for thread, names in tables(proxy).items() if thread.startswith("azulb-worker")]
        sockets = {name for names in workers for name in names if name.startswith("socket:")}
        return len(sockets) == 4 and all(kinds(names).items() >= expected.items() for names in workers)

    wait_until(apart, what="each worker with what is its own")
    for thread, names in tables(proxy).items():
        if thread.startswith("azulb-worker"):
            assert kinds(names) == {**expected, **kinds(names[:0]), **kinds(os.readlink(f"/proc/{proxy.pid}/fd/{n}") for n in range(3))}


def test_metrics_count_the_descriptors_of_workers_too(azulb, scripted):
    proxy = azulb(scripted(always(OK)), process={"workers": 2})
    before = proxy.metrics().total("azulb_process_open_fds")
    clients = [proxy.client() for _ in range(40)]
    for client in clients:
        assert client.request().status == 200
    assert proxy.metrics().total("azulb_process_open_fds") >= before + 40
    for client in clients:
        client.close()


def test_an_access_log_that_nobody_reads_harms_no_response(azulb, scripted, tmp_path):
    pipe = tmp_path / "access.pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    proxy = azulb(scripted(always(OK)), access_log={"output": str(pipe), "format": "{target} " + "x" * 900})
    target = "/" + "t" * 3000
    # More than the pipe and half of a worker's ring: the worker then wakes the log's writer.
    clients = [proxy.client() for _ in range(40)]  # one of them has the number that the wake-up has on main
    for _ in range(15):
        for client in clients:
            answer = client.request("GET", target)
            assert answer.status == 200 and answer.body == b"ok"
    for client in clients:
        client.close()
    os.close(reader)
