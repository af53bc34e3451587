"""C4: of who was erased nothing decrypts any more, not even in a copy of the rows; what they did
stays on record by an id that means nothing.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from services.auth.tests.identities.hostile_provider import Hostile, serving
from services.notifications.tests.smtp_inbox import smtp_inbox
from tenon_core.ids import uuid7
from tenon_crypto.errors import Undecryptable
from tenon_policy.policies import Role
from tenon_testing.callers import PASSWORD
from tenon_testing.servers import Servers
from tenon_testing.service_process import environment
from tenon_testing.system import SERVICES, System
from tenon_testing.waiting import eventually
from tests.privacy.canaries import Canaries
from tests.privacy.people import Refusing
from tests.privacy.sealed import Admin, SealedValue, live_keys, sealed_for
from tests.privacy.test_canaries import Talkative

pytestmark = pytest.mark.timeout(300)


@dataclass
class Life:
    """A canary who lived in a system and was erased, and what there was of them before."""

    system: System
    admin: Admin
    inbox: Refusing
    canaries: Canaries
    user_id: UUID
    email: str
    values: list[SealedValue]
    plain: set[bytes]
    lines: int

    async def finished(self) -> bool:
        row = self.admin.execute(
            "SELECT finish_time IS NOT NULL FROM auth.erasures WHERE user_id = %s", [self.user_id]
        ).fetchone()
        return row == (True,)

    def audit_lines(self) -> int:
        return lines_of(self.admin, self.user_id)


def lines_of(admin: Admin, user_id: UUID) -> int:
    """Return how much of what somebody did is on record in organizations."""
    row = admin.execute(
        "SELECT count(*) FROM tenancy.audit_events WHERE actor = %s", [f"users/{user_id}"]
    ).fetchone()
    assert row is not None
    return int(row[0])


async def live(client: httpx.AsyncClient, admin: Admin, canaries: Canaries) -> tuple[UUID, str]:
    """Sign up, own an organization with somebody else, work in it, want another address."""
    email = canaries.email("erased")
    account = {"email": email, "password": PASSWORD, "name": canaries.text("Name ")}
    reply = await client.post("/api/auth/signup", json=account)
    user_id = UUID(reply.json()["user"]["id"])
    admin.execute("UPDATE auth.users SET email_verified = true WHERE id = %s", [user_id])
    org = (await client.post("/api/orgs", json={"name": "Acme"})).json()["id"]
    admin.execute(
        "INSERT INTO tenancy.memberships VALUES (%s, %s, %s, now())", [org, uuid4(), Role.OWNER]
    )
    dataset = {"name": "orders", "dimensions": ["product"]}
    created = await client.post(f"/api/orgs/{org}/datasets", json=dataset)
    export = {"events": {"dataset_id": created.json()["id"]}, "format": "csv"}
    assert (await client.post(f"/api/orgs/{org}/runs", json=export)).status_code == 202
    change = {"email": canaries.email("wanted")}
    assert (await client.post("/api/auth/email/change", json=change)).status_code == 202

    async def on_record() -> bool:
        return lines_of(admin, user_id) >= 3

    await eventually(on_record, within=60)
    return user_id, email


@pytest.fixture(scope="module")
async def life(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Life]:
    servers, inbox, canaries = Servers(tmp_path_factory.mktemp("erasure")), Refusing(), Canaries()
    async with smtp_inbox(inbox=inbox), serving(Hostile()) as provider:
        system = Talkative(servers, inbox.port, provider)
        await asyncio.to_thread(system.start_all)
        headers = {"Origin": system.url, "User-Agent": canaries.text("browser/")}
        with psycopg.connect(system.admin_url(), autocommit=True) as admin:
            async with httpx.AsyncClient(
                base_url=system.url, headers=headers, timeout=60
            ) as client:
                user_id, email = await live(client, admin, canaries)
                keys = await live_keys(admin, system.directory / "keyring")
                values = sealed_for(admin, user_id, keys)
                plain = {value.open(keys) for value in values}
                lines = lines_of(admin, user_id)
                reply = await client.delete("/api/auth/user")
                assert reply.status_code == 202, reply.text
            found = Life(system, admin, inbox, canaries, user_id, email, values, plain, lines)
            await eventually(found.finished, within=60)
            yield found
        await asyncio.to_thread(system.stop)
    servers.stop()


def test_before_that_everything_could_be_read(life: Life) -> None:
    """The control: these are the cells, and the keys did open them."""
    tables = {(value.table, value.column) for value in life.values}
    assert tables >= {
        ("users", "email"),
        ("users", "name"),
        ("sessions", "user_agent"),
        ("email_changes", "new_email"),
    }
    assert life.email.encode() in life.plain
    assert sum(life.canaries.mark.encode() in text for text in life.plain) >= 3


async def test_no_key_that_is_left_opens_any_of_it(life: Life) -> None:
    keys = await live_keys(life.admin, life.system.directory / "keyring")
    for value in life.values:
        with pytest.raises(Undecryptable):
            value.open(keys)
    assert sealed_for(life.admin, life.user_id, keys) == []


def test_every_service_has_given_its_receipt(life: Life) -> None:
    rows = life.admin.execute(
        "SELECT service, keys, rows FROM auth.erasure_receipts WHERE user_id = %s", [life.user_id]
    ).fetchall()
    receipts = {service: (keys, count) for service, keys, count in rows}
    assert receipts.keys() == set(SERVICES)
    assert receipts["auth"][0] == 1
    assert receipts["auth"][1] > 5
    assert receipts["notifications"][1] > 0


async def test_the_receipts_are_mailed_and_the_address_is_destroyed(life: Life) -> None:
    async def forgotten() -> bool:
        row = life.admin.execute("SELECT count(*) FROM auth.erasure_notices").fetchone()
        return row == (0,)

    await eventually(forgotten, within=60)
    mails = [mail for mail in life.inbox.taken if "account was erased" in str(mail.content)]
    assert [mail.rcpt_tos for mail in mails] == [[life.email]]
    assert await live_keys(life.admin, life.system.directory / "keyring") == {}


async def test_what_they_did_stays_on_record(life: Life) -> None:
    """And one line more, that they left."""

    async def left() -> bool:
        return life.audit_lines() >= life.lines

    await eventually(left)


def test_the_audit_logs_still_verify(life: Life) -> None:
    verified = subprocess.run(
        [sys.executable, "-m", "tenon_tenancy", "audit", "verify"],
        env=environment("tenancy", life.system.values("tenancy")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert f"users/{life.user_id}: whole" in verified.stdout


async def test_an_erasure_that_comes_again_is_harmless(life: Life) -> None:
    """From a backup of the event, or by an operator after a restore."""

    def told() -> tuple[int, int]:
        row = life.admin.execute(
            "SELECT (SELECT count(*) FROM tenancy.outbox WHERE user_id = %(id)s AND type LIKE"
            " '%%PersonalDataErased'), (SELECT count(*) FROM auth.outbox WHERE type LIKE"
            " '%%ErasureFinished')",
            {"id": life.user_id},
        ).fetchone()
        assert row is not None
        return row[0], row[1]

    assert told() == (1, 1)
    life.admin.execute(
        "INSERT INTO auth.outbox (id, type, user_id, event_time, payload) SELECT %s, type, user_id,"
        " now(), payload FROM auth.outbox WHERE type = 'tenon.auth.v1.UserErased'",
        [uuid7()],
    )

    async def again() -> bool:
        return told() == (2, 1)

    await eventually(again, within=30)
