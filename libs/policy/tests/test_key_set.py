"""The public keys: looked for anew every minute, by nobody who would have to wait for it."""

import asyncio
from collections.abc import Mapping

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, generate_private_key

from tenon_core.errors import Unavailable
from tenon_policy import tokens
from tenon_policy.tokens import KeySet

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
