"""A TCP proxy for an edge of the system under test: it passes, delays, cuts, resets or swallows."""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tenon_testing.proxy_link import Faults, Link, Traffic

T = TypeVar("T")

ANSWER_SECONDS = 10.0
BACKLOG = 512


class Proxy:
    """Stands on a port of loopback before `target`, another port, with a loop in a thread.

    Faults hold for connections that are open, too. A black hole never gives back what fell into
    it: after `heal` only new connections are passed on.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        """Where new connections go; may be changed at any time."""
        self.traffic = Traffic()
        self._faults = Faults()
        self._links: dict[asyncio.Task[None], Link] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._wait_for(self._listen())

    @property
    def open_connections(self) -> int:
        return len(self._links)

    def heal(self) -> None:
        """Pass on whatever comes from now on."""
        self._faults.heal()

    def delay(self, seconds: float) -> None:
        """Let everything arrive this much later, in both directions."""
        self._faults.delay = seconds

    def black_hole(self) -> None:
        """Accept and swallow everything, and say nothing."""
        self._faults.swallows = True
        self._wait_for(self._each(Link.swallow))

    def reset(self) -> None:
        """Answer everything with RST."""
        self._faults.resets = True
        self.drop()

    def drop(self) -> None:
        """End the open connections with RST; new ones are passed on."""
        self._wait_for(self._each(Link.reset))

    def cut_after(self, size: int) -> None:
        """End each connection with RST after `size` more bytes from the target."""
        self._wait_for(self._each(Link.count_anew))
        self._faults.cut_after = size

    def close(self) -> None:
        self._wait_for(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait_for(self, doing: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result(ANSWER_SECONDS)

    async def _listen(self) -> None:
        # Not sock_accept: to cancel it could lose a connection that was just accepted.
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return  # gone again
        connection.setblocking(False)
        self.traffic.connections += 1
        link = Link(connection, self.target, self._faults, self.traffic)
        task = self._loop.create_task(link.run())
        self._links[task] = link
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._links.pop(task).close()

    async def _each(self, action: Callable[[Link], None]) -> None:
        for link in self._links.values():
            action(link)

    async def _close(self) -> None:
        self._loop.remove_reader(self._listener)
        tasks = list(self._links)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._listener.close()
