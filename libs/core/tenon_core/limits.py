"""Limits on what an organization, an account or a process may use.

Every limit is defined once, next to the code that enforces it; `docs/limits.md` is generated from
the definitions. Metrics are labeled with the limit's name only, never with a tenant's id.
"""

from dataclasses import dataclass
from enum import StrEnum

from prometheus_client import Counter, Gauge

from tenon_core.errors import LimitError, LimitExceeded

REFUSALS = Counter("tenon_limit_refusals_total", "Requests refused by a limit.", ["limit"])
IN_USE = Gauge(
    "tenon_limit_in_use", "How much of a process limit is in use in this process.", ["limit"]
)

LIMITS: dict[str, "Limit"] = {}
"""All limits of the imported modules, by name."""


class Per(StrEnum):
    """Whose use a limit counts."""

    ORGANIZATION = "organization"
    ACCOUNT = "account"
    PROCESS = "process"
    UPLOAD = "upload"
    ADDRESS = "address"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit, as `docs/limits.md` shows it.

    `what` continues the sentence "Limit reached: …". `setting` is the environment variable that
    configures it, with `<SERVICE>` where every service has it. `default` is shown in place of the
    setting's own default, for a limit that is derived from its setting.
    """

    name: str
    what: str
    per: Per
    setting: str = ""
    default: str = ""
    error: type[LimitError] = LimitExceeded
    delays: bool = False
    """Nothing is refused: what is above the limit waits."""

    def exceeded(self, retry_after: float | None = None, detail: str | None = None) -> LimitError:
        """Count a refusal and return the error to raise; `retry_after` is in seconds."""
        REFUSALS.labels(self.name).inc()
        message = detail or f"Limit reached: {self.what} per {self.per}. {self.error.advice}"
        return self.error(message, retry_after=retry_after, limit=self.name)


def define(limit: Limit) -> Limit:
    """Add a limit to the documented ones; ValueError if the name is taken."""
    if LIMITS.setdefault(limit.name, limit) != limit:
        raise ValueError(f"two limits are named {limit.name}")
    REFUSALS.labels(limit.name)
    return limit
