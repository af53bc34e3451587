import atexit
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from io import FileIO
from pathlib import Path

from tenon_embedded.child import Child
from tenon_embedded.command import Command, Stop

MAIN = Path(__file__).with_name("guard_main.py")

# The shell holds the guard's pipe as its standard input until it has announced itself there and
# becomes the program. So a parent that dies in between leaves nothing unknown to the guard.
ANNOUNCE = 'echo "+ $$ $0" >&0 && exec "$@" </dev/null'


def encoded(stops: tuple[Stop, ...]) -> str:
    return ",".join(f"{stop.signal.value}:{stop.seconds}" for stop in stops)


@cache
def process_guard() -> "Guard":
    """The guard of this process, for who needs no other; closed at its exit."""
    guard = Guard()
    atexit.register(guard.close)
    return guard


class Guard:
    """Starts processes that end when this one does, even by SIGKILL.

    `keep_open` are descriptors the guard holds as long as it lives, that is until the last
    process is gone; a lock among them is released no sooner.
    """

    def __init__(self, keep_open: Sequence[int] = ()) -> None:
        self._keep_open = tuple(keep_open)
        self._lock = threading.Lock()
        self._children: dict[int, Child] = {}
        self._process, self._pipe = self._launch()

    @property
    def pid(self) -> int:
        return self._process.pid

    def ensure(self) -> None:
        """Replace the guard if it was killed itself, and tell the new one what runs."""
        with self._lock:
            self._revive()

    def spawn(self, command: Command, log: Path) -> Child:
        """Run the command in a process group of its own; its output is appended to `log`."""
        with self._lock:
            self._revive()
            child = Child(self._start(command, log), command.stops, self._forget)
            self._children[child.pid] = child
        return child

    def close(self) -> None:
        """End what still runs, and wait until it has."""
        with self._lock:
            children = list(self._children.values())
            self._children.clear()
            self._pipe.close()
        for child in children:
            child.wait()
        self._process.wait()

    def _launch(self) -> tuple[subprocess.Popen[bytes], FileIO]:
        read_end, write_end = os.pipe()
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(MAIN)],
            stdin=read_end,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=self._keep_open,
            cwd="/",
        )
        os.close(read_end)
        return process, FileIO(write_end, "w")

    def _revive(self) -> None:
        if self._process.poll() is None:
            return
        self._pipe.close()
        self._process, self._pipe = self._launch()
        for child in self._children.values():
            self._write(f"+ {child.pid} {encoded(child.stops)}\n")

    def _start(self, command: Command, log: Path) -> subprocess.Popen[bytes]:
        announced = ["/bin/sh", "-c", ANNOUNCE, encoded(command.stops), *command.arguments]
        with log.open("ab") as output:
            return subprocess.Popen(
                announced,
                stdin=self._pipe,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(command.environment),
                cwd=command.directory,
                start_new_session=True,
            )

    def _forget(self, pid: int) -> None:
        with self._lock:
            if self._children.pop(pid, None) is not None:
                self._write(f"- {pid}\n")

    def _write(self, line: str) -> None:
        with suppress(BrokenPipeError):  # killed; replaced at the next start
            self._pipe.write(line.encode())
