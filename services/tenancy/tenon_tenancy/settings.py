from pydantic_settings import SettingsConfigDict

from tenon_core.settings import ServiceSettings


class TenancySettings(ServiceSettings):
    """Environment variables `TENON_TENANCY_…`."""

    model_config = SettingsConfigDict(env_prefix="TENON_TENANCY_", frozen=True, extra="ignore")
