from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import grpc
import psycopg
import pytest

from services.tenancy.tests.audit_streams.receiver import Receiver, receiving
from tenon.tenancy.v1.audit_stream_pb2 import AuditDelivery, AuditStream
from tenon.tenancy.v1.audit_stream_service_pb2 import (
    CreateAuditStreamRequest,
    DeleteAuditStreamRequest,
    ListAuditDeliveriesRequest,
    ListAuditStreamsRequest,
    RotateAuditStreamSecretRequest,
    TestAuditStreamRequest,
    UpdateAuditStreamRequest,
)
from tenon.tenancy.v1.audit_stream_service_pb2_grpc import AuditStreamServiceStub
from tenon_core import clock
from tenon_rpc.backbone import Backbone
from tenon_tenancy.audit_events.models import Access
from tenon_tenancy.audit_events.repository import AuditEventRepository
from tenon_tenancy.settings import TenancySettings
from tenon_testing.callers import Callers, Tenant
from tenon_testing.system import System


@dataclass(frozen=True)
class Streams:
    """An organization's streams, and its log."""

    channel: grpc.aio.Channel
    tenant: Tenant
    backbone: Backbone[TenancySettings]
    admin: psycopg.AsyncConnection

    @property
    def org_id(self) -> UUID:
        return self.tenant.org_id

    async def create(self, **fields: Any) -> AuditStream:
        reply = await self._call("Create", CreateAuditStreamRequest, **fields)
        stream: AuditStream = reply.stream
        return stream

    async def update(self, stream: AuditStream, **fields: Any) -> AuditStream:
        mask = {"paths": list(fields)}
        reply = await self._call(
            "Update", UpdateAuditStreamRequest, stream_id=stream.id, update_mask=mask, **fields
        )
        changed: AuditStream = reply.stream
        return changed

    async def delete(self, stream: AuditStream) -> None:
        await self._call("Delete", DeleteAuditStreamRequest, stream_id=stream.id)

    async def rotate_secret(self, stream: AuditStream) -> AuditStream:
        stub = AuditStreamServiceStub(self.channel)
        request = RotateAuditStreamSecretRequest(org_id=str(self.org_id), stream_id=stream.id)
        reply = await stub.RotateAuditStreamSecret(request, metadata=self.tenant.metadata)
        rotated: AuditStream = reply.stream
        return rotated

    async def test(self, stream: AuditStream, seconds: float | None = None) -> Any:
        stub = AuditStreamServiceStub(self.channel)
        request = TestAuditStreamRequest(org_id=str(self.org_id), stream_id=stream.id)
        return await stub.TestAuditStream(request, metadata=self.tenant.metadata, timeout=seconds)

    async def get(self, stream: AuditStream) -> AuditStream:
        return next(one for one in await self.list() if one.id == stream.id)

    async def deliveries(self, stream: AuditStream) -> list[AuditDelivery]:
        stub = AuditStreamServiceStub(self.channel)
        request = ListAuditDeliveriesRequest(org_id=str(self.org_id), stream_id=stream.id)
        reply = await stub.ListAuditDeliveries(request, metadata=self.tenant.metadata)
        return list(reply.items)

    async def list(self) -> list[AuditStream]:
        stub = AuditStreamServiceStub(self.channel)
        request = ListAuditStreamsRequest(org_id=str(self.org_id))
        reply = await stub.ListAuditStreams(request, metadata=self.tenant.metadata)
        return list(reply.items)

    async def append(self, count: int) -> None:
        lines = [
            Access(uuid4(), f"action {number}", "users/me", "", None, "r", 1, clock.now())
            for number in range(count)
        ]
        async with self.backbone.database.tenant(self.org_id) as tx:
            await AuditEventRepository(tx).append(lines)

    async def head(self) -> int:
        found = await self.admin.execute(
            "SELECT position FROM tenancy.audit_heads WHERE org_id = %s", [self.org_id]
        )
        row = await found.fetchone()
        return row[0] if row else 0

    async def hurry(self) -> None:
        """Make the next attempt due."""
        await self.admin.execute(
            "UPDATE tenancy.audit_streams SET due_time = now() WHERE org_id = %s", [self.org_id]
        )

    async def _call(self, verb: str, kind: Any, **fields: Any) -> Any:
        method = getattr(AuditStreamServiceStub(self.channel), f"{verb}AuditStream")
        request = kind(org_id=str(self.org_id), **fields)
        return await method(request, metadata=self.tenant.metadata)


@pytest.fixture
async def streams(
    system: System,
    tenancy: grpc.aio.Channel,
    callers: Callers,
    backbone: Backbone[TenancySettings],
    admin: psycopg.AsyncConnection,
) -> AsyncIterator[Streams]:
    """The streams of a new organization, and a worker."""
    system.start("tenancy", "worker")
    own = Streams(tenancy, await callers.tenant(), backbone, admin)
    yield own
    await admin.execute("DELETE FROM tenancy.audit_streams")


@pytest.fixture
async def receiver(system: System) -> AsyncIterator[Receiver]:
    async with receiving(system.receiver_port) as receiver:
        yield receiver
