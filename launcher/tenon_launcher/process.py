import asyncio
import time
from pathlib import Path

from tenon_embedded.child import Child
from tenon_embedded.guard import Guard
from tenon_embedded.server import last_lines
from tenon_launcher.errors import ProcessFailed
from tenon_launcher.plan import Program
from tenon_launcher.state import ProcessState

BACKOFF = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)  # seconds before the first, second, … restart in a row
STEADY_SECONDS = 30.0  # who ran so long starts over with the shortest wait
POLL_SECONDS = 0.05


class Process:
    """A program that is kept running: whenever it ends by itself it is started again."""

    def __init__(self, program: Program, guard: Guard, log: Path) -> None:
        self.name = program.name
        self._program = program
        self._guard = guard
        self._log = log
        self._child: Child | None = None
        self._started = 0.0
        self._next_start = 0.0
        self._restarts = 0
        self._restarts_in_a_row = 0
        self._state = "starting"

    def start(self) -> None:
        self._child = self._guard.spawn(self._program.command, self._log)
        self._started = time.monotonic()

    async def wait_ready(self, seconds: float) -> None:
        """Raises ProcessFailed if it ends before, or needs longer."""
        end = time.monotonic() + seconds
        while not await asyncio.to_thread(self._program.is_ready):
            if self._child is None or self._child.exit_code() is not None:
                raise ProcessFailed(f"{self.name} ended while it started.\n{self._last_lines()}")
            if time.monotonic() > end:
                raise ProcessFailed(
                    f"{self.name} was not ready after {seconds:.0f} s.\n{self._last_lines()}"
                )
            await asyncio.sleep(POLL_SECONDS)
        self._state = "running"

    def look_after(self) -> bool:
        """Notice an end, and start again when it is time; True if something changed."""
        if self._child is not None:
            return self._notice_end(self._child)
        if time.monotonic() < self._next_start:
            return False
        try:
            self.start()
        except OSError:  # the machine is out of processes or memory now
            self._next_start = time.monotonic() + BACKOFF[-1]
            return False
        self._restarts += 1
        self._state = "running"
        return True

    async def stop(self) -> None:
        self._state = "stopping"
        if self._child is not None:
            await asyncio.to_thread(self._child.stop)
            self._child = None
        self._state = "stopped"

    def state(self) -> ProcessState:
        pid = self._child.pid if self._child else None
        return ProcessState(self.name, pid, self._state, self._program.port, self._restarts)

    def _notice_end(self, child: Child) -> bool:
        if child.exit_code() is None:
            return False
        now = time.monotonic()
        if now - self._started > STEADY_SECONDS:
            self._restarts_in_a_row = 0
        wait = BACKOFF[min(self._restarts_in_a_row, len(BACKOFF) - 1)]
        self._restarts_in_a_row += 1
        self._next_start = now + wait
        self._child = None
        self._state = "restarting"
        return True

    def _last_lines(self) -> str:
        return f"The end of {self._log}:\n{last_lines(self._log)}"
