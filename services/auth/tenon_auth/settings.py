from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, PositiveInt
from pydantic_settings import SettingsConfigDict

from tenon_auth.providers.models import ProviderSettings, require_distinct
from tenon_auth.sign_ups.models import SignUps
from tenon_auth.signing_keys.service import ACCESS_TOKEN_SECONDS
from tenon_core.settings import ServiceSettings


class AuthSettings(ServiceSettings):
    """Environment variables `TENON_AUTH_…`."""

    model_config = SettingsConfigDict(env_prefix="TENON_AUTH_", frozen=True, extra="ignore")

    signing_keys_directory: Path
    """RSA keys as `<kid>.pem`; the last by name signs, all verify. They may be replaced while auth
    runs."""
    signing_key_days: float = 90.0
    """How old a signing key gets before a job replaces it, where the directory can be written."""
    keyring_url: str
    """Where the keys are that data keys are wrapped with and addresses indexed by; a keyring is one
    service's. `file:///directory`, or as libs/crypto/README.md says."""
    encryption_key_days: float = 90.0
    """How old keys of every level get before they are replaced."""
    bcrypt_cost: int = 12
    guesses_per_account: PositiveInt = 10
    """Wrong passwords in a quarter of an hour for an address, or on a device known to it."""
    guesses_per_network: PositiveInt = 100
    """Wrong passwords in a quarter of an hour from one network (/24 of IPv4, /48 of IPv6)."""
    guesses_per_second_factor: PositiveInt = 5
    """Wrong codes in a quarter of an hour for a user, or on a device known to be theirs."""
    sign_up: SignUps | None = None
    """`open` (the default in development), `verified` (in production), `closed`."""
    access_token_life: timedelta = Field(
        timedelta(seconds=ACCESS_TOKEN_SECONDS),
        ge=timedelta(seconds=2),
        le=timedelta(seconds=ACCESS_TOKEN_SECONDS),
    )
    """How long an access token is valid; clients refresh it. Such as `PT2M`; at most `PT5M`."""
    session_life: timedelta = timedelta(days=7)
    """How long after its log-in a session ends, however much it is used; such as `P7D`."""
    oidc_providers: Annotated[tuple[ProviderSettings, ...], AfterValidator(require_distinct)] = ()
    """Whom people may log in by, as a JSON list (OpenID Connect)."""

    @property
    def sign_ups(self) -> SignUps:
        usual = SignUps.OPEN if self.environment == "development" else SignUps.VERIFIED
        return self.sign_up or usual
