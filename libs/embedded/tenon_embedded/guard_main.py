"""The guard: ends every process it was told of when whoever told it is gone, however it went.

It runs by path with nothing but the standard library, to stay small, and reads lines from its
standard input, a pipe whose writing end only the parent holds:
`+ <pid> <signal>:<seconds>,…` when a process was started, `- <pid>` when it has ended.
The end of the input means that the parent is dead; the kernel closes the pipe even on SIGKILL.
"""

import os
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress

IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ending:
    """One process group on its way out. Its leader is asked, then the whole group is killed."""

    def __init__(self, pid: int, stops: str) -> None:
        self._pid = pid
        self._stops = [stop.split(":") for stop in stops.split(",")]
        self._next_step = 0.0

    def step(self, now: float) -> bool:
        """Do what is due; True once nothing of the group is left to do."""
        if has_ended(self._pid) or (now >= self._next_step and not self._stops):
            signal_group(self._pid, signal.SIGKILL)
            return True
        if now >= self._next_step:
            number, seconds = self._stops.pop(0)
            signal_process(self._pid, int(number))
            self._next_step = now + float(seconds)
        return False


def has_ended(pid: int) -> bool:
    """Whether the process is gone, or a zombie that only waits to be reaped by its parent."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:  # noqa: PTH123 (pathlib costs memory here)
            return stat.read().rpartition(b") ")[2][:1] in b"ZX"
    except OSError:
        pass  # it is gone, or this system has no /proc
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def signal_process(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def signal_group(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # macOS denies a group of zombies
        os.killpg(pid, number)


def watch(lines: Iterable[str]) -> dict[int, str]:
    """Follow the parent until it is gone; the processes it leaves behind, with their stops."""
    watched: dict[int, str] = {}
    for line in lines:
        action, pid, *stops = line.split()
        if action == "+":
            watched[int(pid)] = stops[0]
        else:
            watched.pop(int(pid), None)
    return watched


def end(watched: dict[int, str]) -> None:
    endings = [Ending(pid, stops) for pid, stops in watched.items()]
    while endings:
        now = time.monotonic()
        endings = [ending for ending in endings if not ending.step(now)]
        if endings:
            time.sleep(0.02)


def main() -> None:
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    end(watch(sys.stdin))


if __name__ == "__main__":
    main()
