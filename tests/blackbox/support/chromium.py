"""A headless Chromium, driven by the DevTools protocol (https://chromedevtools.github.io/devtools-protocol/)."""

import asyncio
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import websockets

from support.waiting import wait_until

OPTIONS = [
    "--headless",
    "--no-sandbox",  # it refuses to run as root with one
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--no-proxy-server",
    "--remote-debugging-port=0",
]


class ChromiumError(Exception):
    """A script that threw, or a command that was refused."""


class Chromium:
    """One browser with an empty profile; it believes the one certificate whose key has the hash `trusted_key`.

    (As `--ignore-certificate-errors-spki-list` wants it: the base64 of the SHA-256 of the SubjectPublicKeyInfo.)
    """

    def __init__(self, directory, trusted_key):
        self.profile = pathlib.Path(tempfile.mkdtemp(prefix="chromium-", dir=directory))
        self.trusted_key = trusted_key
        self.process = None

    def start(self):
        chromium = shutil.which("chromium")
        assert chromium, "chromium is missing: install Debian's package chromium"
        options = [*OPTIONS, f"--user-data-dir={self.profile}", f"--ignore-certificate-errors-spki-list={self.trusted_key}"]
        # Whatever it asks of the desktop ends in the profile, too.
        environment = {**os.environ, "HOME": str(self.profile), "XDG_CONFIG_HOME": str(self.profile)}
        with open(self.profile / "stderr", "wb") as stderr:
            self.process = subprocess.Popen(
                [chromium, *options, "about:blank"], stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr,
                env=environment, start_new_session=True,
            )  # fmt: skip

        def listens():
            assert self.process.poll() is None, self.stderr()
            with contextlib.suppress(FileNotFoundError):
                port, path = (self.profile / "DevToolsActivePort").read_text().split("\n")
                return f"ws://127.0.0.1:{port}{path}"

        self.endpoint = wait_until(listens, 60, "Chromium listening")
        return self

    def stderr(self):
        return (self.profile / "stderr").read_text(errors="replace")

    def kill(self):
        """With all its processes, which share a process group."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def run(self, url, script, timeout=30.0):
        """Loads a page and returns what `script`, the body of an async function, returns there; JSON both ways."""
        return asyncio.run(asyncio.wait_for(self._run(url, script), timeout))

    async def _run(self, url, script):
        async with websockets.connect(self.endpoint, max_size=None) as socket:
            call = _Caller(socket)
            target = await call("Target.createTarget", url=url)
            session = (await call("Target.attachToTarget", flatten=True, **target))["sessionId"]
            # Up to here it may still be the empty page that every tab begins with.
            while await call.evaluate(session, "[location.href, document.readyState]") != [url, "complete"]:
                await asyncio.sleep(0.01)
            value = await call.evaluate(session, f"(async () => {{ {script} }})()")
            await call("Target.closeTarget", **target)
            return value


class _Caller:
    """Sends commands, one after the other, and returns their results; passes over the events between them."""

    def __init__(self, socket):
        self.socket, self.number = socket, 0

    async def __call__(self, method, session=None, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        await self.socket.send(json.dumps({**message, "sessionId": session} if session else message))
        while (answer := json.loads(await self.socket.recv())).get("id") != self.number:
            pass
        if "error" in answer:
            raise ChromiumError(f"{method}: {answer['error']}")
        return answer["result"]

    async def evaluate(self, session, expression):
        answer = await self("Runtime.evaluate", session, expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise ChromiumError(answer["exceptionDetails"])
        return answer["result"].get("value")
