from pydantic import PositiveInt, SecretStr
from pydantic_settings import SettingsConfigDict

from tenon_core.settings import ServiceSettings


class NotificationsSettings(ServiceSettings):
    """Environment variables `TENON_NOTIFICATIONS_…`."""

    model_config = SettingsConfigDict(
        env_prefix="TENON_NOTIFICATIONS_", frozen=True, extra="ignore"
    )

    smtp_url: SecretStr
    """`smtp://`, `smtp+starttls://` or `smtps://`, then `user:password@host:port`; `?ca=<file>`
    names the authority of a private server, `?timeout=<seconds>` is 10 unless said."""
    mail_from: str
    """The sender, as `Name <address>`."""
    run_mails_per_user: PositiveInt = 60
    """How many mails about exports that have ended a user gets in an hour; more come later."""
    mail_concurrency: int = 16
    """Mails that one worker hands over at once, each on a connection of its own."""
