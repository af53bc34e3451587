"""How often workers are woken for work that waits although they were woken for it before."""

from tenon_jobs import backoff

FIRST_SECONDS = 5.0
LONGEST_SECONDS = 60.0


class Rehint:
    """Rarer and rarer while the same backlog lasts, and at once for the next one.

    Workers that are busy come back by themselves, and idle ones look every second: a hint only
    helps where both have failed, so many sweepers must not make a storm of it.
    """

    def __init__(self) -> None:
        self._hints = 0
        self._next = float("-inf")

    def due(self, now: float, *, overdue: bool) -> bool:
        """Say whether to ring now, by the loop's clock."""
        if not overdue:
            self._hints, self._next = 0, float("-inf")
        if not overdue or now < self._next:
            return False
        self._hints += 1
        self._next = now + backoff.delay(self._hints, first=FIRST_SECONDS, longest=LONGEST_SECONDS)
        return True
