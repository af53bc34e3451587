"""Our tokens are verified by somebody else's library, from the published keys alone."""

from aiohttp import ClientSession
from joserfc import jwt
from joserfc.jwk import KeySet

from tenon_auth.signing_keys.service import SETTLE_SECONDS
from tenon_testing.callers import Callers


async def test_another_library_verifies_a_token_from_the_published_keys(
    session: ClientSession, callers: Callers
) -> None:
    caller = await callers.user()
    async with session.get("/.well-known/jwks.json") as reply:
        keys = KeySet.import_key_set(await reply.json())
    token = jwt.decode(caller.access_token, keys, algorithms=["RS256"])
    assert token.header["typ"] == "at+jwt"
    claims = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": "tenon"},
        aud={"essential": True, "value": "tenon"},
        exp={"essential": True},
    )
    claims.validate(token.claims)
    assert token.claims["sub"] == str(caller.user_id)
    assert token.claims["sid"] == str(caller.session_id)


async def test_whoever_keeps_them_as_long_as_they_say_knows_a_key_before_it_signs(
    session: ClientSession,
) -> None:
    async with session.get("/.well-known/jwks.json") as reply:
        kept = reply.headers["cache-control"]
    assert kept == f"public, max-age={SETTLE_SECONDS / 2:.0f}"


async def test_any_page_may_read_them_but_keeps_no_refusal(session: ClientSession) -> None:
    async with session.get(
        "/.well-known/jwks.json", headers={"origin": "https://partner.example"}
    ) as reply:
        assert reply.status == 200
        assert reply.headers["access-control-allow-origin"] == "*"
        assert "set-cookie" not in reply.headers
    async with session.post("/.well-known/jwks.json") as refused:
        assert refused.status == 405
        assert refused.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in refused.headers


async def test_nothing_else_may_be_kept(session: ClientSession, callers: Callers) -> None:
    caller = await callers.user()
    headers = {"authorization": f"Bearer {caller.access_token}"}
    for path in ("/api/auth/session", "/api/auth/sessions", "/api/orgs"):
        async with session.get(path, headers=headers) as reply:
            assert reply.status == 200
            assert reply.headers["cache-control"] == "no-store"
            assert "access-control-allow-origin" not in reply.headers
