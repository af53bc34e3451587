"""An owner who exports their log, and what is in the files."""

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import grpc

from tenon.tenancy.v1.audit_checkpoint_service_pb2 import ListCheckpointKeysRequest
from tenon.tenancy.v1.audit_checkpoint_service_pb2_grpc import AuditCheckpointServiceStub
from tenon.tenancy.v1.audit_export_pb2 import AuditExport
from tenon.tenancy.v1.audit_export_service_pb2 import (
    GetAuditExportFilesRequest,
    GetAuditExportRequest,
    ListAuditExportsRequest,
    StartAuditExportRequest,
)
from tenon.tenancy.v1.audit_export_service_pb2_grpc import AuditExportServiceStub
from tenon_rpc.backbone import Backbone
from tenon_storage.links import verify_link
from tenon_tenancy.audit_events.models import Access
from tenon_tenancy.audit_events.repository import AuditEventRepository
from tenon_tenancy.settings import TenancySettings
from tenon_testing.callers import Tenant
from tenon_testing.system import System
from tenon_testing.waiting import eventually

SCRIPT = Path(__file__).parents[4] / "docs" / "verify_audit_log.py"
MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
FORMULA = "=HYPERLINK(A1)"


class Client:
    """An owner, and what they export."""

    def __init__(self, system: System, tenancy: grpc.aio.Channel, tenant: Tenant) -> None:
        self._system = system
        self._stub = AuditExportServiceStub(tenancy)
        self._keys = AuditCheckpointServiceStub(tenancy)
        self.tenant = tenant
        self.org_id = str(tenant.org_id)

    async def start(self, **wanted: Any) -> AuditExport:
        request = StartAuditExportRequest(org_id=self.org_id, **wanted)
        reply = await self._stub.StartAuditExport(request, metadata=self.tenant.metadata)
        export: AuditExport = reply.export
        return export

    async def get(self, export_id: str) -> AuditExport:
        request = GetAuditExportRequest(org_id=self.org_id, audit_export_id=export_id)
        reply = await self._stub.GetAuditExport(request, metadata=self.tenant.metadata)
        export: AuditExport = reply.export
        return export

    async def list(self) -> list[str]:
        request = ListAuditExportsRequest(org_id=self.org_id)
        reply = await self._stub.ListAuditExports(request, metadata=self.tenant.metadata)
        return [item.id for item in reply.items]

    async def exported(self, **wanted: Any) -> AuditExport:
        """Start an export and wait for its end."""
        return await self.ended((await self.start(**wanted)).id)

    async def ended(self, export_id: str) -> AuditExport:
        async def ended() -> AuditExport | None:
            export = await self.get(export_id)
            working = (AuditExport.STATE_QUEUED, AuditExport.STATE_RUNNING)
            return None if export.state in working else export

        export = await eventually(ended)
        assert export is not None
        assert export.state == AuditExport.STATE_SUCCEEDED, export.failure
        return export

    async def files(self, export_id: str) -> tuple[Path, Path]:
        """Return where the signed links lead to: the log, and the checkpoints."""
        request = GetAuditExportFilesRequest(org_id=self.org_id, audit_export_id=export_id)
        reply = await self._stub.GetAuditExportFiles(request, metadata=self.tenant.metadata)
        key, folder = (self._system.directory / "link.key").read_bytes(), self._system.directory
        log, checkpoints = (
            folder / "files" / verify_link(url.rpartition("/")[2], key).path
            for url in (reply.log_url, reply.checkpoints_url)
        )
        return log, checkpoints

    async def verified(self, export_id: str, folder: Path) -> str:
        """Let a third party check an export; return what they are told."""
        reply = await self._keys.ListCheckpointKeys(ListCheckpointKeysRequest())
        keys = folder / "keys.json"
        keys.write_text(json.dumps({"keys": [{"kid": key.kid, "x": key.x} for key in reply.keys]}))
        command = [sys.executable, "-I", *map(str, (SCRIPT, *(await self.files(export_id)), keys))]
        finished = await asyncio.to_thread(
            lambda: subprocess.run(  # noqa: S603 # our own script
                command, capture_output=True, text=True, check=False
            )
        )
        assert finished.returncode == 0, finished.stderr
        return str(finished.stdout)


async def append(backbone: Backbone[TenancySettings], org_id: UUID, hours: range) -> None:
    lines = [
        Access(uuid4(), "test", "users/me", FORMULA, None, "r", 1, MIDNIGHT + timedelta(hours=hour))
        for hour in hours
    ]
    async with backbone.database.tenant(org_id) as tx:
        await AuditEventRepository(tx).append(lines)


def hours(lines: list[Any]) -> list[int]:
    """Return which of the eight lines are there."""
    times = [datetime.fromisoformat(str(line)) for line in lines]
    return [at.hour for at in times if at.date() == MIDNIGHT.date()]


def as_jsonl(path: Path) -> list[str]:
    seconds = (json.loads(line)["time_us"] / 1e6 for line in path.read_text().splitlines())
    return [str(datetime.fromtimestamp(second, UTC)) for second in seconds]
