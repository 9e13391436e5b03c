"""A process that one of ours has started, and that outlives it: as much of subprocess.Popen as the tests use."""

import ctypes
import os
import pathlib
import signal
import subprocess

from support.waiting import wait_until

PR_SET_CHILD_SUBREAPER = 36


# From here on orphans of our children are ours to wait for (prctl(2)).
assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


class AdoptedProcess:
    """Whose parent is one of ours, or has been."""

    def __init__(self, pid):
        self.pid, self.returncode = pid, None

    def poll(self):
        if self.returncode is None:
            try:
                ended, status = os.waitpid(self.pid, os.WNOHANG)
                if ended:
                    self.returncode = os.waitstatus_to_exitcode(status)
            except ChildProcessError:  # its parent's still, which tells a bad end in its log
                if not pathlib.Path(f"/proc/{self.pid}").exists():
                    self.returncode = 0
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None and pathlib.Path(f"/proc/{self.pid}").exists():
            os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout=30):
        try:
            wait_until(lambda: self.poll() is not None, timeout, "the end of the process")
        except AssertionError:
            raise subprocess.TimeoutExpired(str(self.pid), timeout) from None
        return self.returncode
