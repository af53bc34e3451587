"""How a committed job says that it is there; losing a ring costs latency, never a job."""

from typing import Protocol


class Doorbell(Protocol):
    """Wakes the workers of one service."""

    def ring(self) -> None:
        """Return at once, whatever the state of the network; never raise."""


class SilentDoorbell:
    """For tests and tools: the workers find the job by themselves when they next look."""

    def ring(self) -> None:
        """Do nothing."""
