from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, DateTime, Integer, SmallInteger, Table, Uuid

from tenon_core.errors import FieldError, InvalidArgument
from tenon_db.tables import GLOBAL, TENANT
from tenon_policy.policies import Role
from tenon_tenancy.errors import RoleAboveOwn
from tenon_tenancy.organizations.models import METADATA

memberships = Table(
    "memberships",
    METADATA,
    Column("org_id", Uuid, primary_key=True),
    Column("user_id", Uuid, primary_key=True),
    Column("role", SmallInteger, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    info=TENANT,
)

# How many organizations each user owns, kept by a trigger of `memberships`.
owned_organizations = Table(
    "owned_organizations",
    METADATA,
    Column("user_id", Uuid, primary_key=True),
    Column("organizations", Integer, nullable=False),
    info=GLOBAL,
)

# Ids of users who left all organizations because their account is being deleted.
released_users = Table(
    "released_users",
    METADATA,
    Column("user_id", Uuid, primary_key=True),
    Column("release_time", DateTime(timezone=True), nullable=False),
    info=GLOBAL,
)


@dataclass(frozen=True, slots=True)
class Member:
    user_id: UUID
    role: Role
    create_time: datetime


@dataclass(frozen=True, slots=True)
class NamedMember:
    """A member with what auth knows of them; empty if it knows nobody of this id any more."""

    member: Member
    email: str
    name: str


def read_role(number: int) -> Role:
    """Read the role that is to be given; InvalidArgument for none and for one that is not ours."""
    if number not in (Role.VIEWER, Role.MEMBER, Role.ADMIN, Role.OWNER):
        raise InvalidArgument(fields=[FieldError("/role", "must be one of the roles")])
    return Role(number)


def require_reach(own: Role, *roles: Role) -> None:
    """Refuse to give or to touch a role above one's own; RoleAboveOwn."""
    if max(roles) > own:
        raise RoleAboveOwn
