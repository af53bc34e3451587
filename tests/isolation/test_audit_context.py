"""What the audit log says of a call beside who did what: from where, and what an update changed."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import psycopg
import pytest
from aiohttp import ClientSession, DummyCookieJar
from psycopg.rows import dict_row

from tenon.auth.v1.erasure_service_pb2 import DeleteUserRequest
from tenon.auth.v1.erasure_service_pb2_grpc import ErasureServiceStub
from tenon.tenancy.v1.member_service_pb2 import ListMembersRequest, UpdateMemberRequest
from tenon.tenancy.v1.member_service_pb2_grpc import MemberServiceStub
from tenon.tenancy.v1.role_pb2 import ROLE_VIEWER
from tenon_core.events import Event
from tenon_policy.audit_clients import Client
from tenon_policy.call import Call
from tenon_policy.policies import Role
from tenon_rpc.status import PeerError
from tenon_tenancy.app import APP as TENANCY
from tenon_tenancy.clients import AuthAuditClients
from tenon_testing.callers import PASSWORD, Caller, Callers, Tenant
from tenon_testing.system import System
from tenon_testing.waiting import eventually
from tests.isolation.conftest import NewWorld
from tests.isolation.contract import Rpc, rpcs
from tests.isolation.doors import gateway_doors
from tests.isolation.samples import request_of
from tests.isolation.worlds import Registry, World

UPDATES = [rpc for rpc in rpcs() if rpc.policy.updates]
LOOPBACK = "127.0.0.1"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
LINES = """
SELECT action, actor, client, changes FROM tenancy.{table}
WHERE session_id = %s AND action = %s ORDER BY position
"""
EXPECTED: Mapping[str, list[str]] = {
    "DatasetService.UpdateDataset": ["name"],
    "AuditStreamService.UpdateAuditStream": ["description"],
    "MemberService.UpdateMember": ["role"],
    "OrganizationService.UpdateOrganization": ["name"],
    "PolicyService.UpdatePolicies": ["session_hours"],
    "PasskeyService.RenamePasskey": ["name"],
    "UserService.UpdateUser": ["name"],
}
"""Which fields the samples change."""


@dataclass(frozen=True)
class Log:
    """The audit logs of the whole system, with where each call came from."""

    admin: psycopg.AsyncConnection
    clients: AuthAuditClients

    async def lines(self, caller: Caller, action: str, least: int = 1) -> list[dict[str, Any]]:
        """Return a session's lines of an action, once there are so many."""

        async def found() -> list[dict[str, Any]]:
            rows = []
            for table in ("audit_events", "personal_audit_events"):
                cursor = self.admin.cursor(row_factory=dict_row)
                query = LINES.format(table=table).encode()
                await cursor.execute(query, [caller.session_id, action])
                rows += await cursor.fetchall()
            return rows if len(rows) >= least else []

        lines = await eventually(found, within=60)
        opened = await self.clients.open({line["client"] for line in lines if line["client"]})
        return [
            line | {"client": opened[line["client"]].client if line["client"] else Client()}
            for line in lines
        ]


@pytest.fixture
async def log(whole_system: System, admin: psycopg.AsyncConnection) -> AsyncIterator[Log]:
    channel = whole_system.channel("auth", caller="tenancy")
    yield Log(admin, AuthAuditClients(channel))
    await channel.close(None)


@pytest.fixture(scope="session")
async def browser(whole_system: System) -> AsyncIterator[ClientSession]:
    """The gateway, for one browser without cookies of its own."""
    headers = {"user-agent": BROWSER}
    jar = DummyCookieJar()
    async with ClientSession(whole_system.url, cookie_jar=jar, headers=headers) as opened:
        yield opened


@pytest.fixture(scope="session")
async def changed(new_world: NewWorld) -> World:
    return await new_world()


async def request(session: ClientSession, method: str, path: str, token: str, **more: Any) -> Any:
    headers = {"authorization": f"Bearer {token}"}
    async with session.request(method, path, headers=headers, **more) as reply:
        assert reply.ok, await reply.text()
        return await reply.json()


@pytest.mark.parametrize("rpc", UPDATES, ids=lambda rpc: rpc.name)
async def test_an_update_says_who_from_where_and_what_changed(
    rpc: Rpc, browser: ClientSession, changed: World, log: Log
) -> None:
    (door,) = gateway_doors(rpc, browser)
    owner = changed.tenant.owner
    reply = await door.send(owner.access_token, request_of(rpc, 0, changed.names))
    assert not reply.reason, reply.text
    (*_, line) = await log.lines(owner, str(rpc.policy.audit))
    assert line["actor"] == f"users/{owner.user_id}"
    assert line["client"] == Client(LOOPBACK, BROWSER)
    changes = json.loads(line["changes"])
    assert [change["field"] for change in changes] == EXPECTED[rpc.name]
    for change in changes:
        if change["field"] in rpc.policy.sensitive:
            assert change.keys() == {"field"}
        else:
            assert change["before"] != change["after"]


