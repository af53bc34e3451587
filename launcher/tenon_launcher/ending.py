import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from tenon_embedded.secret_file import write_secret


@dataclass(frozen=True)
class Stopped:
    """A process that was stopped; `killed` if it did not end when it was asked to."""

    name: str
    seconds: float
    killed: bool


@dataclass(frozen=True)
class Ending:
    """How the last run on a data directory ended; without a failure somebody stopped it."""

    time: str
    failure: str | None
    stopped: Sequence[Stopped]

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """None if none is kept there, or nothing that can be read."""
        try:
            kept = json.loads(path.read_text())
            stopped = tuple(Stopped(**one) for one in kept.pop("stopped"))
            return cls(**kept, stopped=stopped)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def save(self, path: Path) -> None:
        write_secret(path, json.dumps(asdict(self), indent=2).encode())

    @property
    def killed(self) -> list[str]:
        return [one.name for one in self.stopped if one.killed]
