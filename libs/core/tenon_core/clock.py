"""The time of day."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the current time in UTC, to the microsecond."""
    return datetime.now(UTC)
