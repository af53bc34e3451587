from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from tenon_core.settings import ServiceSettings


class TenancySettings(ServiceSettings):
    """Environment variables `TENON_TENANCY_…`."""

    model_config = SettingsConfigDict(env_prefix="TENON_TENANCY_", frozen=True, extra="ignore")

    keyring_url: str
    """Where the keys are that organizations' data keys are wrapped with, and that make links and
    blind indexes; a keyring is one service's. `file:///directory`, or as libs/crypto/README.md
    says."""
    encryption_key_days: float = 90.0
    """How old keys of every level get before they are replaced."""
    checkpoint_keys_directory: Path
    """Ed25519 keys as `<key id>.pem` that sign checkpoints of the audit logs; the last by name."""
    checkpoint_url: str
    """Where checkpoints are kept, such as a bucket where nobody may delete anything, nor replace
    anything but each `latest.json`: `s3://bucket/prefix` or `file:///directory`."""
    storage_url: str
    """Where exports of the audit logs are kept for a week: `file:///directory`, the gateway's
    `storage_directory`, or `s3://bucket/prefix`."""
    link_key_file: Path
    """Holds the key that signs the links of the file storage, the gateway's."""
    public_url: str
    """Where users reach the gateway."""
    deletion_days: float = Field(default=14.0, ge=0)
    """After how long an organization is deleted whose owner has asked for it."""
