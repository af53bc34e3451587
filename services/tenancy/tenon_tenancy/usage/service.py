from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from tenon_core import clock
from tenon_policy.call import Call
from tenon_rpc.usage import Month
from tenon_tenancy.clients import Usages
from tenon_tenancy.members.service import MemberService
from tenon_tenancy.organizations.service import OrganizationService


@dataclass(frozen=True, slots=True)
class Usage:
    """What an organization uses; `figures` by their names, of all services."""

    month: Month
    members: int
    figures: Mapping[str, int]


class UsageService:
    """What organizations use, of all services together."""

    def __init__(
        self, organizations: OrganizationService, members: MemberService, usages: Usages
    ) -> None:
        self._organizations = organizations
        self._members = members
        self._usages = usages

    async def get(self, call: Call, month: str) -> Usage:
        """Return what the call's organization uses; UsageUnavailable, InvalidArgument."""
        return await self._of(call.org, _read(month))

    async def every(self, month: str) -> AsyncIterator[tuple[UUID, Usage]]:
        """Yield what each organization uses, oldest first; UsageUnavailable, InvalidArgument."""
        wanted = _read(month)
        async for org_id in self._organizations.every_id():
            yield org_id, await self._of(org_id, wanted)

    async def _of(self, org_id: UUID, month: Month) -> Usage:
        members = await self._members.count(org_id)
        return Usage(month, members, await self._usages.measure(org_id, month))


def _read(month: str) -> Month:
    return Month.read(month) if month else Month.of(clock.now())
