"""The public keys: looked for anew every minute, by nobody who would have to wait for it."""

import asyncio
import time
from collections.abc import Mapping
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)

from tenon_core.errors import Unavailable
from tenon_policy import tokens
from tenon_policy.tokens import BadToken, KeySet, TokenVerifier

KEY = generate_private_key(public_exponent=65_537, key_size=2_048).public_key()


@pytest.mark.parametrize("fault", ["away", "silent"])
async def test_a_known_key_is_good_while_auth_is_away(
    monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    asked = 0

    async def fetch() -> Mapping[str, RSAPublicKey]:
        nonlocal asked
        asked += 1
        if asked == 1:
            return {"kid": KEY}
        if fault == "away":
            raise Unavailable
        await asyncio.Event().wait()
        raise AssertionError

    keys = KeySet(fetch)
    await keys.get("kid")
    monkeypatch.setattr(tokens, "KEYS_SECONDS", -1.0)  # the minute is over
    async with asyncio.timeout(2 * tokens.LOOK_SECONDS):
        assert await keys.get("kid") is KEY
    assert asked == 2


def token_of(key: RSAPrivateKey) -> str:
    now = int(time.time())
    ids = {"sub": str(uuid4()), "sid": str(uuid4())}
    claims = {"iss": tokens.ISSUER, "aud": tokens.AUDIENCE, "iat": now, "exp": now + 60, **ids}
    headers = {"kid": "kid", "typ": tokens.TOKEN_TYPE}
    return jwt.encode(claims, key, tokens.ALGORITHM, headers)


class Replaced:
    """Keys of which one is replaced under the same id."""

    def __init__(self) -> None:
        self.key = generate_private_key(public_exponent=65_537, key_size=2_048)
        self.fetched = 0

    async def fetch(self) -> Mapping[str, RSAPublicKey]:
        self.fetched += 1
        return {"kid": self.key.public_key()}


async def test_a_key_that_was_replaced_under_its_id_is_fetched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(KeySet, "RETRY_SECONDS", -1.0)
    auth = Replaced()
    verifier = TokenVerifier(KeySet(auth.fetch))
    await verifier.verify(token_of(auth.key))
    auth.key = generate_private_key(public_exponent=65_537, key_size=2_048)
    await verifier.verify(token_of(auth.key))
    assert auth.fetched == 2


async def test_bad_signatures_fetch_the_keys_once_in_a_while() -> None:
    auth, forger = Replaced(), generate_private_key(public_exponent=65_537, key_size=2_048)
    verifier = TokenVerifier(KeySet(auth.fetch))
    for _ in range(5):
        with pytest.raises(BadToken):
            await verifier.verify(token_of(forger))
    assert auth.fetched == 1
