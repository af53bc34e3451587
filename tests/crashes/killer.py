"""Deaths at random moments."""

import threading
from collections.abc import Sequence
from random import Random
from types import TracebackType
from typing import Self

from tenon_testing.faults import FaultySystem

LONGEST_PAUSE_SECONDS = 1.2


class Killer:
    """Kills some of the processes, each once, at random moments while a block lasts."""

    def __init__(self, faulty: FaultySystem, chance: Random, kills: int) -> None:
        self._faulty = faulty
        self.victims: Sequence[str] = chance.sample(faulty.names, kills)
        self._pauses = [chance.uniform(0.0, LONGEST_PAUSE_SECONDS) for _ in self.victims]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._kill_all, name="killer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _kill_all(self) -> None:
        for victim, pause in zip(self.victims, self._pauses, strict=True):
            if self._over.wait(pause):
                return
            self._faulty.kill(victim)
