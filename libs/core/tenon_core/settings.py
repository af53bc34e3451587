"""What an operator may set: environment variables with the prefix of the process.

Settings that are the same for all processes have the prefix TENON_ and are set once.
"""

from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from tenon_core.display_names import name_problem, normal_name
from tenon_core.shared_settings import SHARED_FIELDS, SHARED_PREFIX

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class _OwnSource(EnvSettingsSource):
    """The variables of this process."""

    def __call__(self) -> dict[str, Any]:
        return {
            name: value for name, value in super().__call__().items() if name not in SHARED_FIELDS
        }


class _SharedSource(EnvSettingsSource):
    """The variables of all processes."""

    def __init__(self, settings: type[BaseSettings]) -> None:
        super().__init__(settings, env_prefix=SHARED_PREFIX)

    def __call__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__call__().items() if name in SHARED_FIELDS}


class ProcessSettings(BaseSettings):
    """Settings that every process has, the gateway too."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    environment: Literal["development", "production"] = "production"
    log_level: str = "info"
    listen: str = "127.0.0.1:0"
    """`host:port` to serve on; port 0 takes a free one."""
    operations_listen: str = "127.0.0.1:0"
    """`host:port` for /metrics, /healthz and /readyz."""
    tls_ca: Path
    tls_cert: Path
    tls_key: Path
    redis_url: SecretStr
    """Redis `state`: sessions, limits, cache versions, the jobs' doorbell."""
    peers: dict[str, str]
    """Where each service listens: `{"auth": "host:port", …}`."""
    public_url: str
    """Where browsers reach the gateway, and the front end that uses it: `TENON_PUBLIC_URL`. Mails
    link there, passkeys are bound to it, and providers of logins lead back there. Plain http is
    for loopback only."""

    product_name: str = "Tenon"
    """What people know the product by: `TENON_PRODUCT_NAME`. Mails, authenticator apps and passkeys
    show it."""

    smtputf8: bool = True
    """Whether the mail server takes letters outside ASCII before the @-sign (RFC 6531):
    `TENON_SMTPUTF8`. If it does not, addresses that have some are refused when they are given."""

    @property
    def url(self) -> SplitResult:
        return urlsplit(self.public_url)

    @property
    def secure(self) -> bool:
        return self.url.scheme == "https"

    @field_validator("product_name")
    @classmethod
    def _check_product_name(cls, name: str) -> str:
        if problem := name_problem(normal_name(name)):
            raise ValueError(f"product_name {problem}")
        if ":" in name:  # it parts the issuer from the account for authenticator apps
            raise ValueError("product_name must not contain a colon")
        return normal_name(name)

    @model_validator(mode="after")
    def _check_public_url(self) -> Self:
        if self.url.scheme not in ("http", "https") or not self.url.hostname:
            raise ValueError(f"public_url is not an http or https URL: {self.public_url}")
        if not self.secure and self.url.hostname not in LOOPBACK_NAMES:
            raise ValueError(
                f"public_url {self.public_url} is plain http, which only loopback may use; "
                "cookies would travel in the clear. Put TLS in front and say https://"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 # the name is the library's
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the environment, and no other source."""
        return init_settings, _OwnSource(settings_cls), _SharedSource(settings_cls)


class ServiceSettings(ProcessSettings):
    """Settings of a service with a database."""

    database_url: SecretStr
    """PostgreSQL as the application role."""
    migration_database_url: SecretStr | None = None
    """PostgreSQL as the owner role; only `migrate` needs it."""
    database_pool_size: int = 10
    notice_seconds: float = 0.0
    """How long a stopping server takes calls after it has said that it stops, so that its clients
    connect elsewhere: where there are other replicas, as long as they take to be found."""
    drain_seconds: float = 10.0
    """How long a stopping server waits for calls in flight."""
    keep_events_days: float = 30.0
    """How long events are kept for their consumers; one that is away for longer is lost."""
    keep_succeeded_jobs_days: float = 1.0
    keep_set_aside_jobs_days: float = 90.0
    """For jobs that failed or were quarantined."""
    connection_age_seconds: float = 300.0
    """After so long a client is asked to connect anew, maybe to another replica."""
    connection_grace_seconds: float = 3_600.0
    """How long its calls in flight may then still take: as long as the longest upload."""
