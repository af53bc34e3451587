import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Stop:
    """A signal that asks a program to end, and the seconds it is given to do so."""

    signal: signal.Signals
    seconds: float


@dataclass(frozen=True)
class Command:
    """A program, its whole environment, and the ever firmer ways to ask it to end.

    Whoever outlives the last of `stops` is killed, with its process group.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None
    stops: tuple[Stop, ...] = (Stop(signal.SIGTERM, 10.0),)
