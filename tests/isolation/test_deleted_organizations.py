"""C4 for organizations: of one that was deleted nothing is left, in any table of any service that
holds something of organizations, or in the file storage; what was done in it stays on record.
"""

import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
import psycopg
import pytest
from aiohttp import ClientSession
from psycopg import sql

from tenon.tenancy.v1.events_pb2 import OrganizationDeleted
from tenon.tenancy.v1.organization_deletion_service_pb2 import (
    DeleteOrganizationRequest,
    GetOrganizationDeletionRequest,
)
from tenon.tenancy.v1.organization_deletion_service_pb2_grpc import OrganizationDeletionServiceStub
from tenon.tenancy.v1.ownership_service_pb2 import TransferOwnershipRequest
from tenon.tenancy.v1.ownership_service_pb2_grpc import OwnershipServiceStub
from tenon_core.ids import uuid7
from tenon_policy.grants import REUSE_SECONDS
from tenon_testing.service_process import environment
from tenon_testing.system import SERVICES, System
from tenon_testing.waiting import eventually
from tests.isolation.worlds import Registry, World

pytestmark = pytest.mark.timeout(180, func_only=True)

KEPT = frozenset(
    {
        # By ids and times alone, for as long as events and jobs are kept.
        "outbox",
        "jobs",
        "rotations",
        # What was done, and what was destroyed.
        "audit_events",
        "audit_heads",
        "audit_checkpoints",
        "audit_actions",
        "audit_hours",
        "organization_deletions",
        "organization_erasure_receipts",
        "deleted_organizations",
        # Nobody else gets it.
        "slugs",
    }
)
HELD_OFF_OTHERWISE = frozenset({"events", "event_keys", "ingested_events"})
"""By their dataset's next generation, which is in the same transaction."""

TABLES = """
SELECT n.nspname, c.relname, a.attname
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.atttypid = 'uuid'::regtype
    AND (a.attname = 'org_id' OR a.attname = 'id' AND c.relname = 'organizations')
WHERE n.nspname = ANY (%s) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND c.relname <> ALL (%s)
ORDER BY 1, 2
"""
UNGUARDED = """
SELECT oid::regclass::text FROM pg_class
WHERE relnamespace = ANY (%s::regnamespace[]) AND NOT relispartition
    AND obj_description(oid, 'pg_class') = 'kind: tenant' AND relname <> ALL (%s)
    AND NOT EXISTS (
        SELECT FROM pg_trigger WHERE tgrelid = pg_class.oid AND tgname = 'deleted_organizations'
    )
"""


@dataclass
class Estate:
    """An organization that has one of everything, and where to look for it past all walls."""

    system: System
    admin: psycopg.AsyncConnection
    world: World

    @property
    def folders(self) -> list[Path]:
        """Where reports and tenancy keep files."""
        files, own = self.system.directory / "files", str(self.world.org_id)
        return [files / "orgs" / own, files / "audit-exports" / own]

    async def rows(self) -> dict[str, int]:
        """Count what each table holds of it."""
        tables = await self.admin.execute(TABLES, [list(SERVICES), list(KEPT)])
        counted = {}
        for schema, table, owner in await tables.fetchall():
            query = sql.SQL("SELECT count(*) FROM {} WHERE {} = %s").format(
                sql.Identifier(schema, table), sql.Identifier(owner)
            )
            counted[f"{schema}.{table}"] = await self.scalar(query, self.world.org_id)
        return counted

    def files(self) -> list[Path]:
        return [path for one in self.folders for path in one.rglob("*") if path.is_file()]

    async def scalar(self, query: Any, *parameters: object) -> Any:
        query = query.encode() if isinstance(query, str) else query
        row = await (await self.admin.execute(query, parameters)).fetchone()
        return row[0] if row else None

    async def make_due(self, service: str, job_type: str) -> None:
        due = sql.SQL("UPDATE {} SET run_at = now() WHERE type = %s AND org_id = %s")
        jobs = due.format(sql.Identifier(service, "jobs"))
        await self.admin.execute(jobs, [job_type, self.world.org_id])

    async def told(self) -> dict[str, int]:
        """Count how often each service that tenancy tells has told that it erased."""
        query = sql.SQL(
            "SELECT count(*) FROM {} WHERE org_id = %s AND type LIKE '%%OrganizationDataErased'"
        )
        outboxes = {one: sql.Identifier(one, "outbox") for one in SERVICES if one != "tenancy"}
        return {
            service: await self.scalar(query.format(outbox), self.world.org_id)
            for service, outbox in outboxes.items()
        }

    async def is_heard_by_tenancy(self) -> bool:
        """Say whether tenancy has consumed what the services have said so far."""
        heard = sql.SQL(
            "SELECT cursors.position >= outbox_head.position FROM tenancy.cursors, {}"
            " WHERE source = %s"
        )
        heads = {service: sql.Identifier(service, "outbox_head") for service in SERVICES}
        return all(
            [await self.scalar(heard.format(head), service) for service, head in heads.items()]
        )

    async def repeat(self) -> None:
        """Let tenancy say once more that it is deleted."""
        event = OrganizationDeleted(org_id=str(self.world.org_id))
        kind = OrganizationDeleted.DESCRIPTOR.full_name
        await self.admin.execute(
            "INSERT INTO tenancy.outbox (id, type, org_id, event_time, payload)"
            " VALUES (%s, %s, %s, now(), %s)",
            [uuid7(), kind, self.world.org_id, event.SerializeToString()],
        )


