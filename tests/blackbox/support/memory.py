"""How much memory azulb takes while something goes on."""

import threading


class Peak:
    """The largest resident size seen while it runs."""

    def __init__(self, proxy):
        self.proxy, self.bytes, self.stop = proxy, 0, threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stop.wait(0.02):
            self.bytes = max(self.bytes, self.proxy.resident_bytes())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.stop.set()
        self.thread.join()
        self.bytes = max(self.bytes, self.proxy.resident_bytes())
