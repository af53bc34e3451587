"""How long to wait before trying again."""

import random


def delay(attempt: int, *, first: float, longest: float) -> float:
    """Return seconds: doubling from `first`, at most `longest`, less up to half by chance.

    The chance keeps jobs that failed together from coming back together.
    """
    longest = min(longest, first * 2.0 ** min(attempt - 1, 30))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 # no secret
