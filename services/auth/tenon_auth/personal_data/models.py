"""What auth holds of a person, as they get it: a new table of people says here what of it."""

from dataclasses import dataclass

from sqlalchemy import Table

from tenon_auth.audit_keys.models import audit_keys
from tenon_auth.devices.models import devices
from tenon_auth.email_changes.models import SEALED_EMAIL_CHANGES, email_changes
from tenon_auth.erasures.models import erasure_notices
from tenon_auth.exports.models import personal_exports
from tenon_auth.identities.models import SEALED_IDENTITIES, identities
from tenon_auth.links.models import links
from tenon_auth.passkeys.models import SEALED_PASSKEYS, passkeys
from tenon_auth.passwords.models import credentials
from tenon_auth.recovery_codes.models import recovery_codes
from tenon_auth.second_steps.models import second_steps
from tenon_auth.sessions.models import SEALED_SESSIONS, sessions
from tenon_auth.totp.models import totp_factors
from tenon_auth.users.models import SEALED_USERS, users
from tenon_crypto.fields import SealedTable


@dataclass(frozen=True, slots=True)
class Section:
    """The rows of a table that are a person's, but for secrets and what means nothing to them."""

    name: str
    table: Table
    columns: tuple[str, ...]
    sealed: SealedTable | None = None
    owner: str = "user_id"


SECTIONS = (
    Section(
        "accounts",
        users,
        ("id", "email", "name", "email_verified", "create_time"),
        SEALED_USERS,
        owner="id",
    ),
    Section(
        "sessions",
        sessions,
        (
            "id",
            "user_agent",
            "ip_address",
            "methods",
            "create_time",
            "auth_time",
            "rotate_time",
            "expire_time",
            "end_time",
        ),
        SEALED_SESSIONS,
    ),
    Section("devices", devices, ("last_seen_time",)),
    Section(
        "email_changes",
        email_changes,
        ("new_email", "old_email", "create_time", "confirm_time"),
        SEALED_EMAIL_CHANGES,
    ),
    Section("links", links, ("purpose", "create_time", "expire_time", "use_time")),
    Section(
        "identities",
        identities,
        ("issuer", "subject", "email", "create_time"),
        SEALED_IDENTITIES,
    ),
    Section("authenticator_apps", totp_factors, ("create_time", "confirm_time", "use_time")),
    Section(
        "passkeys",
        passkeys,
        ("id", "name", "transports", "backed_up", "create_time", "use_time"),
        SEALED_PASSKEYS,
    ),
    Section("second_steps", second_steps, ("methods", "create_time", "expire_time", "use_time")),
    Section("exports", personal_exports, ("id", "state", "create_time", "expire_time")),
)
SECRET = (audit_keys, credentials, erasure_notices, recovery_codes)
"""Tables that hold nothing to be shown."""
