from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from tenon_core.settings import ServiceSettings


class TenancySettings(ServiceSettings):
    """Environment variables `TENON_TENANCY_…`."""

    model_config = SettingsConfigDict(env_prefix="TENON_TENANCY_", frozen=True, extra="ignore")

    checkpoint_keys_directory: Path
    """Ed25519 keys as `<key id>.pem` that sign checkpoints of the audit logs; the last by name."""
    checkpoint_url: str
    """Where checkpoints are kept, such as a bucket where nobody may delete anything, nor replace
    anything but each `latest.json`: `s3://bucket/prefix` or `file:///directory`."""
    deletion_days: float = Field(default=14.0, ge=0)
    """After how long an organization is deleted whose owner has asked for it."""
