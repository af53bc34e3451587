from collections.abc import Awaitable, Callable
from typing import TypeAlias
from uuid import uuid4

import grpc
import pytest

from tenon.tenancy.v1.member_service_pb2 import CheckMembershipsRequest, MembershipKey
from tenon.tenancy.v1.member_service_pb2_grpc import MemberServiceStub
from tenon.tenancy.v1.role_pb2 import ROLE_OWNER, ROLE_UNSPECIFIED, ROLE_VIEWER
from tenon_policy.policies import Role
from tenon_rpc.status import PeerError
from tenon_testing.callers import Caller, Callers, Tenant

Join: TypeAlias = Callable[[Tenant, Role], Awaitable[Caller]]


def key(org_id: object, user_id: object) -> MembershipKey:
    return MembershipKey(org_id=str(org_id), user_id=str(user_id))


async def test_answers_in_the_order_of_the_keys(
    tenancy: grpc.aio.Channel, callers: Callers, join: Join
) -> None:
    one, two = await callers.tenant(), await callers.tenant()
    viewer = await join(one, Role.VIEWER)
    keys = [
        key(one.org_id, viewer.user_id),
        key(two.org_id, viewer.user_id),
        key(two.org_id, two.owner.user_id),
        key("", two.owner.user_id),
        key(one.org_id, "me"),
        key(uuid4(), uuid4()),
        key(one.org_id, viewer.user_id),
    ]
    reply = await MemberServiceStub(tenancy).CheckMemberships(CheckMembershipsRequest(keys=keys))
    nobody = ROLE_UNSPECIFIED
    assert list(reply.roles) == [
        ROLE_VIEWER,
        nobody,
        ROLE_OWNER,
        nobody,
        nobody,
        nobody,
        ROLE_VIEWER,
    ]


async def test_takes_a_thousand_keys_and_no_more(
    tenancy: grpc.aio.Channel, callers: Callers
) -> None:
    tenant = await callers.tenant()
    keys = [key(tenant.org_id, tenant.owner.user_id)] * 1_000
    reply = await MemberServiceStub(tenancy).CheckMemberships(CheckMembershipsRequest(keys=keys))
    assert list(reply.roles) == [ROLE_OWNER] * 1_000
    with pytest.raises(PeerError) as refused:
        await MemberServiceStub(tenancy).CheckMemberships(
            CheckMembershipsRequest(keys=[*keys, keys[0]])
        )
    assert [field.pointer for field in refused.value.fields] == ["/keys"]


async def test_takes_no_keys(tenancy: grpc.aio.Channel) -> None:
    reply = await MemberServiceStub(tenancy).CheckMemberships(CheckMembershipsRequest())
    assert list(reply.roles) == []
