import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress

from tenon_embedded.command import Stop


class Child:
    """A running process that leads a process group of its own."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        stops: tuple[Stop, ...],
        ended: Callable[[int], None],
    ) -> None:
        self._process = process
        self._ended = ended
        self.stops = stops
        self.pid = process.pid

    def exit_code(self) -> int | None:
        """None while it runs, negative if a signal ended it."""
        code = self._process.poll()
        if code is not None:
            self._sweep()
        return code

    def wait(self) -> None:
        """Until it has ended by itself or by another's signal."""
        self._process.wait()

    def stop(self) -> bool:
        """Ask it to end by ever firmer means; once it has, return whether it had to be killed."""
        asked = any(self._ends_after(stop) for stop in self.stops)
        if not asked:
            self._process.kill()
            self._process.wait()
        self._sweep()
        return not asked

    def _ends_after(self, stop: Stop) -> bool:
        self._process.send_signal(stop.signal)
        try:
            self._process.wait(stop.seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _sweep(self) -> None:
        """Kill what it left behind in its group."""
        with suppress(ProcessLookupError, PermissionError):  # macOS denies a group of zombies
            os.killpg(self.pid, signal.SIGKILL)
        self._ended(self.pid)
