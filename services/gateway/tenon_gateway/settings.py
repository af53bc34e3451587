"""What an operator may set of the gateway."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_settings import SettingsConfigDict

from tenon_core.settings import ProcessSettings

MIB = 1024 * 1024


class BadSettings(Exception):
    """What is set does not fit this system; the gateway must not start."""


class Rate(BaseModel):
    """So many requests per so many seconds; all of them may come at once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int = Field(gt=0)
    seconds: int = Field(default=60, gt=0)


class RateClass(BaseModel):
    """The numbers of one class that the protos name.

    `ip` counts the requests of an address without a session, `user` and `org` those of a known
    user, `session` those with the same refresh token. Of the classes in `FAILURES_ONLY`, the first
    three count only requests that failed, so people who share an address do not limit each other.
    A class with `away` guards against guessing: while Redis is unavailable this process counts by
    itself, by `away`; the other classes are not limited then.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ip: Rate | None = None
    user: Rate | None = None
    org: Rate | None = None
    session: Rate | None = None
    away: Rate | None = None


def _rates(ip: int, user: int, org: int) -> RateClass:
    return RateClass(ip=Rate(count=ip), user=Rate(count=user), org=Rate(count=org))


RATE_CLASSES = {
    "login": RateClass(ip=Rate(count=30), user=Rate(count=10), away=Rate(count=5)),
    "mail": RateClass(ip=Rate(count=30), user=Rate(count=10), away=Rate(count=5)),
    "refresh": RateClass(ip=Rate(count=60), session=Rate(count=120), away=Rate(count=30)),
    "unlimited": RateClass(),
    "read": _rates(ip=600, user=3_000, org=30_000),
    "write": _rates(ip=60, user=600, org=6_000),
    "query": _rates(ip=60, user=600, org=6_000),
    "ingest": _rates(ip=60, user=1_200, org=6_000),
    "upload": _rates(ip=10, user=60, org=300),
}
FAILURES_ONLY = frozenset({"login", "refresh"})
"""Classes of which only failed requests count, by address, user and organization."""


class GatewaySettings(ProcessSettings):
    """Settings of the gateway; `tls_*` is how it shows itself to the services."""

    model_config = SettingsConfigDict(env_prefix="TENON_GATEWAY_", frozen=True, extra="ignore")

    trusted_proxies: tuple[str, ...] = ()
    """Addresses of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed."""

    address_key_file: Path
    """32 random bytes, the same for all replicas: by it Redis counts clients without their
    addresses."""
    rate_limit_mode: Literal["enforce", "shadow"] = "enforce"
    """`shadow` counts what it would refuse, and refuses nothing."""
    rate_classes: dict[str, RateClass] = Field(default_factory=dict)
    """Classes with other numbers than `RATE_CLASSES`."""

    max_upload_bytes: int = 2048 * MIB
    request_bytes_in_flight: int = 128 * MIB
    """How many bytes of request bodies the process holds at once; beyond that it replies 503.
    Bodies up to 64 KiB, and uploads, which stream through, do not count."""
    reply_bytes_in_flight: int = 128 * MIB
    """The same for replies; files and rejected rows, which stream through, do not count."""
    header_seconds: float = 10.0
    """How long a client may take to send a request's headers."""
    body_seconds: float = 10.0
    """How long it may take for a JSON body, and for each piece of an upload."""
    request_seconds: float = 15.0
    """How long the services may take for an answer."""
    query_seconds: float = 30.0
    """The same for the rate classes `query` and `ingest`; services end every call after 30."""
    upload_seconds: float = 3_600.0
    notice_seconds: float = 0.0
    """How long a stopping gateway takes requests after /readyz says no, each with the last reply of
    its connection: as long as load balancers take to notice."""
    drain_seconds: float = 10.0
    """How long a stopping gateway waits for requests in flight, uploads too."""

    storage_directory: Path | None = None
    """Where the file driver keeps exports, to serve its signed links; needs `link_key_file`."""
    link_key_file: Path | None = None
    pages: bool = True
    """Whether the gateway serves the pages that mails link to; `false` once your front end does."""
    mailbox_directory: Path | None = None
    """Maildir of the development mail sink, for GET /api/dev/mailbox."""

    @property
    def public_port(self) -> int:
        return self.url.port or (443 if self.secure else 80)

    def rate_class(self, name: str) -> RateClass:
        """Return a class's numbers; BadSettings if there are none."""
        numbers = self.rate_classes.get(name) or RATE_CLASSES.get(name)
        if numbers is None:
            raise BadSettings(f"rate class {name} has no numbers: add it to rate_classes")
        return numbers

    @model_validator(mode="after")
    def _check_files(self) -> Self:
        if (self.storage_directory is None) != (self.link_key_file is None):
            raise ValueError("storage_directory and link_key_file only work together")
        return self
