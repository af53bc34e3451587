"""Time zones by their IANA names."""

from functools import cache
from zoneinfo import ZoneInfo, available_timezones

# Files beside the real zones, whose meaning differs from machine to machine.
NO_ZONES = frozenset({"localtime", "posixrules", "Factory"})
# PostgreSQL reads these names as abbreviations: as one offset, without its history.
SQL_NAMES = {
    "CET": "Europe/Brussels",
    "EET": "Europe/Athens",
    "EST": "America/Panama",
    "HST": "Pacific/Honolulu",
    "MET": "Europe/Brussels",
    "MST": "America/Phoenix",
    "WET": "Europe/Lisbon",
}
NOT_A_ZONE = "is not an IANA time zone, such as Europe/Vienna or UTC"


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones() - NO_ZONES)


def is_zone(name: str) -> bool:
    return name in _names()


def zone(name: str) -> ZoneInfo:
    """Return the zone; ValueError if there is none of this name."""
    if not is_zone(name):
        raise ValueError(f"{name} {NOT_A_ZONE}")
    return ZoneInfo(name)


def sql_name(name: str) -> str:
    """Return a name by which PostgreSQL knows the zone."""
    return SQL_NAMES.get(name, name)
