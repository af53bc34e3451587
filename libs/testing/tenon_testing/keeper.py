"""Servers that are started again whenever they end, so that they can be killed."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import psutil

from tenon_embedded.errors import StartFailed
from tenon_embedded.server import Server

PAUSE_SECONDS = 0.1

Ended = Callable[[str, float], None]


class Keeper:
    """Takes over a server that runs; `on_end` is told its name and when it ended, by the clock
    of the day, before it is started again.
    """

    def __init__(self, server: Server, on_end: Ended) -> None:
        self.server = server
        self._on_end = on_end
        self._closing = threading.Event()
        self._up = threading.Event()
        self._up.set()
        self._thread = threading.Thread(target=self._keep, name=server.name, daemon=True)
        self._thread.start()

    def kill(self) -> bool:
        """End the process and its children at once, as a power cut does; False if it is down."""
        if not self._up.is_set():
            return False
        self._up.clear()
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.server.pid)
            for one in [process, *process.children(recursive=True)]:
                with suppress(psutil.NoSuchProcess):
                    one.kill()
        return True

    def is_ready(self) -> bool:
        return self._up.is_set() and self.server.is_ready()

    def close(self) -> None:
        self._closing.set()
        self.server.stop()
        self._thread.join()
        self.server.stop()  # what was being started meanwhile

    def _keep(self) -> None:
        while self._ends():
            self._start_again()

    def _ends(self) -> bool:
        self.server.wait()
        self._up.clear()
        return not self._closing.is_set()

    def _start_again(self) -> None:
        self.server.stop()  # nothing is left of it but what it left behind
        self._on_end(self.server.name, time.time())
        while not self._closing.is_set():
            try:
                self.server.start()
            except StartFailed:  # what it needs is not there yet
                self._closing.wait(PAUSE_SECONDS)
            else:
                self._up.set()
                return
