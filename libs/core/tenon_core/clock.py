"""The time of day."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the current time in UTC, to the microsecond."""
    return datetime.now(UTC)


def current_minute() -> int:
    """Return the minutes since 1970. The audit of reads counts by them, so a cache of replies must
    ask anew in each.
    """
    return minute_of(now())


def minute_of(at: datetime) -> int:
    return int(at.timestamp()) // 60