@dataclass
class Deletions:
    """The deletion as the one who asked for it sees it."""

    stub: Any  # of OrganizationDeletionService
    world: World
    id: str = ""

    async def schedule(self) -> None:
        request = DeleteOrganizationRequest(org_id=str(self.world.org_id))
        reply = await self.stub.DeleteOrganization(request, metadata=self.world.tenant.metadata)
        self.id = reply.deletion.id

    async def receipts(self) -> dict[str, Any]:
        return {one.service: one for one in (await self._get()).receipts}

    async def is_finished(self) -> bool:
        return bool((await self._get()).HasField("finish_time"))

    async def has_receipt(self, service: str) -> bool:
        return service in await self.receipts()

    async def _get(self) -> Any:
        request = GetOrganizationDeletionRequest(deletion_id=self.id)
        metadata = self.world.tenant.metadata
        return (await self.stub.GetOrganizationDeletion(request, metadata=metadata)).deletion


@pytest.fixture
async def estate(
    whole_system: System,
    registry: Registry,
    channels: Mapping[str, grpc.aio.Channel],
    admin: psycopg.AsyncConnection,
) -> Estate:
    world = await registry.world(channels)
    estate = Estate(whole_system, admin, world)
    await _offer(channels["tenancy"], world)
    mailed = "SELECT count(*) FROM notifications.emails WHERE org_id = %s AND kind LIKE 'owner%%'"
    await eventually(partial(estate.scalar, mailed, world.org_id), within=30)
    await registry.settled(world)
    # The made up checkpoints of other tests would not verify.
    await admin.execute(
        "DELETE FROM tenancy.audit_checkpoints WHERE org_id = %s AND key_id = ''", [world.org_id]
    )
    verified = "UPDATE auth.users SET email_verified = true WHERE id = %s"
    await admin.execute(verified, [world.tenant.owner.user_id])
    return estate


async def _offer(tenancy: grpc.aio.Channel, world: World) -> None:
    """Offer the organization to a member, who says nothing to that."""
    org_id, user_id = str(world.org_id), str(world.member.user_id)
    request = TransferOwnershipRequest(org_id=org_id, user_id=user_id)
    await OwnershipServiceStub(tenancy).TransferOwnership(request, metadata=world.tenant.metadata)


async def let_in(session: ClientSession, world: World) -> bool:
    """Say whether the organization's API key is good for anything."""
    assert world.key is not None
    async with session.get(f"/api/orgs/{world.org_id}", headers=world.key.bearer) as reply:
        return reply.status == 200  # HTTP's OK


async def _last_let_in(session: ClientSession, world: World) -> float:
    """Ask until the organization's API key is refused; return after how many seconds the last
    request was sent that was let in.
    """
    started, last = time.monotonic(), 0.0
    while True:
        sent = time.monotonic() - started
        if not await let_in(session, world):
            return last
        last = sent


