from collections.abc import AsyncIterator, Iterable
from uuid import UUID

from tenon_core import clock
from tenon_core.errors import InvalidArgument
from tenon_core.ids import uuid7
from tenon_db.database import Database
from tenon_db.pages import Page, clamp, cut, read_time_and_id
from tenon_policy.call import Call
from tenon_policy.policies import Role
from tenon_tenancy import events
from tenon_tenancy.errors import SlugTaken
from tenon_tenancy.members.service import MemberService
from tenon_tenancy.organizations.models import Organization
from tenon_tenancy.organizations.names import name_problems, slug_problems, slugs_for
from tenon_tenancy.organizations.repository import OrganizationRepository

BATCH = 1_000


class OrganizationService:
    """Organizations."""

    def __init__(self, database: Database, members: MemberService) -> None:
        self._database = database
        self._members = members

    async def create(self, call: Call, name: str, slug: str) -> Organization:
        """Make an organization with the caller as its owner; without a slug, one is made from
        the name. SlugTaken, InvalidArgument.
        """
        name = name.strip()
        problems = [*name_problems(name), *(slug_problems(slug) if slug else ())]
        if problems:
            raise InvalidArgument(fields=problems)
        org_id, at = uuid7(), clock.now()
        async with self._database.tenant(org_id) as tx:
            organizations = OrganizationRepository(tx)
            await organizations.add(org_id, name, at)
            claimed = await _claim(organizations, org_id, [slug] if slug else slugs_for(name))
            await tx.publish(
                events.organization_created(org_id, call.user),
                call.access(f"organizations/{org_id}", org_id=org_id),
            )
            await self._members.add_owner(tx, org_id, call.user, at)
        return Organization(org_id, name, claimed, at, Role.OWNER, at)

    async def list(self, call: Call, page_size: int, page_token: str) -> Page[Organization]:
        """List the caller's organizations, oldest membership first."""
        size, after = clamp(page_size), read_time_and_id(page_token)
        async with self._database.user(call.user) as tx:
            rows = await OrganizationRepository(tx).page(call.user, size + 1, after)
        return cut(rows, size, lambda organization: (organization.join_time, organization.id))

    async def get(self, call: Call) -> Organization:
        """Return the organization of the call, also to an API key, which is no member."""
        async with self._database.tenant(call.org) as tx:
            return await OrganizationRepository(tx).get(call.org, call.role)

    async def every_id(self) -> AsyncIterator[UUID]:
        """Yield the ids of all organizations, oldest first."""
        after, found = UUID(int=0), [UUID(int=0)]
        while found:
            async with self._database.system("usage") as tx:
                found = await OrganizationRepository(tx).find_ids(after, BATCH)
            for after in found:
                yield after


async def _claim(organizations: OrganizationRepository, org_id: UUID, slugs: Iterable[str]) -> str:
    for slug in slugs:
        if await organizations.claim_slug(org_id, slug):
            return slug
    raise SlugTaken
