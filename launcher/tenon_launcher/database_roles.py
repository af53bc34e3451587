"""The passwords and URLs of the database's roles; tenon_db.provisioning makes them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit, urlunsplit

from tenon_db.roles import app_role, owner_role
from tenon_embedded.secret_file import kept_password
from tenon_launcher.data_directory import DataDirectory

DATABASE = "tenon"
_NAMES = {"owner": owner_role, "app": app_role}


@dataclass(frozen=True)
class Role:
    """The owner migrates the service's schema, the app only uses it."""

    service: str
    kind: Literal["owner", "app"]

    @property
    def name(self) -> str:
        return _NAMES[self.kind](self.service)


def password_file(data: DataDirectory, role: Role) -> Path:
    return data.secrets / f"{role.name}.password"


def role_password(data: DataDirectory, role: Role) -> str:
    """Generated the first time."""
    return kept_password(password_file(data, role))


def role_url(data: DataDirectory, admin_url: str, role: Role) -> str:
    """The URL of the system's database for a role, on the administrator's server."""
    parts = urlsplit(admin_url)
    host = parts.netloc.rpartition("@")[2]
    login = f"{role.name}:{quote(role_password(data, role), safe='')}"
    return urlunsplit(parts._replace(netloc=f"{login}@{host}", path=f"/{DATABASE}"))
