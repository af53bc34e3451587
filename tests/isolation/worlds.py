"""Organizations with one of each thing that a request can name, and what must stay as it is."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import grpc
import psycopg
from psycopg import sql

from services.auth.tests.identities.stored import add_identity
from services.auth.tests.passkeys.authenticator import Authenticator
from services.auth.tests.second_factors.enrolled import register
from services.reports.tests.reports_client import ReportsClient, event
from tenon.auth.v1.export_pb2 import Export
from tenon.auth.v1.export_service_pb2 import GetExportRequest, StartExportRequest
from tenon.auth.v1.export_service_pb2_grpc import ExportServiceStub
from tenon.auth.v1.session_service_pb2 import LogInRequest
from tenon.auth.v1.session_service_pb2_grpc import SessionServiceStub
from tenon.events.v1.events_pb2 import AccessRecorded
from tenon.tenancy.v1.audit_export_pb2 import AuditExport
from tenon.tenancy.v1.audit_export_service_pb2 import (
    GetAuditExportRequest,
    StartAuditExportRequest,
)
from tenon.tenancy.v1.audit_export_service_pb2_grpc import AuditExportServiceStub
from tenon.tenancy.v1.audit_stream_pb2 import AuditWebhook
from tenon.tenancy.v1.audit_stream_service_pb2 import CreateAuditStreamRequest
from tenon.tenancy.v1.audit_stream_service_pb2_grpc import AuditStreamServiceStub
from tenon.tenancy.v1.invitation_service_pb2 import CreateInvitationRequest
from tenon.tenancy.v1.invitation_service_pb2_grpc import InvitationServiceStub
from tenon.tenancy.v1.organization_deletion_service_pb2 import DeleteOrganizationRequest
from tenon.tenancy.v1.organization_deletion_service_pb2_grpc import OrganizationDeletionServiceStub
from tenon.tenancy.v1.organization_service_pb2 import CreateOrganizationRequest
from tenon.tenancy.v1.organization_service_pb2_grpc import OrganizationServiceStub
from tenon.tenancy.v1.role_pb2 import ROLE_MEMBER
from tenon_policy.policies import Role
from tenon_testing.callers import PASSWORD, Caller, Callers, Key, Tenant
from tenon_testing.system import SERVICES, System
from tenon_testing.waiting import eventually

AUDIT_TABLES = frozenset(
    {
        "outbox",
        "audit_events",
        "audit_heads",
        "audit_actions",
        "audit_hours",
        "audit_checkpoints",
        "personal_audit_events",
        "personal_audit_heads",
        "personal_audit_checkpoints",
    }
)
"""These grow by what their owners themselves do; they are looked at line by line."""

TABLES = """
SELECT n.nspname, c.relname, array_agg(a.attname::text)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.atttypid = 'uuid'::regtype
    AND (a.attname IN ('org_id', 'user_id')
        OR a.attname = 'id' AND c.relname IN ('organizations', 'users'))
