from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

import pytest

from tenon.tenancy.v1.member_service_pb2 import DESCRIPTOR
from tenon_core.errors import Unavailable
from tenon_embedded.ports import free_port
from tenon_policy.call import Call
from tenon_policy.policies import Role, load_policies
from tenon_rpc.backbone import Backbone
from tenon_rpc.channel import open_channel
from tenon_tenancy.app import APP
from tenon_tenancy.clients import AuthDirectory
from tenon_tenancy.members.service import MemberService
from tenon_tenancy.settings import TenancySettings
from tenon_testing.callers import Caller, Callers, Tenant
from tenon_testing.system import System

Join: TypeAlias = Callable[[Tenant, Role], Awaitable[Caller]]

POLICIES = load_policies(DESCRIPTOR.services_by_name.values())


@pytest.fixture
async def members(
    system: System, backbone: Backbone[TenancySettings]
) -> AsyncIterator[MemberService]:
    """Members where auth is where nobody listens."""
    peers = {"auth": f"127.0.0.1:{free_port()}"}
    channel = open_channel(system.settings(APP).model_copy(update={"peers": peers}), "auth")
    yield MemberService(
        backbone.database,
        backbone.grant_changes,
        AuthDirectory(channel),
        backbone.settings.owned_organizations_per_user,
    )
    await channel.close(None)


def call(method: str, tenant: Tenant) -> Call:
    policy = POLICIES[f"/tenon.tenancy.v1.MemberService/{method}"]
    return Call("r", policy, "gateway", tenant.owner.user_id, None, tenant.org_id, Role.OWNER)


async def test_a_change_is_confirmed_without_a_name(
    members: MemberService, callers: Callers, join: Join
) -> None:
    tenant = await callers.tenant()
    viewer = await join(tenant, Role.VIEWER)
    named = await members.update(
        call("UpdateMember", tenant), viewer.user_id, Role.ADMIN, revoke_api_keys=False
    )
    assert (named.member.role, named.email, named.name) == (Role.ADMIN, "", "")


async def test_a_list_is_not_shown(members: MemberService, callers: Callers) -> None:
    with pytest.raises(Unavailable):
        await members.list(call("ListMembers", await callers.tenant()), 0, "")
