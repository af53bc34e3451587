import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import NoReturn

from tenon_embedded.command import Command
from tenon_embedded.guard import Guard
from tenon_embedded.server import last_lines
from tenon_launcher.data_directory import DataDirectory
from tenon_launcher.errors import ProcessFailed
from tenon_launcher.plan import Program
from tenon_launcher.process import Process
from tenon_launcher.state import ProcessState

READY_SECONDS = 60.0
TICK_SECONDS = 0.1

OnChange = Callable[[Sequence[ProcessState]], None]


class Supervisor:
    """Starts groups of processes one after another, keeps them running, stops them in reverse."""

    def __init__(self, guard: Guard, data: DataDirectory, on_change: OnChange) -> None:
        self._guard = guard
        self._data = data
        self._on_change = on_change
        self._groups: list[list[Process]] = []

    async def start(self, programs: Sequence[Program], seconds: float = READY_SECONDS) -> None:
        """Start them side by side; returns when all are ready. Raises ProcessFailed."""
        group = [Process(one, self._guard, self._data.log(one.name)) for one in programs]
        self._groups.append(group)
        for process in group:
            process.start()
        self._changed()
        await side_by_side(process.wait_ready(seconds) for process in group)
        self._changed()

    async def run(self, name: str, command: Command) -> None:
        """Run a command to its end. Raises ProcessFailed."""
        log = self._data.log(name)
        child = self._guard.spawn(command, log)
        try:
            await asyncio.to_thread(child.wait)
        finally:
            await asyncio.to_thread(child.stop)
        if child.exit_code() != 0:
            raise ProcessFailed(f"{name} failed. The end of {log}:\n{last_lines(log)}")

    async def keep_running(self) -> NoReturn:
        """For ever: start again what ends."""
        while True:
            self._guard.ensure()
            changes = [process.look_after() for process in self._processes()]
            if any(changes):
                self._changed()
            await asyncio.sleep(TICK_SECONDS)

    async def stop(self) -> None:
        """Stop what was started last first."""
        while self._groups:
            stopping = [process.stop() for process in self._groups[-1]]
            self._changed()
            await asyncio.gather(*stopping)
            self._groups.pop()
        self._changed()

    def _processes(self) -> list[Process]:
        return [process for group in self._groups for process in group]

    def _changed(self) -> None:
        self._on_change([process.state() for process in self._processes()])


async def side_by_side(work: Iterable[Coroutine[None, None, None]]) -> None:
    """Raises the first failure, after the others were cancelled."""
    try:
        async with asyncio.TaskGroup() as group:
            for coroutine in work:
                group.create_task(coroutine)
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures
