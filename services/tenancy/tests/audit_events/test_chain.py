import asyncio
from uuid import UUID, uuid4

import psycopg
import pytest

from tenon_core import clock
from tenon_rpc.backbone import Backbone
from tenon_tenancy.audit_events.models import ORGANIZATIONS, Access, AuditEvent, Log
from tenon_tenancy.audit_events.reading import read_log
from tenon_tenancy.audit_events.repository import AuditEventRepository
from tenon_tenancy.audit_verification.verification import Finding, Problem, Verifier
from tenon_tenancy.settings import TenancySettings

pytestmark = pytest.mark.usefixtures("tenancy")

WRITERS = 32
LINES_EACH = 5


def access(action: str) -> Access:
    return Access(uuid4(), action, "users/me", "", None, "r", 1, clock.now())


async def append(backbone: Backbone[TenancySettings], org_id: UUID, *actions: str) -> None:
    async with backbone.database.tenant(org_id) as tx:
        await AuditEventRepository(tx).append([access(action) for action in actions])


async def lines(backbone: Backbone[TenancySettings], log: Log, org_id: UUID) -> list[AuditEvent]:
    return [line async for line in read_log(backbone.database, log, org_id)]


def findings(owner: str, log: list[AuditEvent]) -> list[Finding]:
    verifier = Verifier(owner)
    for line in log:
        verifier.take(line)
    return verifier.finish().findings


async def test_many_writers_make_one_chain(backbone: Backbone[TenancySettings]) -> None:
    org_id = uuid4()

    async def write(writer: int) -> None:
        for line in range(LINES_EACH):
            await append(backbone, org_id, f"{writer}/{line}")

    await asyncio.gather(*map(write, range(WRITERS)))
    log = await lines(backbone, ORGANIZATIONS, org_id)
    assert [line.position for line in log] == list(range(1, WRITERS * LINES_EACH + 1))
    assert findings(f"orgs/{org_id}", log) == []


async def test_lines_of_an_older_version_are_chained_before_the_next(
    backbone: Backbone[TenancySettings], admin: psycopg.AsyncConnection
) -> None:
    org_id = uuid4()
    await append(backbone, org_id, "first")
    for position in (2, 3):  # what an older tenancy does
        await admin.execute(
            "INSERT INTO tenancy.audit_events (org_id, position, id, action, actor, resource,"
            " request_id, count, event_time) VALUES (%s, %s, %s, 'old', '', '', '', 1, now())",
            (org_id, position, uuid4()),
        )
        await admin.execute(
            "UPDATE tenancy.audit_heads SET position = %s WHERE org_id = %s", (position, org_id)
        )
    await append(backbone, org_id, "next")
    log = await lines(backbone, ORGANIZATIONS, org_id)
    assert [line.access.action for line in log] == ["first", "old", "old", "next"]
    assert findings(f"orgs/{org_id}", log) == []


async def test_lines_that_are_gone_before_they_were_chained_are_found_and_keep_nobody_from_the_log(
    backbone: Backbone[TenancySettings], admin: psycopg.AsyncConnection
) -> None:
    org_id = uuid4()
    await append(backbone, org_id, "first")
    ahead = b"UPDATE tenancy.audit_heads SET position = 2 WHERE org_id = %s"
    await admin.execute(ahead, [org_id])
    await append(backbone, org_id, "next", "and another")
    log = await lines(backbone, ORGANIZATIONS, org_id)
    assert [line.position for line in log] == [1, 3, 4]
    assert findings(f"orgs/{org_id}", log) == [Finding(Problem.MISSING, 2)]
