"""What people tell the system about themselves is nowhere to be read: not in the database's files
and log, nor in Redis, in logs, events, jobs or names of files.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import pytest

from services.auth.tests.identities.conftest import settings_of
from services.auth.tests.identities.hostile_provider import Hostile, serving
from services.notifications.tests.smtp_inbox import smtp_inbox
from tenon_core.ids import uuid7
from tenon_testing.servers import Servers
from tenon_testing.system import System
from tenon_testing.waiting import eventually
from tests.privacy.canaries import Canaries, Haystack, forms, found
from tests.privacy.people import CAN_CHOOSE_ADDRESS, PROVIDER, SECRETIVE, People, Refusing, live_all
from tests.privacy.places import PLACES, Places

PEOPLE = 6
PEOPLE_LONG = 200
CANARIES_LONG = 1_000
SECRETS_EACH = 24
"""A TOTP secret in two forms, ten recovery codes in two, two tokens of log-ins that wait."""

pytestmark = pytest.mark.timeout(1_200)


class Talkative(System):
    """A system whose processes say all they can, and that mails to an inbox of the test."""

    def __init__(self, servers: Servers, smtp_port: int, provider: Hostile) -> None:
        self._smtp_port = smtp_port
        self._provider = settings_of(PROVIDER, provider)
        super().__init__(servers, f"test_{uuid4().hex}")

    def values(self, service: str, process: str = "") -> dict[str, str]:
        values = super().values(service, process) | {"log_level": "debug"}
        if service == "notifications":
            values["smtp_url"] = f"smtp://127.0.0.1:{self._smtp_port}"
        if service == "auth":
            values["oidc_providers"] = json.dumps([self._provider])
        return values


@dataclass(frozen=True)
class Aftermath:
    """All that a system stores after people have lived in it, and what they had told it."""

    canaries: Canaries
    places: Places
    inbox: Refusing


@pytest.fixture(scope="module")
async def aftermath(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> AsyncIterator[Aftermath]:
    servers = Servers(tmp_path_factory.mktemp("privacy"))
    inbox, canaries = Refusing(), Canaries()
    async with smtp_inbox(inbox=inbox), serving(Hostile()) as provider:
        system = Talkative(servers, inbox.port, provider)
        places = Places(system)
        await asyncio.to_thread(system.start_all)
        count = PEOPLE_LONG if pytestconfig.getoption("--long") else PEOPLE
        await live_all(People(system.url, canaries, provider, inbox, system.verify_email), count)
        await settled(places, 2 * count)  # each has two accounts
        yield Aftermath(canaries, places, inbox)
        await asyncio.to_thread(system.stop)
    servers.stop()


async def settled(places: Places, people: int) -> None:
    """Wait until every welcome was sent, refused or tried once, and the audit log is written."""

    async def quiet() -> bool:
        with places.admin() as admin:
            (mails,) = admin.execute(
                "SELECT count(*) FROM notifications.jobs WHERE type = 'emails.send'"
                " AND payload->>'kind' = 'welcome' AND (state <> 'queued' OR attempts > 0)"
            ).fetchone() or (0,)
            (lines,) = admin.execute(
                "SELECT count(DISTINCT user_id) FROM tenancy.personal_audit_events"
            ).fetchone() or (0,)
        return mails >= people and lines >= people

    await eventually(quiet, within=300)


def test_no_canary_is_found_anywhere(aftermath: Aftermath, pytestconfig: pytest.Config) -> None:
    assert aftermath.canaries.found_in(aftermath.places.haystacks()) == []
    made = len(aftermath.canaries.made) + len(aftermath.canaries.addresses)
    assert made >= (CANARIES_LONG if pytestconfig.getoption("--long") else PEOPLE * 4)


def test_the_canaries_went_everywhere(aftermath: Aftermath) -> None:
    """They were mailed, quoted by a mail server, and came from where they should."""
    mark = aftermath.canaries.mark.encode()
    assert any(
        mark in mail.content for mail in aftermath.inbox.taken if isinstance(mail.content, bytes)
    )
    assert aftermath.inbox.delayed
    assert len(aftermath.canaries.secrets) >= SECRETIVE * SECRETS_EACH
    assert bool(aftermath.canaries.addresses) == CAN_CHOOSE_ADDRESS
    with aftermath.places.admin() as admin:
        failed = admin.execute("SELECT failure FROM notifications.emails WHERE state = 'failed'")
        told = {"the SMTP server said 550", "the address is not verified"}
        assert {row[0] for row in failed} == told


def test_a_canary_put_into_each_place_is_found(aftermath: Aftermath) -> None:
    """The positive control. It leaves nothing that the tests above would find."""
    control = Canaries()
    plant(aftermath.places, control)
    hits = control.found_in(aftermath.places.haystacks())
    assert {hit.partition(":")[0] for hit in hits} == set(PLACES)


def plant(places: Places, control: Canaries) -> None:
    text = control.text("planted")
    with places.admin() as admin:
        admin.execute("CREATE TABLE public.planted (address text)")
        admin.execute("INSERT INTO public.planted VALUES (%s)", [text])
        admin.execute(
            "INSERT INTO auth.outbox (id, type, event_time, payload) VALUES (%s, 'planted', now(),"
            " %s)",
            [uuid7(), text.encode()],
        )
        admin.execute(
            "INSERT INTO auth.jobs (id, type, payload, lane, run_at, priority, state)"
            " VALUES (%s, 'planted', to_jsonb(%s::text), 0, now(), 0, 'succeeded')",
            [uuid7(), text],
        )
    redis = places.redis()
    redis.set(f"key:{text}", "", ex=600)
    redis.hset("planted", "address", base64.b64encode(text.encode()).decode())
    redis.close()
    (places.system.directory / "logs" / "planted.log").write_text(text.upper())
    (places.system.directory / "files" / text).touch()


def test_a_secret_that_has_no_mark_is_found() -> None:
    control = Canaries(secrets={"7k2p9-x0hfm"})
    logged = Haystack("logs", "auth.log", b"code=7K2P9-X0HFM")
    assert control.found_in([logged]) == ["logs: auth.log: plain"]


@pytest.mark.parametrize("before", range(3))
@pytest.mark.parametrize("after", range(3))
def test_every_form_is_found(before: int, after: int) -> None:
    canaries = Canaries()
    text = bytes([255]) * before + canaries.text("x").encode() + bytes([255]) * after
    written = {
        "plain": text.upper(),
        "hex": text.hex().encode(),
        "HEX": text.hex().upper().encode(),
        "base64": base64.b64encode(text),
        "base64url": base64.urlsafe_b64encode(text),
        "utf-16": text.decode("latin-1").encode("utf-16-le"),
    }
    needles = list(forms(canaries.mark))
    assert [name for name, content in written.items() if not found(needles, content)] == []
    assert canaries.found_in([Haystack("nowhere", "nothing", bytes(1_000))]) == []
