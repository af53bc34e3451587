"""What a mail says about an API key."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tenon_notifications.api_key_clients import ApiKeys, Owners
from tenon_notifications.clients import People
from tenon_notifications.emails.models import Email
from tenon_notifications.errors import Undeliverable


@dataclass(frozen=True, slots=True)
class ApiKeyNotice:
    """An API key; one that was revoked since has no name, role and time."""

    organization_name: str
    actor_name: str
    key_id: str
    key_name: str = ""
    role: str = ""
    expire_time: datetime | None = None


class ApiKeyNotices:
    """Asks auth for the key and for who acted, and tenancy for the organization."""

    def __init__(self, api_keys: ApiKeys, people: People, owners: Owners) -> None:
        self._api_keys = api_keys
        self._people = people
        self._owners = owners

    async def find(self, email: Email) -> ApiKeyNotice:
        """Return what a mail says, also of a key that was revoked since: its use may have been
        harmful until then. Undeliverable.
        """
        org_id, key_id = email.in_organization
        organization = await self._owners.find(org_id)
        if organization is None:
            raise Undeliverable("the organization is gone")
        actor_name = await self._actor_name(email.actor_id)
        key = await self._api_keys.find(org_id, key_id)
        if key is None:
            return ApiKeyNotice(organization.name, actor_name, str(key_id))
        return ApiKeyNotice(
            organization.name, actor_name, str(key_id), key.name, key.role, key.expire_time
        )

    async def _actor_name(self, actor_id: UUID | None) -> str:
        """Return the name of who acted; empty if they have no verified account any longer."""
        actor = await self._people.find(actor_id) if actor_id else None
        return actor.name if actor and actor.verified else ""
