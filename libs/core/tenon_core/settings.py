"""What an operator may set: environment variables with the prefix of the process."""

from pathlib import Path
from typing import Literal

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ProcessSettings(BaseSettings):
    """Settings that every process has, the gateway too."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

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
