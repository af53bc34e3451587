"""Time zones by their IANA names."""

from functools import cache
from zoneinfo import ZoneInfo, available_timezones

# Files beside the real zones, whose meaning differs from machine to machine.
NO_ZONES = frozenset({"localtime", "posixrules", "Factory"})


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones() - NO_ZONES)


def is_zone(name: str) -> bool:
    return name in _names()


def zone(name: str) -> ZoneInfo:
    """Return the zone; ValueError if there is none of this name."""
    if not is_zone(name):
        raise ValueError(f"{name} is not an IANA time zone")
    return ZoneInfo(name)
