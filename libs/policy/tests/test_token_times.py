"""Clocks differ a little between machines; a token's end does not wait for them."""

import math
import time
from collections.abc import Mapping
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, generate_private_key

from tenon_policy.tokens import (
    ALGORITHM,
    AUDIENCE,
    ISSUER,
    TOKEN_TYPE,
    BadToken,
    KeySet,
    TokenVerifier,
)

KEY = generate_private_key(public_exponent=65_537, key_size=2_048)


@pytest.fixture
def verifier() -> TokenVerifier:
    async def fetch() -> Mapping[str, RSAPublicKey]:
        return {"kid": KEY.public_key()}

    return TokenVerifier(KeySet(fetch))


def token(**times: float) -> str:
    """Sign a token as auth does, with whole seconds; its times are given in seconds from now."""
    given = {"iat": 0.0, "exp": 300.0, **times}
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(uuid4()),
        "sid": str(uuid4()),
        **{name: math.ceil(time.time() + seconds) for name, seconds in given.items()},
    }
    return jwt.encode(claims, KEY, ALGORITHM, headers={"kid": "kid", "typ": TOKEN_TYPE})


@pytest.mark.parametrize("claim", ["iat", "nbf"])
@pytest.mark.parametrize("behind", [0.7, 9.0])
async def test_a_verifier_may_be_a_little_behind(
    verifier: TokenVerifier, claim: str, behind: float
) -> None:
    assert await verifier.verify(token(**{claim: behind}))


@pytest.mark.parametrize("claim", ["iat", "nbf"])
async def test_a_verifier_may_not_be_far_behind(verifier: TokenVerifier, claim: str) -> None:
    with pytest.raises(BadToken):
        await verifier.verify(token(**{claim: 11.0}))


async def test_a_token_ends_without_leeway(verifier: TokenVerifier) -> None:
    assert await verifier.verify(token(iat=-300.0, exp=5.0))
    with pytest.raises(BadToken):
        await verifier.verify(token(iat=-300.0, exp=-1.5))
