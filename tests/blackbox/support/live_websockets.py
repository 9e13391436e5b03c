"""Many WebSockets that stay open and talk, in a thread of their own."""

import asyncio
import threading

import websockets


class LiveWebSockets:
    """`count` WebSockets to ws://127.0.0.1:PORT/ws; each sends a message every so often and wants it back."""

    def __init__(self, port, count, pause=0.2):
        self.port, self.count, self.pause = port, count, pause
        self.open, self.echoed, self.errors = 0, 0, []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.ended.set()
        self.thread.join()

    async def _run(self):
        await asyncio.gather(*(self._talk(number) for number in range(self.count)))

    async def _talk(self, number):
        try:
            url = f"ws://127.0.0.1:{self.port}/ws"
            async with websockets.connect(url, ping_interval=None, open_timeout=30) as socket:
                self.open += 1
                turn = 0
                while not self.ended.is_set():
                    turn += 1
                    await socket.send(f"{number}/{turn}")
                    answer = await asyncio.wait_for(socket.recv(), 20)
                    assert answer.endswith(f"{number}/{turn}"), answer
                    self.echoed += 1
                    await asyncio.sleep(self.pause)
        except Exception as error:  # whatever it is, the tunnel was cut
            self.errors.append(f"{number}: {error!r}")
