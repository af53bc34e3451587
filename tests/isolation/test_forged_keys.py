"""B1: an API key that auth did not make, or takes no longer, is refused at the gateway and by auth;
and a key itself is no access token.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from aiohttp import ClientSession

from tenon.auth.v1.api_key_service_pb2 import ExchangeApiKeyRequest, RotateApiKeyRequest
from tenon.auth.v1.api_key_service_pb2_grpc import ApiKeyServiceStub
from tenon_core.errors import TenonError
from tenon_policy.api_keys import ALPHABET, PREFIX, new_secret
from tenon_policy.policies import Role
from tenon_testing.callers import Callers, Key, Tenant
from tenon_testing.waiting import eventually
from tests.isolation.contract import bare_request
from tests.isolation.doors import Door

REFUSED = {"invalid_api_key", "invalid_token"}

Forgery = Callable[[str], str]

FORGERIES: Mapping[str, Forgery] = {
    "another one, well-formed": lambda _: new_secret(),
    "wrong checksum": lambda secret: secret[:-1] + _next(secret[-1]),
    "wrong first character": lambda secret: PREFIX + _next(secret[4]) + secret[5:],
    "another's checksum": lambda secret: secret[:-6] + new_secret()[-6:],
    "without its checksum": lambda secret: secret[:-6],
    "cut by one": lambda secret: secret[:-1],
    "longer by one": lambda secret: secret + "0",
    "its prefix alone": lambda _: PREFIX,
    "what is shown of it": lambda secret: secret[:12],
    "in capitals": lambda secret: secret.upper(),
    "in small letters": lambda secret: secret.lower(),
    "with another prefix": lambda secret: "TNK_" + secret[4:],
    "without a prefix": lambda secret: secret[4:],
    "with its prefix twice": lambda secret: PREFIX + secret,
    "swapped halves": lambda secret: PREFIX + secret[25:] + secret[4:25],
    "quoted": lambda secret: f'"{secret}"',
    "twice": lambda secret: f"{secret},{secret}",
    "with a letter beyond ASCII": lambda secret: secret[:20] + "é" + secret[21:],
    "with a digit beyond ASCII": lambda secret: secret[:20] + "\u0661" + secret[21:],
    "with a wildcard": lambda secret: secret[:20] + "%" + secret[21:],
    "with a blank inside": lambda secret: secret[:20] + " " + secret[20:],
    "10 KB long": lambda secret: secret + "0" * 10_000,
    "10 KB of zeros": lambda _: PREFIX + "0" * 10_000,
}


def _next(char: str) -> str:
    return ALPHABET[(ALPHABET.index(char) + 1) % len(ALPHABET)]


@pytest.fixture(scope="session")
async def organization(callers: Callers) -> Tenant:
    return await callers.tenant()


@pytest.fixture(scope="session")
async def key(callers: Callers, organization: Tenant) -> Key:
    return await callers.api_key(organization, Role.OWNER)


async def at_the_gateway(session: ClientSession, tenant: Tenant, secret: str) -> str:
    """Return what the gateway refuses a key with; empty if it does not."""
    headers = {"authorization": f"Bearer {secret}"}
    async with session.get(f"/api/orgs/{tenant.org_id}", headers=headers) as reply:
        return "" if reply.status == 200 else str((await reply.json())["code"])


async def by_auth(channels: Mapping[str, grpc.aio.Channel], secret: str) -> str:
    """Return what auth refuses to exchange a key with; empty if it does not."""
    stub = ApiKeyServiceStub(channels["auth"])
    try:
        await stub.ExchangeApiKey(ExchangeApiKeyRequest(secret=secret))
    except TenonError as error:
        return error.reason
    return ""


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_a_forged_key_is_refused(
    session: ClientSession,
    channels: Mapping[str, grpc.aio.Channel],
    organization: Tenant,
    key: Key,
    forgery: str,
) -> None:
    secret = FORGERIES[forgery](key.secret)
    assert await at_the_gateway(session, organization, secret) in REFUSED
    assert await by_auth(channels, secret) == "invalid_api_key"


async def test_the_true_key_is_taken(
    session: ClientSession,
    channels: Mapping[str, grpc.aio.Channel],
    organization: Tenant,
    key: Key,
) -> None:
    """The control."""
    assert await at_the_gateway(session, organization, key.secret) == ""
    assert await by_auth(channels, key.secret) == ""


async def test_one_that_is_over_is_refused(
    session: ClientSession,
    channels: Mapping[str, grpc.aio.Channel],
    organization: Tenant,
    callers: Callers,
) -> None:
    """Revoked, expired, rotated away: each was taken before."""
    soon = datetime.now(UTC) + timedelta(seconds=2)
    expiring = await callers.api_key(organization, expire_time=soon)
    revoked, rotated = [await callers.api_key(organization) for _ in range(2)]
    every = (expiring, revoked, rotated)
    for one in every:
        assert await at_the_gateway(session, organization, one.secret) == ""
    await callers.revoke(organization, revoked)
    await ApiKeyServiceStub(channels["auth"]).RotateApiKey(
        RotateApiKeyRequest(org_id=str(organization.org_id), key_id=rotated.id),
        metadata=organization.metadata,
    )
    for one in every:

        async def is_refused(one: Key = one) -> bool:
            told = await at_the_gateway(session, organization, one.secret)
            return told in REFUSED and await by_auth(channels, one.secret) == "invalid_api_key"

        assert await eventually(is_refused, within=5)


async def test_a_secret_is_no_access_token(doors: Mapping[str, list[Door]], key: Key) -> None:
    """No service takes it, by itself or beside auth."""
    for door in doors["services"]:
        reply = await door.send(key.secret, bare_request(door.rpc))
        assert reply.reason == "invalid_token", f"{door.name}: {reply}"
