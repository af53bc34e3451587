"""Work that comes again by the clock, and when that is."""

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from tenon_core import clock


@dataclass(frozen=True, slots=True)
class Recurring:
    """A schedule as a service declares it: a job of `job_type` at each fire time of `cron`.

    ValueError if it could never fire.
    """

    name: str
    cron: str
    job_type: str
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        following(self.cron, self.time_zone, clock.now())


def following(cron: str, time_zone: str, after: datetime) -> datetime:
    """Return the first fire time after a moment, in UTC; ValueError if there is none.

    A time that the clocks skip fires when they have been moved, one that they show twice fires
    the first time; what comes every hour or oftener goes by the time that passes. (As Debian's
    cron has it.)
    """
    try:
        fires = CronSim(cron, after.astimezone(ZoneInfo(time_zone)))
        # Within the hour that the clocks repeat, the next one it knows may be in the first half.
        return next(fire for found in fires if (fire := found.astimezone(UTC)) > after)
    except CronSimError as error:
        raise ValueError(f"{cron!r} is not a cron expression: {error}") from error
    except StopIteration as error:
        raise ValueError(f"{cron!r} never fires") from error
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError(f"there is no time zone {time_zone!r}") from error
