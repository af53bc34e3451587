"""Our tokens are verified by somebody else's library, from the published keys alone."""

from aiohttp import ClientSession
from joserfc import jwt
from joserfc.jwk import KeySet

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
