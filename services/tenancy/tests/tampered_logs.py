"""Audit logs whose database has an administrator who tampers."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg

from tenon_core import clock
from tenon_db.database import Database
from tenon_rpc.backbone import Backbone
from tenon_storage.file_storage import FileStorage
from tenon_tenancy.audit_checkpoints import documents
from tenon_tenancy.audit_checkpoints.models import Checkpoint, LogKey
from tenon_tenancy.audit_checkpoints.service import AuditCheckpointService
from tenon_tenancy.audit_checkpoints.signing import CheckpointKeys
from tenon_tenancy.audit_events.chain import chained
from tenon_tenancy.audit_events.models import ORGANIZATIONS, Access
from tenon_tenancy.audit_events.reading import read_log, scope
from tenon_tenancy.audit_events.repository import AuditEventRepository
from tenon_tenancy.audit_events.service import AuditEventService
from tenon_tenancy.audit_verification.service import AuditVerificationService
from tenon_tenancy.audit_verification.verification import Finding, Report
from tenon_tenancy.clients import AuditClients, AuthAuditClients
from tenon_tenancy.settings import TenancySettings

COVERED = 5


def clients_of(backbone: Backbone[TenancySettings]) -> AuditClients:
    return AuthAuditClients(backbone.channels["auth"])


async def append(database: Database, key: LogKey, count: int = 1) -> None:
    accesses = [
        Access(uuid4(), f"action {number}", "users/me", "", None, "r", 1, clock.now())
        for number in range(count)
    ]
    async with scope(database, key.log, key.owner_id) as tx:
        await AuditEventRepository(tx).append(accesses)


@dataclass
class Logs:
    """A log of an organization, those who sign and verify it, and its database's administrator."""

    key: LogKey
    database: Database
    admin: psycopg.AsyncConnection
    storage: Path
    keys: CheckpointKeys
    checkpoints: AuditCheckpointService
    clients: AuditClients

    @property
    def verification(self) -> AuditVerificationService:
        return AuditVerificationService(self.database, self.checkpoints, self.clients)

    async def append(self, count: int) -> None:
        await append(self.database, self.key, count)

    async def cover(self) -> Checkpoint:
        return await self.checkpoints.cover(self.key)

    async def verify(self) -> Report:
        return await self.verification.verify(self.key)

    async def findings(self) -> list[Finding]:
        return (await self.verify()).findings

    def path(self, name: str) -> Path:
        return self.storage / "audit" / str(self.key) / f"{name}.json"

    def latest(self) -> Checkpoint:
        return documents.read(self.path("latest").read_bytes())

    async def run(self, statement: str, *values: object) -> None:
        await self.admin.execute(statement.encode(), [*values, self.key.owner_id])

    async def forget_checkpoints(self) -> None:
        await self.run("DELETE FROM tenancy.audit_checkpoints WHERE org_id = %s")
        await self.run("UPDATE tenancy.audit_heads SET covered = 0 WHERE org_id = %s")

    async def rewrite(self, position: int) -> None:
        """Change a line, and make the chain after it and the head anew."""
        lines = [line async for line in read_log(self.database, ORGANIZATIONS, self.key.owner_id)]
        accesses = [line.access for line in lines[position - 1 :]]
        accesses[0] = dataclasses.replace(accesses[0], actor="users/somebody else")
        before = lines[position - 2].hash
        for line in chained(str(self.key), position - 1, before, accesses):
            await self.run(
                "UPDATE tenancy.audit_events SET actor = %s, hash = %s"
                " WHERE position = %s AND org_id = %s",
                line.access.actor,
                line.hash,
                line.position,
            )
        await self.run("UPDATE tenancy.audit_heads SET hash = %s WHERE org_id = %s", line.hash)

    async def cut(self, position: int) -> None:
        """Remove the tail as if it had never been."""
        await self.run(
            "DELETE FROM tenancy.audit_events WHERE position > %s AND org_id = %s", position
        )
        await self.run(
            "UPDATE tenancy.audit_heads h SET (position, hashed, hash) = (SELECT e.position,"
            " e.position, e.hash FROM tenancy.audit_events e WHERE e.org_id = h.org_id"
            " AND e.position = %s) WHERE org_id = %s",
            position,
        )


def service(backbone: Backbone[TenancySettings], storage: FileStorage) -> AuditCheckpointService:
    keys = CheckpointKeys(backbone.settings.checkpoint_keys_directory)
    return AuditCheckpointService(
        backbone.database, storage, AuditEventService(backbone.database, clients_of(backbone)), keys
    )