WHERE n.nspname = ANY (%s) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
GROUP BY 1, 2 ORDER BY 1, 2
"""


@dataclass(frozen=True)
class World:
    """An organization. `names` holds the ids that requests name, by their kinds; `key` is a key of
    it that is none of these.
    """

    tenant: Tenant
    member: Caller
    names: dict[str, str]
    secrets: frozenset[str] = field(default_factory=frozenset)
    key: Key | None = None

    @property
    def org_id(self) -> UUID:
        return self.tenant.org_id

    @property
    def people(self) -> list[UUID]:
        return [self.tenant.owner.user_id, self.member.user_id]

    def marks(self) -> set[str]:
        """Return the texts that tell that something of this organization got out."""
        ids = {name for kind, name in self.names.items() if not kind.startswith(("page", "bait"))}
        return ids | self.secrets


class Registry:
    """Makes people and worlds in one system, and looks at them past all walls."""

    def __init__(self, system: System, callers: Callers, admin: psycopg.AsyncConnection) -> None:
        self.system = system
        self.callers = callers
        self._admin = admin

    async def join(self, org_id: UUID, role: Role, caller: Caller | None = None) -> Caller:
        """Let somebody join an organization, as an accepted invitation will."""
        caller = caller or await self.callers.user()
        await self._admin.execute(
            "INSERT INTO tenancy.memberships (org_id, user_id, role, create_time)"
            " VALUES (%s, %s, %s, now())",
            (org_id, caller.user_id, int(role)),
        )
        return caller

    async def world(self, channels: Mapping[str, grpc.aio.Channel]) -> World:
        """Make an organization in which there are two of everything that is listed."""
        tenant = await self.callers.tenant(f"Acme {uuid4().hex}")
        other = await OrganizationServiceStub(channels["tenancy"]).CreateOrganization(
            CreateOrganizationRequest(name="Acme"), metadata=tenant.metadata
        )
        member = await self.join(tenant.org_id, Role.MEMBER)
        names, secret = await _reports(ReportsClient(channels["reports"], tenant))
        keys = [await self.callers.api_key(tenant, Role.OWNER) for _ in range(2)]
        names |= {
            "organization": str(tenant.org_id),
            "member": str(member.user_id),
            "api key": keys[0].id,
            "session": await _other_session(channels["auth"], tenant.owner),
            "identity": await add_identity(self.system, tenant.owner.user_id),
            "invitation": await _invitations(channels["tenancy"], tenant),
            "passkey": await _passkeys(self.system, channels["auth"], tenant.owner),
            "export": await _export(channels["auth"], tenant.owner),
            "audit export": await _audit_exports(channels["tenancy"], tenant),
            "deletion": await _deletion(channels["tenancy"], tenant.owner, other.organization.id),
            "audit stream": await self._streams(channels["tenancy"], tenant),
        }
        await self._cover(tenant.org_id)
        secrets = {
            secret,
            keys[0].secret,
            tenant.owner.email,
            member.email,
            str(tenant.owner.user_id),
        }
        return World(tenant, member, names, frozenset(secrets), keys[1])

    async def _cover(self, org_id: UUID) -> None:
        """Give a log two checkpoints; a worker makes them, too, when it comes to that."""
        await self._admin.execute(
            "INSERT INTO tenancy.audit_checkpoints"
            " SELECT %s, position, position - 1, '', now(), '', ''"
            " FROM generate_series(1, 2) AS position"
            " ON CONFLICT DO NOTHING",
            (org_id,),
        )

    async def _streams(self, tenancy: grpc.aio.Channel, tenant: Tenant) -> str:
        """Make two streams that are switched off; return the id of one, with two deliveries."""
        stub = AuditStreamServiceStub(tenancy)
        webhook = AuditWebhook(url="https://hooks.invalid/")
        request = CreateAuditStreamRequest(org_id=str(tenant.org_id), webhook=webhook)
        ids = []
        for _ in range(2):
            reply = await stub.CreateAuditStream(request, metadata=tenant.metadata)
            ids.append(str(reply.stream.id))
        await self._admin.execute(
            "UPDATE tenancy.audit_streams SET enabled = false WHERE org_id = %s", [tenant.org_id]
        )
        await self._admin.execute(
            "INSERT INTO tenancy.audit_deliveries"
            " SELECT %s, %s, gen_random_uuid(), 1, 1, 'delivered', 1, '', now(), now()"
            " FROM generate_series(1, 2)",
            [tenant.org_id, ids[0]],
        )
        return ids[0]

    async def settled(self, world: World) -> None:
        """Wait until nothing of a world changes by itself any more."""

        async def is_settled() -> bool:
            return not await self._unfinished(world)

        await eventually(is_settled, within=60)

    async def _unfinished(self, world: World) -> int:
        found = 0
        for service in SERVICES:
            jobs = sql.SQL(
                "SELECT count(*) FROM {} WHERE (org_id = %s OR user_id = ANY (%s))"
                " AND state IN ('queued', 'running') AND run_at < now() + interval '1 hour'"
            ).format(sql.Identifier(service, "jobs"))
            found += await self._scalar(jobs, [world.org_id, world.people])
        queued = sql.SQL(
            "SELECT count(*) FROM notifications.emails WHERE user_id = ANY (%s)"
            " AND state = 'queued'"
        )
        return found + int(await self._scalar(queued, [world.people]))

    async def state(self, world: World) -> dict[str, str]:
        """Return digests: of each table's rows that are a world's or its people's; of its files."""
        owned = [world.org_id, *world.people]
        digests = {}
        for schema, table, owners in await self._tables():
            digest = sql.SQL(
                "SELECT coalesce(md5(string_agg(md5(t::text), '' ORDER BY t::text)), '')"
                " FROM {} AS t WHERE ARRAY[{}] && %s::uuid[]"
            ).format(sql.Identifier(schema, table), sql.SQL(",").join(map(sql.Identifier, owners)))
            digests[f"{schema}.{table}"] = await self._scalar(digest, [owned])
        return digests | {"files": _files(self.system.directory / "files", world.org_id)}

    async def strangers(self, world: World) -> set[str]:
        """Return who else than its people and the services is on record in a world."""
        found = set()
        for service in SERVICES:
            outbox = sql.SQL("SELECT payload FROM {} WHERE org_id = %s AND type = %s").format(
                sql.Identifier(service, "outbox")
            )
            kind = AccessRecorded.DESCRIPTOR.full_name
            rows = await self._admin.execute(outbox, [world.org_id, kind])
            found |= {AccessRecorded.FromString(row[0]).actor for row in await rows.fetchall()}
        people = {f"users/{person}" for person in world.people}
        return {actor for actor in found - people if not actor.startswith("services/")}

    async def _tables(self) -> list[tuple[str, str, list[str]]]:
        rows = await self._admin.execute(TABLES, [list(SERVICES)])
        return [row for row in await rows.fetchall() if row[1] not in AUDIT_TABLES]

    async def _scalar(self, query: sql.Composed | sql.SQL, parameters: list[Any]) -> Any:
        row = await (await self._admin.execute(query, parameters)).fetchone()
        assert row is not None
        return row[0]


