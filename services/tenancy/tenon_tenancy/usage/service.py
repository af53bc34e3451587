from collections.abc import Mapping
from dataclasses import dataclass

from tenon_core import clock
from tenon_policy.call import Call
from tenon_rpc.usage import Month
from tenon_tenancy.clients import Usages
from tenon_tenancy.members.service import MemberService


@dataclass(frozen=True, slots=True)
class Usage:
    """What an organization uses; `figures` by their names, of all services."""

    month: Month
    members: int
    figures: Mapping[str, int]


class UsageService:
    """What organizations use, of all services together."""

    def __init__(self, members: MemberService, usages: Usages) -> None:
        self._members = members
        self._usages = usages

    async def get(self, call: Call, month: str) -> Usage:
        """Return what the call's organization uses; UsageUnavailable, InvalidArgument."""
        wanted = Month.read(month) if month else Month.of(clock.now())
        members = await self._members.count(call.org)
        return Usage(wanted, members, await self._usages.measure(call.org, wanted))
