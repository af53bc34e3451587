import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tenon.tenancy.v1.audit_checkpoint_pb2 import AuditCheckpoint
from tenon.tenancy.v1.audit_checkpoint_service_pb2 import (
    CreateAuditCheckpointRequest,
    CreateAuditCheckpointResponse,
    ListAuditCheckpointsRequest,
    ListCheckpointKeysRequest,
)
from tenon.tenancy.v1.audit_checkpoint_service_pb2_grpc import AuditCheckpointServiceStub
from tenon_core import clock
from tenon_policy.policies import Role
from tenon_rpc.backbone import Backbone
from tenon_tenancy.audit_checkpoints import documents
from tenon_tenancy.audit_checkpoints.models import Checkpoint
from tenon_tenancy.audit_checkpoints.signing import is_genuine
from tenon_tenancy.audit_events.models import Access
from tenon_tenancy.audit_events.repository import AuditEventRepository
from tenon_tenancy.settings import TenancySettings
from tenon_testing.callers import Caller, Callers, Tenant
from tenon_testing.system import System
from tenon_testing.waiting import eventually

Join: TypeAlias = Callable[[Tenant, Role], Awaitable[Caller]]


def access(action: str) -> Access:
    return Access(uuid4(), action, "users/me", "", None, "r", 1, clock.now())


async def append(backbone: Backbone[TenancySettings], org_id: UUID, count: int) -> None:
    async with backbone.database.tenant(org_id) as tx:
        await AuditEventRepository(tx).append([access(str(number)) for number in range(count)])


@pytest.fixture
async def public_keys(tenancy: grpc.aio.Channel) -> dict[str, Ed25519PublicKey]:
    """The keys that anybody gets."""
    reply = await AuditCheckpointServiceStub(tenancy).ListCheckpointKeys(
        ListCheckpointKeysRequest()
    )
    keys = {}
    for key in reply.keys:
        said = {"kty": key.kty, "crv": key.crv, "x": key.x}
        parsed = jwt.PyJWK(said, algorithm="EdDSA").key
        assert isinstance(parsed, Ed25519PublicKey)
        keys[key.kid] = parsed
    return keys


async def create(tenancy: grpc.aio.Channel, tenant: Tenant) -> AuditCheckpoint:
    reply: CreateAuditCheckpointResponse = await AuditCheckpointServiceStub(
        tenancy
    ).CreateAuditCheckpoint(
        CreateAuditCheckpointRequest(org_id=str(tenant.org_id)), metadata=tenant.metadata
    )
    return reply.checkpoint


def stored(system: System, org_id: UUID, name: str) -> Checkpoint | None:
    path = system.directory / "checkpoints" / "audit" / "orgs" / str(org_id) / f"{name}.json"
    return documents.read(path.read_bytes()) if path.exists() else None


async def test_a_worker_covers_what_grew_and_anybody_can_check_it(
    system: System,
    callers: Callers,
    backbone: Backbone[TenancySettings],
    tenancy: grpc.aio.Channel,
    public_keys: dict[str, Ed25519PublicKey],
) -> None:
    system.start("tenancy", "worker")
    tenant = await callers.tenant()
    await append(backbone, tenant.org_id, 3)

    async def covered() -> Checkpoint | None:
        return stored(system, tenant.org_id, "latest")

    checkpoint = await eventually(covered, within=60)
    assert checkpoint is not None
    assert checkpoint.position >= 3
    assert is_genuine(checkpoint, public_keys)

    async def listed() -> str | None:  # the storage has it before the database says so
        reply = await AuditCheckpointServiceStub(tenancy).ListAuditCheckpoints(
            ListAuditCheckpointsRequest(org_id=str(tenant.org_id)), metadata=tenant.metadata
        )
        return {item.position: item.hash for item in reply.items}.get(checkpoint.position)

    assert await eventually(listed) == checkpoint.hash.hex()


async def test_one_is_made_on_demand(
    system: System,
    callers: Callers,
    backbone: Backbone[TenancySettings],
    tenancy: grpc.aio.Channel,
    public_keys: dict[str, Ed25519PublicKey],
) -> None:
    tenant = await callers.tenant()
    await append(backbone, tenant.org_id, 2)
    made = await create(tenancy, tenant)
    checkpoint = stored(system, tenant.org_id, f"{made.position:019}")
    assert checkpoint is not None
    assert checkpoint.position == made.position >= 2
    assert is_genuine(checkpoint, public_keys)


@pytest.mark.parametrize(
    "change",
    [
        {"owner": "orgs/another"},
        {"position": 4},
        {"previous": 4},
        {"hash": bytes([1]) * 32},
        {"create_time": clock.now()},
        {"key_id": "another"},
        {"signature": bytes(64)},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_a_checkpoint_says_nothing_else_than_was_signed(
    change: dict[str, Any],
    system: System,
    callers: Callers,
    tenancy: grpc.aio.Channel,
    public_keys: dict[str, Ed25519PublicKey],
) -> None:
    tenant = await callers.tenant()
    request = CreateAuditCheckpointRequest(org_id=str(tenant.org_id))
    await AuditCheckpointServiceStub(tenancy).CreateAuditCheckpoint(
        request, metadata=tenant.metadata
    )
    checkpoint = stored(system, tenant.org_id, "latest")
    assert checkpoint is not None
    assert is_genuine(checkpoint, public_keys)
    assert not is_genuine(dataclasses.replace(checkpoint, **change), public_keys)
