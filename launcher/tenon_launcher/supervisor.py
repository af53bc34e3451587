import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext

from tenon_embedded.command import Command
from tenon_embedded.guard import Guard
from tenon_embedded.server import last_lines
from tenon_launcher.data_directory import DataDirectory
from tenon_launcher.ending import Stopped
from tenon_launcher.errors import ProcessFailed
from tenon_launcher.plan import SAYS_WHAT_TO_DO, Program, group_title
from tenon_launcher.process import ADVICE, Process
from tenon_launcher.state import ProcessState

READY_SECONDS = 60.0
TICK_SECONDS = 0.1
PROBE_SECONDS = 0.2  # between questions to one that is not ready
CALM_TICKS = 25  # those that are ready are asked only every so many times

Step = Callable[[str], AbstractContextManager[None]]
OnChange = Callable[[Sequence[ProcessState]], None]


class Supervisor:
    """Starts groups of processes one after another, keeps them running, stops them in reverse."""

    def __init__(self, guard: Guard, data: DataDirectory, on_change: OnChange) -> None:
        self._guard = guard
        self._data = data
        self._on_change = on_change
        self._groups: list[list[Process]] = []
        self._told: list[ProcessState] = []

    @property
    def has_any(self) -> bool:
        return bool(self._groups)

    async def start(self, programs: Sequence[Program], seconds: float = READY_SECONDS) -> None:
        """Start them side by side; returns when all are ready. Raises ProcessFailed."""
        group = [Process(one, self._guard, self._data.log(one.name)) for one in programs]
        self._groups.append(group)
        for process in group:
            process.start()
        self._tell()
        await side_by_side(process.wait_ready(seconds) for process in group)
        self._tell()

    async def run(self, name: str, command: Command) -> str:
        """Run a command to its end, and return what it said. Raises ProcessFailed."""
        log = self._data.log(name)
        start = log.stat().st_size if log.exists() else 0
        child = self._guard.spawn(command, log)
        try:
            await asyncio.to_thread(child.wait)
        finally:
            await asyncio.to_thread(child.stop)
        code, said = child.exit_code(), last_lines(log, since=start)
        if code == SAYS_WHAT_TO_DO:
            raise ProcessFailed(said)
        if code != 0:
            raise ProcessFailed(f"{name} failed. Its last lines, of {log}:\n\n{said}\n\n{ADVICE}")
        return said

    async def keep_running(self) -> None:
        """For ever: start again what ends. Raises ProcessFailed for what does nothing but end."""
        await side_by_side([self._restart(), self._ask()])

    async def stop(self, step: Step = lambda _: nullcontext()) -> list[Stopped]:
        """Stop what was started last first; each group is a step of its own."""
        stopped: list[Stopped] = []
        while self._groups:
            group = self._groups[-1]
            with step(group_title([process.name for process in group])):
                stopping = [process.stop() for process in group]
                self._tell()
                stopped += await asyncio.gather(*stopping)
            self._groups.pop()
        self._tell()
        return stopped

    async def _restart(self) -> None:
        while True:
            self._guard.ensure()
            needs_are_met = True
            for group in self._groups:
                for process in group:
                    process.look_after(needs_are_met=needs_are_met)
                needs_are_met = needs_are_met and all(process.ready for process in group)
            self._tell()
            await asyncio.sleep(TICK_SECONDS)

    async def _ask(self) -> None:
        tick = 0
        while True:
            calm = tick % CALM_TICKS != 0
            asked = [process for process in self._processes() if not (calm and process.ready)]
            await asyncio.gather(*(process.probe() for process in asked))
            tick += 1
            await asyncio.sleep(PROBE_SECONDS)

    def _processes(self) -> list[Process]:
        return [process for group in self._groups for process in group]

    def _tell(self) -> None:
        """Only of changes."""
        states = [process.state() for process in self._processes()]
        if states != self._told:
            self._told = states
            self._on_change(states)


async def side_by_side(work: Iterable[Coroutine[None, None, None]]) -> None:
    """Raises the first failure, after the others were cancelled."""
    try:
        async with asyncio.TaskGroup() as group:
            for coroutine in work:
                group.create_task(coroutine)
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures
