"""The gateway as a process: its log, its signals, its command line."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import pytest
from aiohttp import ClientError

from services.gateway.tests.browsing import Client, bearer, client_of
from tenon_embedded.ports import free_port, is_listening
from tenon_testing.callers import PASSWORD, Callers
from tenon_testing.service_process import environment
from tenon_testing.system import System
from tenon_testing.waiting import eventually

LOG_IN = (
    b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"
)


@pytest.fixture
def values(system: System) -> dict[str, str]:
    port = free_port()
    return {
        **system.values("gateway"),
        "listen": f"127.0.0.1:{port}",
        "public_url": f"http://127.0.0.1:{port}",
    }


@asynccontextmanager
async def process(verb: str, values: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tenon_gateway", verb),
        env=environment("gateway", values),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
            await started.communicate()


async def outcome(verb: str, values: dict[str, str]) -> tuple[int | None, str]:
    async with process(verb, values) as started:
        _, said = await started.communicate()
        return started.returncode, said.decode()


@asynccontextmanager
async def client(values: dict[str, str]) -> AsyncIterator[Client]:
    """Yield a client of a gateway process once that is ready."""
    async with client_of(values["public_url"]) as opened:

        async def is_ready() -> bool:
            try:
                return (await opened.get("/readyz")).status == HTTPStatus.OK
            except ClientError:
                return False

        await eventually(is_ready, within=20)
        yield opened


async def test_a_request_in_flight_is_finished_before_it_stops(values: dict[str, str]) -> None:
    host, _, port = values["listen"].rpartition(":")
    async with process("serve", values) as started, client(values):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(LOG_IN)
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        started.send_signal(signal.SIGTERM)

        async def takes_no_more() -> bool:
            try:
                _, other = await asyncio.open_connection(host, int(port))
            except OSError:
                return True
            other.close()
            return False

        await eventually(takes_no_more)
        writer.write(b"[]")
        assert (await reader.readline()).startswith(b"HTTP/1.1 422 ")
        writer.close()
        _, said = await started.communicate()
        assert (started.returncode, b"Traceback" in said) == (0, False)


async def test_a_stopping_gateway_says_so_and_answers_on(values: dict[str, str]) -> None:
    values |= {"notice_seconds": "60"}
    async with process("serve", values) as started, client(values) as opened:
        started.send_signal(signal.SIGTERM)

        async def is_stopping() -> bool:
            return (await opened.get("/readyz")).status == HTTPStatus.SERVICE_UNAVAILABLE

        await eventually(is_stopping)
        for _ in range(3):
            reply = await opened.get("/api/orgs")
            assert (reply.status, reply.headers["connection"]) == (401, "close")


async def test_an_upload_in_flight_is_finished_before_it_stops(
    values: dict[str, str], callers: Callers, system: System
) -> None:
    system.start("reports")
    tenant = await callers.tenant()
    org, headers = f"/api/orgs/{tenant.org_id}", bearer(tenant.owner)
    async with process("serve", values) as started, client(values) as opened:
        dataset = {"name": "orders", "dimensions": ["who"]}
        made = await (await opened.post(f"{org}/datasets", json=dataset, headers=headers)).json()

        async def pieces() -> AsyncIterator[bytes]:
            yield b"time,who\n"
            started.send_signal(signal.SIGTERM)
            await eventually(is_closed)
            yield b"2026-01-01T00:00:00Z,ada\n"

        async def is_closed() -> bool:
            return not is_listening(int(values["listen"].rpartition(":")[2]))

        upload = f"{org}/datasets/{made['id']}/uploads?time_column=time"
        csv = headers | {"content-type": "text/csv"}
        reply = await opened.post(upload, data=pieces(), headers=csv)
        assert (reply.status, reply.headers["connection"]) == (202, "close")


async def test_the_log_has_a_line_for_each_request_and_no_secret(
    values: dict[str, str], callers: Callers
) -> None:
    tenant = await callers.tenant()
    owner = tenant.owner
    async with process("serve", values | {"log_level": "info"}) as started:
        async with client(values) as opened:
            credentials = {"email": owner.email, "password": PASSWORD}
            await opened.post("/api/auth/login", json=credentials, headers={"user-agent": "Secret"})
            path = f"/api/orgs/{tenant.org_id}?page_token=secret"
            response = await opened.get(path, headers=bearer(owner))
            await opened.get("/api/files/secret")
        started.send_signal(signal.SIGTERM)
        _, said = await started.communicate()
    log = said.decode()
    for secret in (owner.email, PASSWORD, owner.access_token, "secret", "Secret", "127.0.0.1"):
        assert secret not in log
    lines = [json.loads(line) for line in log.splitlines()]
    line = next(one for one in lines if one.get("route") == "GET /api/orgs/{org_id}")
    assert line["request_id"] == response.headers["x-request-id"]
    assert (line["status"], line["level"]) == (response.status, "info")
    assert (line["user_id"], line["org_id"]) == (str(owner.user_id), str(tenant.org_id))


async def test_the_figures_are_on_the_operations_port(values: dict[str, str]) -> None:
    at = f"http://{values['operations_listen']}"
    async with process("serve", values), client(values), client_of(at) as operator:
        figures = await (await operator.get("/metrics")).text()
        assert 'tenon_gateway_requests_total{route="GET /readyz",status="200"}' in figures
        for name in ("request_seconds", "gate_batch", "cache_lookups", "redis_away"):
            assert f"tenon_gateway_{name}" in figures
        assert await (await operator.get("/readyz")).text() == "ready\n"


async def test_check_finds_nothing_wrong(values: dict[str, str]) -> None:
    assert await outcome("check", values) == (0, "")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"public_url": "http://app.example"}, "plain http"),
        ({"redis_url": "redis://127.0.0.1:1/0"}, "127.0.0.1:1"),
        ({"rate_limit_mode": "lenient"}, "rate_limit_mode"),
        ({"tls_ca": "/nowhere"}, "/nowhere"),
        ({"peers": '{"auth": "127.0.0.1:1"}'}, "tenancy"),
    ],
    ids=str,
)
async def test_check_says_what_is_wrong(
    values: dict[str, str], wrong: dict[str, str], told: str
) -> None:
    code, said = await outcome("check", values | wrong)
    assert code == 1
    assert said.startswith("tenon_gateway: ")
    assert told in said
    assert "Traceback" not in said


async def test_a_taken_port_is_told(values: dict[str, str]) -> None:
    holder = await asyncio.start_server(lambda *_: None, *values["listen"].split(":"))
    async with holder:
        code, said = await outcome("serve", values)
    assert code == 1
    assert values["listen"] in said.splitlines()[-1]


async def test_an_unknown_command_is_answered_with_the_usage(values: dict[str, str]) -> None:
    assert await outcome("dance", values) == (1, "usage: python -m tenon_gateway serve | check\n")
