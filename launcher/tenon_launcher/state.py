import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from signal import Signals
from typing import Literal, Self

import psutil

from tenon_embedded.secret_file import write_secret

CLOCK_TOLERANCE = 2.0  # seconds; the kernel's start times drift a little against the wall clock

Phase = Literal["starting", "ready", "stopping"]


@dataclass(frozen=True)
class ProcessState:
    """One process as its supervisor sees it; `port` answers whether it is ready."""

    name: str
    pid: int | None
    state: str
    port: int
    restarts: int


@dataclass(frozen=True)
class RunState:
    """What a running system tells the other commands."""

    phase: Phase
    url: str
    supervisor_pid: int
    supervisor_start_time: float  # seconds since the epoch; tells a reused pid from the same one
    processes: Sequence[ProcessState] = ()

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """What is kept at `path`, if its supervisor still runs."""
        found = cls.read(path)
        return found if found is not None and found.is_alive() else None

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """What is kept at `path`, also by one that was killed; None if that cannot be read."""
        try:
            kept = json.loads(path.read_text())
            processes = tuple(ProcessState(**process) for process in kept.pop("processes"))
            return cls(**kept, processes=processes)
        except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def save(self, path: Path) -> None:
        write_secret(path, json.dumps(asdict(self), indent=2).encode())

    def is_alive(self) -> bool:
        """Whether the supervisor runs, and is no later process with its number."""
        try:
            supervisor = psutil.Process(self.supervisor_pid)
            if supervisor.status() == psutil.STATUS_ZOMBIE:
                return False
            age = abs(supervisor.create_time() - self.supervisor_start_time)
        except psutil.NoSuchProcess:
            return False
        return age < CLOCK_TOLERANCE

    def signal(self, number: Signals) -> None:
        """To the supervisor, if it still runs."""
        if self.is_alive():
            with suppress(ProcessLookupError):
                os.kill(self.supervisor_pid, number)
