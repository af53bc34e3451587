from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import structlog

from tenon_core import clock
from tenon_core.errors import FieldError, InvalidArgument, TenonError
from tenon_core.events import Event
from tenon_db.database import Database
from tenon_db.pages import Page, clamp, cut, read_time_and_id
from tenon_db.transaction import Transaction
from tenon_policy.authorization import require_role
from tenon_policy.call import Call
from tenon_policy.grants import GrantChanges, GrantKey, MemberKey
from tenon_policy.policies import Role
from tenon_tenancy import events
from tenon_tenancy.clients import Directory
from tenon_tenancy.errors import AccountBeingDeleted, LastOwner, MemberNotFound
from tenon_tenancy.limits import OWNED_ORGANIZATIONS
from tenon_tenancy.members.models import Member, NamedMember, require_reach
from tenon_tenancy.members.repository import (
    MemberRepository,
    ReleaseRepository,
    count_owned,
    find_accounts,
    find_organizations,
    find_roles,
)

MAX_CHECKED = 1_000

log = structlog.get_logger()


class MemberService:
    """Who belongs to an organization, and as what. The `…_within` methods are for siblings that
    hold a transaction of the organization's.
    """

    def __init__(
        self, database: Database, grants: GrantChanges, directory: Directory, max_owned: int
    ) -> None:
        self._max_owned = max_owned
        self._database = database
        self._grants = grants
        self._directory = directory

    async def add_within(
        self, tx: Transaction, org_id: UUID, user_id: UUID, role: Role, create_time: datetime
    ) -> None:
        """Make a user a member; AccountBeingDeleted, TooManyOrganizations. To be the last in its
        transaction.
        """
        releases = ReleaseRepository(tx, user_id)
        await releases.hold_off()
        if await releases.exists():
            raise AccountBeingDeleted
        await MemberRepository(tx, org_id).add(Member(user_id, role, create_time))
        if role is Role.OWNER:
            await self._require_within_limit(tx, user_id)
        await self._grant(tx, org_id, {user_id: role})

    async def lock_within(self, tx: Transaction, org_id: UUID) -> None:
        """Keep everybody else from changing who is what until the commit."""
        await MemberRepository(tx, org_id).lock()

    async def role_within(self, tx: Transaction, org_id: UUID, user_id: UUID) -> Role:
        member = await MemberRepository(tx, org_id).find(user_id)
        return member.role if member else Role.NONE

    async def own_role_within(self, tx: Transaction, call: Call) -> Role:
        """Return the caller's role, which nobody changes any more until the commit.

        It is read anew under the lock: two owners who lower each other at once do not both
        succeed. NotFound, RoleTooLow.
        """
        await self.lock_within(tx, call.org)
        own = await self.role_within(tx, call.org, call.user)
        require_role(call.policy, own)
        return own

    async def hand_over_within(
        self, tx: Transaction, org_id: UUID, owner_id: UUID, user_id: UUID
    ) -> None:
        """Make a member an owner in place of another, who is an admin then; under the lock, and
        to be the last in its transaction. TooManyOrganizations.
        """
        roles = {user_id: Role.OWNER, owner_id: Role.ADMIN}
        for member_id, role in roles.items():
            await MemberRepository(tx, org_id).set_role(member_id, role)
            await tx.publish(events.member_updated(org_id, member_id, role))
        await self._require_within_limit(tx, user_id)
        await self._grant(tx, org_id, roles)

    async def list(self, call: Call, page_size: int, page_token: str) -> Page[NamedMember]:
        """List the members, oldest first."""
        size, after = clamp(page_size), read_time_and_id(page_token)
        async with self._database.tenant(call.org) as tx:
            rows = await MemberRepository(tx, call.org).page(size + 1, after)
        page = cut(rows, size, lambda member: (member.create_time, member.user_id))
        return Page(await self._named(page.items), page.next_page_token)

    async def update(
        self, call: Call, user_id: UUID | None, role: Role, *, revoke_api_keys: bool
    ) -> NamedMember:
        """Give a member another role; MemberNotFound, RoleAboveOwn, LastOwner,
        TooManyOrganizations.
        """
        async with self._database.tenant(call.org) as tx:
            member = await self._lock(tx, call, user_id, role)
            if member.role is role and not revoke_api_keys:
                call.had_no_effect()
            else:
                await MemberRepository(tx, call.org).set_role(member.user_id, role)
                if role is Role.OWNER and member.role is not Role.OWNER:
                    await self._require_within_limit(tx, member.user_id)
                await tx.publish(
                    events.member_updated(
                        call.org, member.user_id, role, revoke_api_keys=revoke_api_keys
                    ),
                    call.update(
                        f"members/{member.user_id}",
                        {"role": member.role, "revoke_api_keys": False},
                        {"role": role, "revoke_api_keys": revoke_api_keys},
                    ),
                )
                await self._grant(tx, call.org, {member.user_id: role})
        return await self._named_if_possible(Member(member.user_id, role, member.create_time))

    async def remove(self, call: Call, user_id: UUID | None, *, revoke_api_keys: bool) -> None:
        """Remove a member; MemberNotFound, RoleAboveOwn, LastOwner."""
        async with self._database.tenant(call.org) as tx:
            member = await self._lock(tx, call, user_id, Role.NONE)
            await MemberRepository(tx, call.org).remove(member.user_id)
            await tx.publish(
                events.member_removed(call.org, member.user_id, revoke_api_keys=revoke_api_keys),
                *_removal_records(call, call.org, member.user_id, revoke_api_keys),
            )
            await self._grant(tx, call.org, {member.user_id: Role.NONE})

    async def leave(self, call: Call, *, revoke_api_keys: bool) -> None:
        """Let the caller leave the organization; LastOwner."""
        call.had_no_effect()  # unless they are still there when it is their turn
        await self._leave(call.org, call.user, call, revoke_api_keys=revoke_api_keys)

    async def release(self, call: Call, user_id: UUID | None) -> None:
        """Remove a user from all organizations; LastOwner, and then from none.

        All are looked at before the first is left, and they join no other from then on. Whoever
        loses the other owner in between has left some of those that they owned, and may join again.
        """
        call.had_no_effect()  # what they leave is on record in each organization
        if user_id is None:
            return
        organizations = await self._release(user_id)
        try:
            for org_id, _ in organizations:
                await self._leave(org_id, user_id, call)
        except LastOwner:
            async with self._database.user(user_id) as tx:
                await ReleaseRepository(tx, user_id).remove()
            raise

    async def _release(self, user_id: UUID) -> Sequence[tuple[UUID, Role]]:
        """Let a user join no organization any more; return those to leave. LastOwner."""
        async with self._database.user(user_id) as tx:
            releases = ReleaseRepository(tx, user_id)
            await releases.lock()
            organizations = await find_organizations(tx, user_id)
            for org_id, role in organizations:
                if role is Role.OWNER:
                    async with self._database.tenant(org_id) as org_tx:
                        await _require_other_owner(MemberRepository(org_tx, org_id), user_id)
            await releases.add(clock.now())
        return organizations

    async def remove_erased(self, user_id: UUID) -> int:
        """Remove who is no more from all organizations, even as the last owner; return from how
        many.
        """
        organizations = await self.organizations_of(user_id)
        for org_id, _ in organizations:
            await self._leave(org_id, user_id)
        return len(organizations)

    async def organizations_of(self, user_id: UUID) -> Sequence[tuple[UUID, Role]]:
        """Return where somebody belongs and in what role, what they own first."""
        async with self._database.user(user_id) as tx:
            return await find_organizations(tx, user_id)

    async def count(self, org_id: UUID) -> int:
        async with self._database.tenant(org_id) as tx:
            return await MemberRepository(tx, org_id).count()

    async def check(self, keys: Sequence[MemberKey | None]) -> Sequence[Role]:
        """Return the roles of these keys in their order; `Role.NONE` for None and no member."""
        if len(keys) > MAX_CHECKED:
            raise InvalidArgument(fields=[FieldError("/keys", f"must be at most {MAX_CHECKED}")])
        async with self._database.system("grants") as tx:
            roles = await find_roles(tx, [key for key in keys if key])
        return [roles.get(key, Role.NONE) if key else Role.NONE for key in keys]

    async def accounts(self, org_ids: Sequence[UUID | None]) -> Sequence[UUID | None]:
        """Return each organization's longest-standing owner; None where there is none."""
        if len(org_ids) > MAX_CHECKED:
            raise InvalidArgument(fields=[FieldError("/org_ids", f"must be at most {MAX_CHECKED}")])
        async with self._database.system("grants") as tx:
            accounts = await find_accounts(tx, [org_id for org_id in org_ids if org_id])
        return [accounts.get(org_id) if org_id else None for org_id in org_ids]

    async def user_ids(self, tx: Transaction, org_id: UUID) -> Sequence[UUID]:
        """Return who belongs to an organization; nobody joins while it is locked."""
        return await MemberRepository(tx, org_id).user_ids()

    async def owner_ids(self, tx: Transaction, org_id: UUID) -> Sequence[UUID]:
        return await MemberRepository(tx, org_id).owners()

    async def _lock(self, tx: Transaction, call: Call, user_id: UUID | None, role: Role) -> Member:
        """Return the member who is to get this role, once the caller may give it."""
        members, own = MemberRepository(tx, call.org), await self.own_role_within(tx, call)
        member = await members.find(user_id) if user_id else None
        if member is None:
            raise MemberNotFound
        require_reach(own, member.role, role)
        if member.role is Role.OWNER and role is not Role.OWNER:
            await _require_other_owner(members, member.user_id)
        return member

    async def _require_within_limit(self, tx: Transaction, user_id: UUID) -> None:
        """Refuse a change that made a user an owner; TooManyOrganizations."""
        if await count_owned(tx, user_id) > self._max_owned:
            raise OWNED_ORGANIZATIONS.exceeded()

    async def _leave(
        self,
        org_id: UUID,
        user_id: UUID,
        call: Call | None = None,
        *,
        revoke_api_keys: bool = False,
    ) -> None:
        """Remove a user from an organization; for a call LastOwner, if it has no other."""
        async with self._database.tenant(org_id) as tx:
            members = MemberRepository(tx, org_id)
            await members.lock()
            member = await members.find(user_id)
            if member is None:
                return
            if call and member.role is Role.OWNER:
                await _require_other_owner(members, user_id)
            await members.remove(user_id)
            await tx.publish(
                events.member_removed(org_id, user_id, revoke_api_keys=revoke_api_keys),
                *(_removal_records(call, org_id, user_id, revoke_api_keys) if call else ()),
            )
            await self._grant(tx, org_id, {user_id: Role.NONE})

    async def _grant(self, tx: Transaction, org_id: UUID, roles: Mapping[UUID, Role]) -> None:
        """Let the hot copies follow; called just before the commit, while the lock is held."""
        levels: dict[GrantKey, Role] = {
            MemberKey(org_id, user_id): role for user_id, role in roles.items()
        }
        mark = await self._grants.mark(*levels)
        tx.after_commit(lambda: self._grants.settle(levels, mark))

    async def _named(self, members: Sequence[Member]) -> Sequence[NamedMember]:
        profiles = await self._directory.profiles([member.user_id for member in members])
        return [
            NamedMember(member, profile.email, profile.name)
            if (profile := profiles.get(member.user_id))
            else NamedMember(member, "", "")
            for member in members
        ]

    async def _named_if_possible(self, member: Member) -> NamedMember:
        """A change that is committed does not fail any more because auth does not answer."""
        try:
            (named,) = await self._named([member])
        except TenonError as error:
            log.warning("auth does not answer; a name is left out", error=error.detail)
            named = NamedMember(member, "", "")
        return named


def _removal_records(
    call: Call, org_id: UUID, user_id: UUID, revoke_api_keys: bool
) -> Sequence[Event]:
    member = f"members/{user_id}"
    resources = [member, f"{member}/api-keys"] if revoke_api_keys else [member]
    return [call.access(resource, org_id=org_id) for resource in resources]


async def _require_other_owner(members: MemberRepository, owner_id: UUID) -> None:
    if not await members.has_other_owner(owner_id):
        raise LastOwner
