from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Column, DateTime, LargeBinary, SmallInteger, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from tenon_auth.errors import RoleAboveOwn
from tenon_auth.users.models import METADATA
from tenon_core.display_names import name_problem
from tenon_core.errors import FieldError
from tenon_db.tables import GLOBAL, TENANT
from tenon_policy.api_keys import KeyScope, grantable_permissions
from tenon_policy.policies import Role

api_keys = Table(
    "api_keys",
    METADATA,
    Column("org_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", SmallInteger, nullable=False),
    Column("permissions", ARRAY(Text), nullable=False),
    Column("prefix", Text, nullable=False),
    Column("creator_id", Uuid, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("expire_time", DateTime(timezone=True), nullable=False),
    Column("last_used_time", DateTime(timezone=True)),
    info=TENANT,
)

# Finds the key of a secret before anybody knows whose it is, so it is global: keyed hashes and ids.
# A secret has one row for each index key that there was when it was made or last exchanged; with
# the last of its rows it stops to work.
api_key_secrets = Table(
    "api_key_secrets",
    METADATA,
    Column("secret_index", LargeBinary, primary_key=True),
    Column("index_key", Text, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("org_id", Uuid, nullable=False),
    Column("key_id", Uuid, nullable=False),
    Column("expire_time", DateTime(timezone=True), nullable=False),
    info=GLOBAL,
)

MAX_PERMISSIONS = 50
"""They travel in each access token, which has to fit into a header."""
MAX_LIFE = timedelta(days=365)
USUAL_LIFE = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A credential of a machine. It is its organization's: it stays when who made it leaves."""

    org_id: UUID
    id: UUID
    name: str
    role: Role
    permissions: Sequence[str]
    prefix: str
    creator_id: UUID
    create_time: datetime
    expire_time: datetime
    last_used_time: datetime | None = None

    @property
    def scope(self) -> KeyScope:
        return KeyScope(self.id, self.org_id, self.role, frozenset(self.permissions))


@dataclass(frozen=True, slots=True)
class Secret:
    """By what a key is known; a rotation gives it another one. Its text is stored nowhere.

    `index_keys` name the keys of the keyring by whose hashes it is found.
    """

    id: UUID
    org_id: UUID
    key_id: UUID
    expire_time: datetime
    index_keys: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """What a key is to be, as somebody asks for it; without `expire_time`, as long as usual."""

    name: str
    role: Role
    permissions: Sequence[str]
    expire_time: datetime | None

    def ends(self, at: datetime) -> datetime:
        return self.expire_time or at + USUAL_LIFE

    def problems(self, at: datetime) -> list[FieldError]:
        """Say what is wrong with it."""
        found = []
        if problem := name_problem(self.name):
            found.append(FieldError("/name", problem))
        if self.role is Role.NONE:
            found.append(FieldError("/role", "is needed"))
        if not at < self.ends(at) <= at + MAX_LIFE:
            message = f"must be in the future, and at most {MAX_LIFE.days} days away"
            found.append(FieldError("/expire_time", message))
        return found + list(self._permission_problems())

    def _permission_problems(self) -> list[FieldError]:
        if len(self.permissions) > MAX_PERMISSIONS:
            return [FieldError("/permissions", f"must be at most {MAX_PERMISSIONS}")]
        return [
            FieldError(f"/permissions/{number}", "is no permission that a key can have")
            for number, permission in enumerate(self.permissions)
            if permission not in grantable_permissions()
        ]


def require_reach(own: Role, role: Role) -> None:
    """Refuse to make, to rotate or to revoke a key of a role above one's own; RoleAboveOwn."""
    if role > own:
        raise RoleAboveOwn