async def _other_session(auth: grpc.aio.Channel, caller: Caller) -> str:
    """Log somebody in once more; return the session's id."""
    request = LogInRequest(email=caller.email, password=PASSWORD)
    session_id: str = (await SessionServiceStub(auth).LogIn(request)).session.id
    return session_id


async def _invitations(tenancy: grpc.aio.Channel, tenant: Tenant) -> str:
    """Invite two; return the id of one."""
    for _ in range(2):
        request = CreateInvitationRequest(
            org_id=str(tenant.org_id), email=f"{uuid4()}@example.com", role=ROLE_MEMBER
        )
        reply = await InvitationServiceStub(tenancy).CreateInvitation(
            request, metadata=tenant.metadata
        )
    return str(reply.invitation.id)


async def _passkeys(system: System, auth: grpc.aio.Channel, caller: Caller) -> str:
    """Give somebody two passkeys; return the id of one."""
    for _ in range(2):
        added = await register(auth, caller.metadata, Authenticator(system.url))
    return str(added.passkey.id)


async def _export(auth: grpc.aio.Channel, caller: Caller) -> str:
    """Have somebody's data collected; return the export's id."""
    exports, metadata = ExportServiceStub(auth), caller.metadata
    export_id: str = (await exports.StartExport(StartExportRequest(), metadata=metadata)).export.id

    async def is_there() -> bool:
        request = GetExportRequest(export_id=export_id)
        reply = await exports.GetExport(request, metadata=metadata)
        return bool(reply.export.state == Export.STATE_SUCCEEDED)

    await eventually(is_there, within=60)
    return export_id


async def _audit_exports(tenancy: grpc.aio.Channel, tenant: Tenant) -> str:
    """Have an organization's log written to files twice; return the id of one export."""
    exports, org_id = AuditExportServiceStub(tenancy), str(tenant.org_id)
    for _ in range(2):
        request = StartAuditExportRequest(org_id=org_id, format=AuditExport.FORMAT_CSV)
        export = (await exports.StartAuditExport(request, metadata=tenant.metadata)).export

        async def is_there(export_id: str = export.id) -> bool:
            request = GetAuditExportRequest(org_id=org_id, audit_export_id=export_id)
            reply = await exports.GetAuditExport(request, metadata=tenant.metadata)
            return bool(reply.export.state == AuditExport.STATE_SUCCEEDED)

        await eventually(is_there, within=60)
    return str(export.id)


async def _deletion(tenancy: grpc.aio.Channel, owner: Caller, org_id: str) -> str:
    """Have an organization deleted, in a while; return the deletion's id."""
    deletions = OrganizationDeletionServiceStub(tenancy)
    request = DeleteOrganizationRequest(org_id=org_id)
    reply = await deletions.DeleteOrganization(request, metadata=owner.metadata)
    deletion_id: str = reply.deletion.id
    return deletion_id


async def _reports(client: ReportsClient) -> tuple[dict[str, str], str]:
    """Make two datasets with events, an upload and two runs; return their ids and the secret."""
    secret = f"treasure{uuid4().hex}"
    bait = (await client.create_dataset(["who"], [])).id
    dataset = (await client.create_dataset(["who"], [])).id
    event_id = str(uuid4())
    await client.ingest(dataset, event(event_id, dimensions={"who": secret}))
    upload = await client.load(dataset, f"time,who\n2026-01-01,{secret}\n,x\n".encode())
    runs = [await client.start_run(events={"dataset_id": dataset}) for _ in range(2)]
    for run in runs:
        await client.finished(run.id)
    names = {"dataset": dataset, "event": event_id, "upload": upload.id, "run": runs[0].id}
    return {**names, "bait": bait}, secret


def _files(root: Path, org_id: UUID) -> str:
    digest = hashlib.sha256()
    for path in sorted((root / "orgs" / str(org_id)).rglob("*")):
        digest.update(str(path).encode())
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()
