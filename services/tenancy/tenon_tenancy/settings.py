from ipaddress import ip_address
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator
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
    deletion_days: float = Field(default=14.0, ge=0)
    """After how long an organization is deleted whose owner has asked for it."""
    owned_organizations_per_user: PositiveInt = 100
    """How many organizations a user can own."""
    invitations_per_user: PositiveInt = 100
    """How many invitations a user can send in a day, in all organizations together."""
    invitations_per_organization: PositiveInt = 300
    """How many invitations an organization can send in a day."""
    personal_audit_retention_days: NonNegativeInt = 0
    """For how many days the logs of what people do outside any organization are kept; 0 for ever.
    Each organization says that of its own log."""
    outbound_allow: tuple[str, ...] = ()
    """Each `host:port` that streams may lead to without being on the public internet, also by plain
    http, as a JSON list: for development, so only where the public URL is of loopback."""

    @model_validator(mode="after")
    def _require_loopback(self) -> Self:
        if self.outbound_allow and not _is_loopback(urlsplit(self.public_url).hostname or ""):
            raise ValueError("outbound_allow is for systems whose public_url is of loopback alone")
        return self


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
