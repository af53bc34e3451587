"""A whole system in a folder of its own, to be killed piece by piece."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from redis import Redis

from tenon_embedded.server import Server
from tenon_testing.crash_points import Point, Traps
from tenon_testing.keeper import Ended, Keeper
from tenon_testing.servers import Servers
from tenon_testing.system import SERVICES, System
from tenon_testing.waiting import wait_until

STARTED_AGAIN_SECONDS = 90.0


class FaultySystem:
    """Every process, durable PostgreSQL and Valkey; whatever ends is started again.

    The mail sink stands for a mail server elsewhere, and is left alone.
    """

    def __init__(self, directory: Path, points: Sequence[Point] = ()) -> None:
        self.traps = Traps(directory / "traps", points)
        self._servers = Servers(directory, durable=True)
        self.system = System(self._servers, "tenon", runner=self.traps.runner)
        self.files = self.system.directory / "files"
        self.maildir = self._servers.mailsink.maildir
        self._keepers: dict[str, Keeper] = {}
        self.on_end: list[Ended] = []

    @property
    def names(self) -> list[str]:
        """Return the processes that can be killed."""
        return list(self._keepers)

    def start(self) -> None:
        started = [self._servers.postgres, self._servers.valkey, *self._start_processes()]
        self._keepers = {server.name: Keeper(server, self._ended) for server in started}

    def stop(self) -> None:
        for keeper in reversed(self._keepers.values()):
            keeper.close()
        self._servers.stop()

    def kill(self, name: str) -> bool:
        """SIGKILL a process and its children; False if it is down already."""
        return self._keepers[name].kill()

    def is_up_again(self, name: str) -> bool:
        return self._keepers[name].is_ready()

    def flush_valkey(self) -> None:
        with Redis.from_url(self._servers.valkey.url()) as valkey:
            valkey.flushall()

    def wait_until_ready(self) -> None:
        wait_until(self._is_ready, within=STARTED_AGAIN_SECONDS)

    def _is_ready(self) -> bool:
        return all(keeper.is_ready() for keeper in self._keepers.values())

    def _ended(self, name: str, at: float) -> None:
        for tell in self.on_end:
            tell(name, at)

    def _start_processes(self) -> list[Server]:
        start = self.system.start
        stages: list[list[Callable[[], Server]]] = [
            [partial(start, service) for service in SERVICES],
            [partial(start, service, "worker") for service in SERVICES],
            [partial(start, "gateway")],
        ]
        with ThreadPoolExecutor() as pool:
            return [server for stage in stages for server in pool.map(_called, stage)]


def _called(start: Callable[[], Server]) -> Server:
    return start()
