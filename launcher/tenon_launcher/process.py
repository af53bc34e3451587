import asyncio
import time
from collections import deque
from pathlib import Path

from tenon_embedded.child import Child
from tenon_embedded.guard import Guard
from tenon_embedded.server import last_lines
from tenon_launcher.ending import Stopped
from tenon_launcher.errors import ProcessFailed
from tenon_launcher.plan import Program
from tenon_launcher.state import ProcessState

BACKOFF = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)  # seconds before the first, second, … restart in a row
STEADY_SECONDS = 30.0  # who ran so long starts over with the shortest wait
POLL_SECONDS = 0.05
HANGING_SECONDS = 20.0  # who is alive and not ready for so long does not work
CRASHES = 5  # who ends so often within CRASH_SECONDS, never ready between, is given up
CRASH_SECONDS = 120.0

ADVICE = (
    "Fix what they name and run the same command again. `./tenon doctor`, with the same --data-dir,"
    " looks for causes."
)


class Process:
    """A program that is kept running: whenever it ends by itself it is started again."""

    def __init__(self, program: Program, guard: Guard, log: Path) -> None:
        self.name = program.name
        self._program = program
        self._guard = guard
        self._log = log
        self._log_start = 0
        self._child: Child | None = None
        self._started = 0.0
        self._last_ready = 0.0
        self._next_start = 0.0
        self._restarts = 0
        self._restarts_in_a_row = 0
        self._crashes: deque[float] = deque(maxlen=CRASHES)
        self._state = "starting"

    @property
    def ready(self) -> bool:
        return self._state == "running"

    def start(self) -> None:
        self._log_start = self._log.stat().st_size if self._log.exists() else 0
        self._child = self._guard.spawn(self._program.command, self._log)
        self._started = self._last_ready = time.monotonic()

    async def wait_ready(self, seconds: float) -> None:
        """Raises ProcessFailed if it ends before, or needs longer."""
        end = time.monotonic() + seconds
        while not await self.probe():
            if self._child is None or self._child.exit_code() is not None:
                raise ProcessFailed(f"{self.name} ended while it started. {self._last_words()}")
            if time.monotonic() > end:
                raise ProcessFailed(
                    f"{self.name} was not ready after {seconds:.0f} s. {self._last_words()}"
                )
            await asyncio.sleep(POLL_SECONDS)

    async def probe(self) -> bool:
        """Ask it whether it is ready, and note the answer."""
        asked = self._child
        ready = asked is not None and await asyncio.to_thread(self._program.is_ready)
        if asked is not None and asked is self._child and self._state != "stopping":
            self._note(ready=ready)
        return ready

    def look_after(self, *, needs_are_met: bool = True) -> bool:
        """Notice an end, and start again when it is time; True if something changed.

        Raises ProcessFailed if it does nothing but end, though what it needs is there.
        """
        if self._child is not None:
            return self._notice_end(self._child, needs_are_met=needs_are_met)
        if time.monotonic() < self._next_start:
            return False
        try:
            self.start()
        except OSError:  # the machine is out of processes, memory or disk now
            self._next_start = time.monotonic() + BACKOFF[-1]
            return False
        self._restarts += 1
        self._state = "starting"
        return True

    async def stop(self) -> Stopped:
        started, killed = time.monotonic(), False
        self._state = "stopping"
        if self._child is not None:
            killed = await asyncio.to_thread(self._child.stop)
            self._child = None
        self._state = "stopped"
        return Stopped(self.name, time.monotonic() - started, killed)

    def state(self) -> ProcessState:
        pid = self._child.pid if self._child else None
        return ProcessState(self.name, pid, self._state, self._program.port, self._restarts)

    def _note(self, *, ready: bool) -> None:
        now = time.monotonic()
        if ready:
            self._state, self._last_ready = "running", now
            self._crashes.clear()
        elif now - self._last_ready > HANGING_SECONDS:
            self._state = "hanging"

    def _notice_end(self, child: Child, *, needs_are_met: bool) -> bool:
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
        if needs_are_met:
            self._count_crash(now)
        return True

    def _count_crash(self, now: float) -> None:
        self._crashes.append(now)
        within = now - self._crashes[0]
        if len(self._crashes) == CRASHES and within < CRASH_SECONDS:
            raise ProcessFailed(
                f"{self.name} ended {CRASHES} times within {within:.0f} s and was never ready, so "
                f"everything was stopped. {self._last_words()}"
            )

    def _last_words(self) -> str:
        said = last_lines(self._log, since=self._log_start) or "(it said nothing)"
        return f"Its last lines, of {self._log}:\n\n{said}\n\n{ADVICE}"
