"""What a command says to a person: steps with their times, aligned; colour on a terminal only."""

import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import TextIOWrapper

import click

TITLE_WIDTH = 48
TICK_SECONDS = 0.1
ERASE_LINE = "\r\033[K"


class Screen:
    """Where the output goes. On a terminal a step shows its time while it lasts; a log gets one
    line when it is over.
    """

    def __init__(self, *, live: bool, colour: bool) -> None:
        self.live = live
        self.colour = colour
        self._lock = threading.Lock()

    @classmethod
    def of(cls, environment: Mapping[str, str], *, terminal: bool | None = None) -> "Screen":
        """The standard output; `terminal` says what is at its other end if it is a pipe.

        NO_COLOR is honoured: https://no-color.org
        """
        live = sys.stdout.isatty() if terminal is None else terminal
        live = live and environment.get("TERM") != "dumb"
        return cls(live=live, colour=live and not environment.get("NO_COLOR"))

    def say(self, text: str = "") -> None:
        with self._lock:
            self._write(f"{text}\n")

    def paint(self, text: str, colour: str | None = None, *, bold: bool = False) -> str:
        """The text in a colour, if there are colours."""
        return click.style(text, fg=colour, bold=bold or None) if self.colour else text

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Say what is being done, and how long it took."""
        started = time.monotonic()
        over = threading.Event()
        ticking = threading.Thread(target=self._tick, args=(title, started, over), daemon=True)
        if self.live:
            ticking.start()
        mark = self.paint("✗", "red")
        try:
            yield
            mark = self.paint("✓", "green")
        finally:
            over.set()
            if self.live:
                ticking.join()
            self.say(self._line(mark, title, started))

    def _tick(self, title: str, started: float, over: threading.Event) -> None:
        while not over.wait(TICK_SECONDS):
            with self._lock:
                self._write(self._line(self.paint("…", "cyan"), title, started))

    def _line(self, mark: str, title: str, started: float) -> str:
        seconds = f"{time.monotonic() - started:.1f} s"
        return f"  {mark} {title:<{TITLE_WIDTH}}{self.paint(f'{seconds:>8}', 'bright_black')}"

    def _write(self, text: str) -> None:
        """Over the line of the step that goes on, if one does."""
        sys.stdout.write(ERASE_LINE + text if self.live else text)
        sys.stdout.flush()


def survive_any_encoding() -> None:
    """A terminal that cannot show a character shows another one."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
