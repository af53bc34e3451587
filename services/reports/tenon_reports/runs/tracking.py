"""How far the writing of a run's file is."""

import time
from dataclasses import dataclass, field

from tenon_reports.runs.models import Phase, Progress


@dataclass(slots=True)
class Tracker:
    """For whoever watches it. Of a file that is gone on with, the time is told by what is new."""

    phase: Phase = Phase.WAITING
    total: int | None = None
    lines: int = 0
    size_bytes: int = 0
    found_rows: int = 0
    began: float = field(default_factory=time.monotonic)
    must_yield: bool = False
    """Whether the writing should stop at the end of the next part, for others wait."""

    @property
    def rows(self) -> int:
        """Return the lines without the header."""
        return max(0, self.lines - 1)

    def begin(self, phase: Phase) -> None:
        self.phase = phase
        self.found_rows = self.rows
        self.began = time.monotonic()

    def go_on(self, lines: int, size_bytes: int) -> None:
        """Count what is there already."""
        self.lines, self.size_bytes = lines, size_bytes

    def add(self, lines: int, size_bytes: int) -> None:
        self.lines += lines
        self.size_bytes += size_bytes

    def progress(self) -> Progress:
        eta, new = None, self.rows - self.found_rows
        if self.total is not None and new > 0:
            elapsed = time.monotonic() - self.began
            eta = round(elapsed / new * max(0, self.total - self.rows))
        return Progress(self.phase, self.rows, self.total, eta)
