from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from uuid import UUID

from tenon_core import clock
from tenon_core.display_names import normal_name
from tenon_core.errors import FieldError, InvalidArgument, NotFound
from tenon_core.ids import uuid7
from tenon_db.database import Database
from tenon_db.pages import Page, clamp, cut, read_time_and_id
from tenon_db.transaction import Transaction
from tenon_policy.call import Call
from tenon_policy.policies import Role
from tenon_policy.tags import Tags
from tenon_tenancy import events
from tenon_tenancy.errors import SlugTaken, TooManySlugs
from tenon_tenancy.members.service import MemberService
from tenon_tenancy.organizations.models import Organization
from tenon_tenancy.organizations.names import name_problems, slug_problems, slugs_for
from tenon_tenancy.organizations.repository import OrganizationRepository

CHANGEABLE = frozenset({"name", "slug"})
MAX_FORMER_SLUGS = 10
BATCH = 1_000


class OrganizationService:
    """Organizations."""

    def __init__(self, database: Database, members: MemberService, tags: Tags) -> None:
        self._database = database
        self._members = members
        self._tags = tags

    async def create(self, call: Call, name: str, slug: str) -> Organization:
        """Make an organization with the caller as its owner; without a slug, one is made from
        the name. SlugTaken, TooManyOrganizations, InvalidArgument.
        """
        name = normal_name(name)
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
            await self._members.add_within(tx, org_id, call.user, Role.OWNER, at)
        return Organization(org_id, name, claimed, at, Role.OWNER, at)

    async def list(self, call: Call, page_size: int, page_token: str) -> Page[Organization]:
        """List the caller's organizations, oldest membership first."""
        size, after = clamp(page_size), read_time_and_id(page_token)
        async with self._database.user(call.user) as tx:
            rows = await OrganizationRepository(tx).page(call.user, size + 1, after)
        return cut(rows, size, lambda organization: (organization.join_time, organization.id))

    async def name_within(self, tx: Transaction, org_id: UUID) -> str:
        """Return an organization's name, in a transaction of its own."""
        return (await OrganizationRepository(tx).get(org_id, Role.NONE)).name

    async def get_notice(self, org_id: UUID | None) -> tuple[str, Sequence[UUID]]:
        """Return an organization's name and the ids of its owners; NotFound."""
        if org_id is None:
            raise NotFound
        async with self._database.tenant(org_id) as tx:
            name = await self.name_within(tx, org_id)
            return name, await self._members.owner_ids(tx, org_id)

    async def get(self, call: Call) -> Organization:
        """Return the organization of the call, also to an API key, which is no member."""
        async with self._database.tenant(call.org) as tx:
            return await OrganizationRepository(tx).get(call.org, call.role)

    async def update(self, call: Call, changes: Mapping[str, str]) -> Organization:
        """Change the named fields; SlugTaken, TooManySlugs, InvalidArgument.

        The lists of all members show it, so none of them is answered from a cache meanwhile.
        """
        changes = _valid(changes)
        async with AsyncExitStack() as written, self._database.tenant(call.org) as tx:
            role = await self._members.own_role_within(tx, call)
            organizations = OrganizationRepository(tx)
            before = await organizations.get(call.org, role)
            if "name" in changes:
                await organizations.rename(call.org, changes["name"])
            if "slug" in changes:
                await _replace_slug(organizations, call.org, changes["slug"])
            await tx.publish(call.update(f"organizations/{call.org}", _named(before), changes))
            people = await self._members.user_ids(tx, call.org)
            tags = [f"users/{user_id}" for user_id in people]
            await written.enter_async_context(self._tags.written(tags))
            return await organizations.get(call.org, role)

    async def every_id(self) -> AsyncIterator[UUID]:
        """Yield the ids of all organizations, oldest first."""
        after, found = UUID(int=0), [UUID(int=0)]
        while found:
            async with self._database.system("usage") as tx:
                found = await OrganizationRepository(tx).find_ids(after, BATCH)
            for after in found:
                yield after


def _named(organization: Organization) -> Mapping[str, str]:
    """Return what can be changed of an organization."""
    return {"name": organization.name, "slug": organization.slug}


def _valid(changes: Mapping[str, str]) -> Mapping[str, str]:
    """Return the changes as they are stored; InvalidArgument."""
    if unknown := sorted(changes.keys() - CHANGEABLE):
        message = f"{unknown[0]} cannot be changed"
        raise InvalidArgument(fields=[FieldError("/update_mask", message)])
    valid = {field: normal_name(value) for field, value in changes.items()}
    problems = [
        *(name_problems(valid["name"]) if "name" in valid else ()),
        *(slug_problems(valid["slug"]) if "slug" in valid else ()),
    ]
    if problems:
        raise InvalidArgument(fields=problems)
    return valid


async def _replace_slug(organizations: OrganizationRepository, org_id: UUID, slug: str) -> None:
    """Give an organization another slug; the one before stays its own."""
    if not await organizations.reserve_slug(org_id, slug):
        raise SlugTaken
    await organizations.set_slug(org_id, slug)
    if await organizations.count_former_slugs(org_id) > MAX_FORMER_SLUGS:
        raise TooManySlugs


async def _claim(organizations: OrganizationRepository, org_id: UUID, slugs: Iterable[str]) -> str:
    for slug in slugs:
        if await organizations.claim_slug(org_id, slug):
            return slug
    raise SlugTaken