async def test_nothing_is_left_of_a_deleted_organization(
    estate: Estate, channels: Mapping[str, grpc.aio.Channel], session: ClientSession
) -> None:
    """One service is away when it happens, and does its part later."""
    world = estate.world
    deletions = Deletions(OrganizationDeletionServiceStub(channels["tenancy"]), world)
    held = await estate.rows()
    assert [table for table, count in held.items() if not count] == []  # the control
    assert estate.files()
    assert await let_in(session, world)

    worker = estate.system.start("reports", "worker")
    worker.stop()
    await deletions.schedule()
    await estate.make_due("tenancy", "organization_deletions.carry_out")
    for service in ("auth", "tenancy", "notifications"):
        await eventually(partial(deletions.has_receipt, service), within=60)

    assert await _last_let_in(session, world) <= REUSE_SECONDS
    assert estate.files()
    assert not await deletions.is_finished()
    worker.start()
    await eventually(deletions.is_finished, within=60)

    left = await estate.rows()
    assert {table: count for table, count in left.items() if count} == {}
    assert estate.files() == []
    receipts = await deletions.receipts()
    assert receipts.keys() == set(SERVICES)
    for service in SERVICES:
        in_schema = [count for table, count in held.items() if table.startswith(f"{service}.")]
        assert receipts[service].keys + receipts[service].rows == sum(in_schema), service
    assert receipts["reports"].files > 0
    assert receipts["tenancy"].files > 0

    await _what_comes_later_goes(estate, deletions)
    await _again(estate, deletions)
    await _told(estate, UUID(deletions.id))
    await _still_on_record(estate)


async def _what_comes_later_goes(estate: Estate, deletions: Deletions) -> None:
    """Whoever was on the way to write a file wrote it after the others were destroyed."""
    late = estate.folders[0] / "runs" / str(uuid7()) / "file.csv"
    late.parent.mkdir(parents=True)
    late.write_text("late")
    before = (await deletions.receipts())["reports"].files
    await estate.make_due("reports", "organization_data.erase")

    async def counted() -> bool:
        return bool((await deletions.receipts())["reports"].files == before + 1)

    await eventually(counted, within=30)
    assert not late.exists()


async def _again(estate: Estate, deletions: Deletions) -> None:
    """What is said again has no second effect."""
    before = await deletions.receipts()
    seen = await estate.told()
    await estate.repeat()

    async def all_said_so_again() -> bool:
        now = await estate.told()
        return all(now[service] > count for service, count in seen.items())

    await eventually(all_said_so_again, within=30)

    await eventually(estate.is_heard_by_tenancy, within=30)
    after = await deletions.receipts()
    assert {name: (one.keys, one.rows, one.files) for name, one in after.items()} == {
        name: (one.keys, one.rows, one.files) for name, one in before.items()
    }


async def _told(estate: Estate, deletion_id: UUID) -> None:
    """The former owner gets a mail when it is scheduled, and one with the receipts; once each."""

    async def mails() -> list[str]:
        query = (
            "SELECT array_agg(kind ORDER BY kind) FROM notifications.emails"
            " WHERE subject_id = %s AND user_id = %s AND state = 'sent'"
        )
        found = await estate.scalar(query, deletion_id, estate.world.tenant.owner.user_id)
        return found if found and len(found) > 1 else []

    assert await eventually(mails, within=30) == [
        "organization_deletion_scheduled",
        "organization_erased",
    ]


async def _still_on_record(estate: Estate) -> None:
    """The audit log verifies, with a line for each service's erasure."""

    async def lines() -> bool:
        query = (
            "SELECT count(DISTINCT actor) FROM tenancy.audit_events WHERE org_id = %s"
            " AND action = 'tenancy.organizations.erase'"
        )
        return bool(await estate.scalar(query, estate.world.org_id) == len(SERVICES))

    await eventually(lines, within=30)
    verified = subprocess.run(  # noqa: ASYNC221 # nothing else is to happen meanwhile
        [sys.executable, "-m", "tenon_tenancy", "audit", "verify"],
        env=environment("tenancy", estate.system.values("tenancy")),
        capture_output=True,
        text=True,
        check=False,
    )
    own = [line for line in verified.stdout.splitlines() if str(estate.world.org_id) in line]
    assert [line.split(": ")[1].split(",")[0] for line in own] == ["whole"], own


async def test_every_tenants_table_refuses_rows_of_deleted_organizations(
    admin: psycopg.AsyncConnection,
) -> None:
    """A new table says so in its migration: `m.refuse_deleted_organizations`."""
    but = KEPT | HELD_OFF_OTHERWISE | {"organizations"}
    rows = await admin.execute(UNGUARDED, [list(SERVICES), list(but)])
    assert await rows.fetchall() == []
    rows = await admin.execute(UNGUARDED, [list(SERVICES), []])  # the control
    assert await rows.fetchall()
