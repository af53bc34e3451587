import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tenon_launcher.data_directory import DataDirectory
from tenon_launcher.errors import LauncherError

POLL_SECONDS = 0.2
LINES = 200


class Tail:
    """A log that is read on as it grows."""

    def __init__(self, log: Path, label: str) -> None:
        self._log = log
        self._label = label
        self._position = 0

    def lines(self) -> list[str]:
        """The whole lines since the last call; a log that was rotated starts over."""
        if self._log.stat().st_size < self._position:
            self._position = 0
        with self._log.open("rb") as file:
            file.seek(self._position)
            whole, newline, _unfinished = file.read().rpartition(b"\n")
        self._position += len(whole) + len(newline)
        text = whole.decode(errors="replace")
        return [f"{self._label}{line}" for line in text.splitlines()]


def tails(data: DataDirectory, process: str | None) -> list[Tail]:
    """The log of one process, or of all with labels. Raises LauncherError if there is none."""
    found = sorted(data.logs.glob("*.log"))
    if not found:
        raise LauncherError(f"{data.path} has no logs; nothing was ever started there.")
    if process is None:
        return [Tail(log, f"{log.stem:<20} ") for log in found]
    for log in found:
        if log.stem == process:
            return [Tail(log, "")]
    known = ", ".join(log.stem for log in found)
    raise LauncherError(f"There is no log of {process}. There are: {known}.")


def show(tails: Sequence[Tail], *, following: bool) -> Iterator[str]:
    """The last lines, 200 shared among the logs; then, if following, what is written for ever."""
    count = max(LINES // len(tails), 5)
    for tail in tails:
        yield from tail.lines()[-count:]
    while following:
        news = [line for tail in tails for line in tail.lines()]
        yield from news
        if not news:
            time.sleep(POLL_SECONDS)
