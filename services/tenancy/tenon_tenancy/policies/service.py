from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from ipaddress import ip_network
from typing import Any
from uuid import UUID

from tenon_core.errors import FieldError, InvalidArgument
from tenon_db.database import Database
from tenon_db.transaction import Transaction
from tenon_policy.call import Call
from tenon_policy.demands import Demands, shows_second_factor
from tenon_policy.grants import DemandsKey, GrantChanges
from tenon_tenancy.errors import MailDomainNotAllowed, WouldLockYouOut
from tenon_tenancy.members.service import MemberService
from tenon_tenancy.policies.changes import valid_changes
from tenon_tenancy.policies.models import Policies
from tenon_tenancy.policies.repository import PolicyRepository, find_policies

MAX_CHECKED = 1_000


class PolicyService:
    """What organizations demand."""

    def __init__(self, database: Database, grants: GrantChanges, members: MemberService) -> None:
        self._database = database
        self._grants = grants
        self._members = members

    async def get(self, call: Call) -> Policies:
        async with self._database.tenant(call.org) as tx:
            return await PolicyRepository(tx, call.org).get()

    async def update(self, call: Call, changes: Mapping[str, Any]) -> Policies:
        """Change the named policies; InvalidArgument, WouldLockYouOut."""
        changes = valid_changes(changes)
        if reasons := list(_unmet(call, changes)):
            raise WouldLockYouOut(fields=reasons)
        async with self._database.tenant(call.org) as tx:
            await self._members.own_role_within(tx, call)
            repository = PolicyRepository(tx, call.org)
            before = await repository.get()
            policies = await repository.update({**changes})
            await tx.publish(call.update("policies", asdict(before), changes))
            await self._tell(tx, call.org, policies.version)
        return policies

    async def require_address(self, tx: Transaction, org_id: UUID, email: str) -> None:
        """Refuse an address that may not be invited, in the transaction that invites it, or lets
        its owner accept; MailDomainNotAllowed.
        """
        if not (await PolicyRepository(tx, org_id).get()).admits(email):
            raise MailDomainNotAllowed

    async def check(self, org_ids: Sequence[UUID | None]) -> Sequence[Policies | None]:
        """Return the policies of these organizations in their order; None for what is none."""
        if len(org_ids) > MAX_CHECKED:
            raise InvalidArgument(fields=[FieldError("/org_ids", f"must be at most {MAX_CHECKED}")])
        async with self._database.system("demands") as tx:
            found = await find_policies(tx, [org_id for org_id in org_ids if org_id])
        return [found.get(org_id) if org_id else None for org_id in org_ids]

    async def _tell(self, tx: Transaction, org_id: UUID, version: int) -> None:
        """Let the hot copy follow; called just before the commit, while the lock is held."""
        key = DemandsKey(org_id)
        mark = await self._grants.mark(key)
        tx.after_commit(lambda: self._grants.settle({key: version}, mark))


def _unmet(call: Call, changes: Mapping[str, Any]) -> Iterator[FieldError]:
    """Say which of the changes the caller would not meet. (Hours they do, by a recent log-in.)"""
    if changes.get("mfa_required") and not shows_second_factor(call.methods):
        yield FieldError("/mfa_required", "you are logged in without a second factor")
    networks = tuple(map(ip_network, changes.get("allowed_networks", ())))
    if not Demands(0, networks=networks).admits(call.address):
        yield FieldError(
            "/allowed_networks", f"your own address, {call.address or 'unknown'}, is in none"
        )
