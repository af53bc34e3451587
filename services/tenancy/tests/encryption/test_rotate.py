from collections.abc import Awaitable, Callable
from typing import TypeAlias

import grpc
import pytest

from tenon.privacy.v1.data_key_pb2 import ROTATION_STATE_SUCCEEDED
from tenon.tenancy.v1.encryption_pb2 import ServiceEncryption
from tenon.tenancy.v1.encryption_service_pb2 import GetEncryptionRequest, RotateEncryptionRequest
from tenon.tenancy.v1.encryption_service_pb2_grpc import EncryptionServiceStub
from tenon_crypto.cells import OwnerKind
from tenon_policy.policies import Role
from tenon_rpc.backbone import Backbone
from tenon_rpc.status import PeerError
from tenon_tenancy.foundation import Foundation
from tenon_tenancy.settings import TenancySettings
from tenon_testing.callers import Caller, Callers, Tenant
from tenon_testing.system import System
from tenon_testing.waiting import eventually

Join: TypeAlias = Callable[[Tenant, Role], Awaitable[Caller]]


async def get(tenancy: grpc.aio.Channel, tenant: Tenant) -> ServiceEncryption:
    request = GetEncryptionRequest(org_id=str(tenant.org_id))
    stub = EncryptionServiceStub(tenancy)
    reply = await stub.GetEncryption(request, metadata=tenant.metadata)
    (encryption,) = reply.encryption.services
    assert encryption.service == "tenancy"
    found: ServiceEncryption = encryption
    return found


async def test_an_owner_has_the_key_replaced_and_sees_how_far_that_is(
    system: System,
    tenancy: grpc.aio.Channel,
    callers: Callers,
    backbone: Backbone[TenancySettings],
) -> None:
    system.start("tenancy", "worker")
    tenant = await callers.tenant()
    assert not (await get(tenancy, tenant)).keys
    async with backbone.database.tenant(tenant.org_id) as tx:
        await Foundation(backbone).keys.current(tx, OwnerKind.ORGANIZATION)
    (before,) = (await get(tenancy, tenant)).keys
    request = RotateEncryptionRequest(org_id=str(tenant.org_id))
    await EncryptionServiceStub(tenancy).RotateEncryption(request, metadata=tenant.metadata)

    async def done() -> ServiceEncryption | None:
        found = await get(tenancy, tenant)
        return found if found.rotation.state == ROTATION_STATE_SUCCEEDED else None

    after = await eventually(done, within=30)
    assert after is not None
    (key,) = after.keys
    assert key.current
    assert key.id != before.id


async def test_an_admin_sees_it_and_may_not_rotate(
    tenancy: grpc.aio.Channel, callers: Callers, join: Join
) -> None:
    tenant = await callers.tenant()
    admin = await join(tenant, Role.ADMIN)
    assert await get(tenancy, Tenant(tenant.org_id, admin))
    with pytest.raises(PeerError) as refused:
        await EncryptionServiceStub(tenancy).RotateEncryption(
            RotateEncryptionRequest(org_id=str(tenant.org_id)), metadata=admin.metadata
        )
    assert refused.value.reason == "role_too_low"