async def test_a_role_is_on_record_as_it_was_and_as_it_is(
    browser: ClientSession, callers: Callers, registry: Registry
) -> None:
    tenant = await callers.tenant()
    member = await registry.join(tenant.org_id, Role.MEMBER)
    token, org = tenant.owner.access_token, f"/api/orgs/{tenant.org_id}"
    await request(
        browser, "PATCH", f"{org}/members/{member.user_id}", token, json={"role": "admin"}
    )

    async def line() -> Any:
        query = {"action": "tenancy.members.update"}
        found = await request(browser, "GET", f"{org}/audit-events", token, params=query)
        return found["items"]

    (shown,) = await eventually(line, within=60)
    assert shown["changes"] == [{"field": "role", "before": "member", "after": "admin"}]
    assert (shown["ip_address"], shown["user_agent"]) == (LOOPBACK, BROWSER)


async def test_an_update_that_does_not_say_what_changed_is_refused(
    whole_system: System, callers: Callers, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = await callers.tenant()
    member = await registry.join(tenant.org_id, Role.MEMBER)

    def forget(call: Call, resource: str, *_: object) -> Event:
        return call.access(resource)

    monkeypatch.setattr(Call, "update", forget)
    async with whole_system.serving(TENANCY) as channel:
        with pytest.raises(PeerError) as refused:
            await MemberServiceStub(channel).UpdateMember(
                UpdateMemberRequest(
                    org_id=str(tenant.org_id), user_id=str(member.user_id), role=ROLE_VIEWER
                ),
                metadata=tenant.metadata,
            )
    assert refused.value.reason == "not_audited"


async def list_members(channel: grpc.aio.Channel, tenant: Tenant, address: str) -> None:
    metadata = tenant.metadata
    metadata.add("x-tenon-client-address", address)
    metadata.add("x-tenon-user-agent-bin", b"curl/8")
    request = ListMembersRequest(org_id=str(tenant.org_id))
    await MemberServiceStub(channel).ListMembers(request, metadata=metadata)


async def test_one_session_at_two_addresses_is_two_lines(
    channels: Mapping[str, grpc.aio.Channel], callers: Callers, log: Log
) -> None:
    tenant = await callers.tenant()
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.1"):
        await list_members(channels["tenancy"], tenant, address)
    lines = await log.lines(tenant.owner, "tenancy.members.list", least=2)
    assert {line["client"].ip_address for line in lines} == {"192.0.2.1", "192.0.2.2"}


async def test_only_the_gateway_is_believed(
    whole_system: System, callers: Callers, log: Log
) -> None:
    tenant = await callers.tenant()
    channel = whole_system.channel("tenancy", caller="reports")
    await list_members(channel, tenant, "192.0.2.1")
    await channel.close(None)
    (line,) = await log.lines(tenant.owner, "tenancy.members.list")
    assert line["client"] == Client()


async def test_a_log_in_says_from_where_and_a_log_out_does_not_change_that(
    whole_system: System,
    browser: ClientSession,
    callers: Callers,
    admin: psycopg.AsyncConnection,
    log: Log,
) -> None:
    caller = await callers.user()
    await _log_in(browser, caller, whole_system.url)
    action = "auth.sessions.log_in"

    async def sealed() -> bytes | None:
        rows = await admin.execute(
            "SELECT client FROM tenancy.personal_audit_events WHERE user_id = %s AND action = %s",
            [caller.user_id, action],
        )
        found = await rows.fetchone()
        return found[0] if found else None

    value = await eventually(sealed, within=60)
    assert value is not None
    assert (await log.clients.open([value]))[value].client == Client(LOOPBACK, BROWSER)


async def _log_in(session: ClientSession, caller: Caller, origin: str) -> None:
    """Log in, and out again."""
    headers = {"origin": origin}
    account = {"email": caller.email, "password": PASSWORD}
    async with session.post("/api/auth/login", json=account, headers=headers) as reply:
        assert reply.ok, await reply.text()
        cookies = {name: morsel.value for name, morsel in reply.cookies.items()}
    async with session.post("/api/auth/logout", cookies=cookies, headers=headers) as reply:
        assert reply.ok, await reply.text()


async def test_of_who_was_erased_the_log_keeps_what_they_did_and_not_from_where(
    channels: Mapping[str, grpc.aio.Channel],
    browser: ClientSession,
    callers: Callers,
    registry: Registry,
    log: Log,
) -> None:
    tenant = await callers.tenant()
    member = await registry.join(tenant.org_id, Role.ADMIN)
    org = f"/api/orgs/{tenant.org_id}"
    await request(browser, "GET", f"{org}/members", member.access_token)
    (line,) = await log.lines(member, "tenancy.members.list")
    assert line["client"] == Client(LOOPBACK, BROWSER)
    erasures = ErasureServiceStub(channels["auth"])
    await erasures.DeleteUser(DeleteUserRequest(), metadata=member.metadata)

    async def unreadable() -> bool:
        (line,) = await log.lines(member, "tenancy.members.list")
        return bool(line["client"] == Client())

    await eventually(unreadable, within=90)
    query = {"actor": f"users/{member.user_id}", "action": "tenancy.members.list"}
    token = tenant.owner.access_token
    shown = await request(browser, "GET", f"{org}/audit-events", token, params=query)
    assert [(one["ip_address"], one["user_agent"]) for one in shown["items"]] == [("", "")]
    assert shown["items"][0]["client_digest"]
    made = await request(browser, "POST", f"{org}/audit-checkpoints", token, json={})
    assert made["position"] >= shown["items"][0]["position"]
