"""B1 for providers: an ID token that is not the provider's, not for us or not for this log-in logs
nobody in.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

from services.auth.tests.identities.conftest import fresh
from services.auth.tests.identities.hostile_provider import (
    CLIENT_ID,
    Hostile,
    jwk_of,
    new_key,
    serving,
)
from services.auth.tests.identities.visitor import Visitor
from tenon_auth.providers import id_tokens
from tenon_testing.system import System

Sign = Callable[[Hostile, dict[str, Any]], str]


async def told(visitor: Visitor, sign: Sign, **claims: Any) -> str:
    """Log in by a token that somebody signs; return the reason of a refusal."""
    begun, hostile = await visitor.start(), visitor.provider
    token = sign(hostile, hostile.claims(begun.url, **claims))
    return await visitor.told(begun, hostile.code(begun.url, id_token=token))


def in_base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return ".".join(in_base64(json.dumps(part).encode()) for part in (header, claims))


def nobodys(algorithm: str) -> Sign:
    return lambda hostile, claims: (
        unsigned({"alg": algorithm, "kid": hostile.kid, "typ": "JWT"}, claims) + "."
    )


def by_the_public_key(hostile: Hostile, claims: dict[str, Any]) -> str:
    """Sign by HMAC, with what everybody knows for its secret."""
    public = hostile.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    token = unsigned({"alg": "HS256", "kid": hostile.kid}, claims)
    mac = hmac.digest(public, token.encode(), hashlib.sha256)
    return f"{token}.{in_base64(mac)}"


def by_the_clients_secret(hostile: Hostile, claims: dict[str, Any]) -> str:
    return hostile.sign(claims, key="of a test: +/%" * 4, algorithm="HS256")


def by_another_key(hostile: Hostile, claims: dict[str, Any]) -> str:
    return hostile.sign(claims, key=new_key())


def by_an_unknown_key(hostile: Hostile, claims: dict[str, Any]) -> str:
    return hostile.sign(claims, key=new_key(), headers={"kid": "unknown"})


def by_a_key_in_the_header(hostile: Hostile, claims: dict[str, Any]) -> str:
    key = new_key()
    own = jwk_of(key, hostile.kid)
    headers = {"kid": hostile.kid, "jwk": own, "jku": "https://evil.example", "x5u": "file:///"}
    return hostile.sign(claims, key=key, headers=headers)


def with_a_header(**header: Any) -> Sign:
    return lambda hostile, claims: hostile.sign(claims, headers={"kid": hostile.kid, **header})


def cut(hostile: Hostile, claims: dict[str, Any]) -> str:
    return hostile.sign(claims)[:-8]


def without_signature(hostile: Hostile, claims: dict[str, Any]) -> str:
    return hostile.sign(claims).rpartition(".")[0] + "."


FORGERIES: dict[str, Sign] = {
    **{f"alg {name}": nobodys(name) for name in ("none", "None", "NONE", "nOnE", "", "RS256")},
    "alg missing": lambda _, claims: unsigned({}, claims) + ".",
    "HS256 by the public key": by_the_public_key,
    "HS256 by the client's secret": by_the_clients_secret,
    "another key": by_another_key,
    "an unknown key": by_an_unknown_key,
    "a key in the header": by_a_key_in_the_header,
    "kid path": with_a_header(kid="../../first"),
    "kid list": with_a_header(kid="first' or '1'='1"),
    "crit": with_a_header(crit=["exp"]),
    "PS256, which it does not say it signs by": lambda h, c: h.sign(c, algorithm="PS256"),
    "cut": cut,
    "no signature": without_signature,
    "empty": lambda *_: "",
    "no token": lambda *_: "x",
    "dots": lambda *_: "..",
    "not ASCII": lambda *_: "é.é.é",
}


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_a_forged_token_logs_nobody_in(
    visitor: Visitor, hostile: Hostile, forgery: str
) -> None:
    assert await told(visitor, FORGERIES[forgery]) == "id_token_invalid"
    assert await told(visitor, Hostile.sign) == ""
    assert len(hostile.exchanged) == 2


NOW = int(time.time())
WRONG: dict[str, dict[str, Any]] = {
    "nonce of another log-in": {"nonce": "of another log-in"},
    "no nonce": {"nonce": None},
    "nonce as a number": {"nonce": 1},
    "nonce not ASCII": {"nonce": "é"},
    "nonce of half a character": {"nonce": "\ud800"},
    "another client's": {"aud": "another"},
    "another client's too": {"aud": [CLIENT_ID, "another"]},
    "for nobody": {"aud": []},
    "no aud": {"aud": None},
    "aud as an object": {"aud": {CLIENT_ID: 1}},
    "for another party": {"azp": "another"},
    "for another party of several": {"aud": [CLIENT_ID, "another"], "azp": "another"},
    "another issuer": {"iss": "https://evil.example"},
    "another issuer of that prefix": {"iss": "http://127.0.0.1"},
    "no iss": {"iss": None},
    "expired": {"exp": NOW - 3_600},
    "no exp": {"exp": None},
    "exp as text": {"exp": "never"},
    "exp NaN": {"exp": float("nan")},
    "exp infinite": {"exp": float("inf")},
    "from the future": {"iat": NOW + 3_600},
    "no iat": {"iat": None},
    "not yet": {"nbf": NOW + 3_600},
    "no sub": {"sub": None},
    "empty sub": {"sub": ""},
    "sub as a number": {"sub": 7},
    "sub too long": {"sub": "a" * 256},
    "sub not ASCII": {"sub": "é"},
    "sub of half a character": {"sub": "\ud800"},
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_token_that_is_not_for_us_now_logs_nobody_in(visitor: Visitor, wrong: str) -> None:
    assert await told(visitor, Hostile.sign, **WRONG[wrong]) == "id_token_invalid"
    assert await told(visitor, Hostile.sign) == ""


@pytest.mark.parametrize(
    "right",
    [{"azp": CLIENT_ID}, {"aud": [CLIENT_ID]}, {"aud": [CLIENT_ID, "another"], "azp": CLIENT_ID}],
)
async def test_a_token_for_us_logs_in(visitor: Visitor, right: dict[str, Any]) -> None:
    assert await told(visitor, Hostile.sign, **right) == ""


@pytest.mark.parametrize("claim", ["nonce", "azp"])
async def test_control_without_its_check_a_wrong_claim_passes(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch, claim: str
) -> None:
    monkeypatch.setattr(id_tokens, "_checks", lambda *_: {})
    assert await told(visitor, Hostile.sign, **{claim: "wrong"}) == ""


async def test_any_signature_that_the_provider_says_it_makes_is_taken(system: System) -> None:
    curve, edwards = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
    async with serving(Hostile()) as hostile, fresh(system, hostile) as visitor:
        hostile.discovery = {"id_token_signing_alg_values_supported": ["ES256", "EdDSA", "PS256"]}
        hostile.keys = [
            {**jwk_of(hostile.key, "rsa"), "alg": "PS256"},
            {**ECAlgorithm.to_jwk(curve.public_key(), as_dict=True), "kid": "curve"},
            {**OKPAlgorithm.to_jwk(edwards.public_key(), as_dict=True), "kid": "edwards"},
        ]
        for key, algorithm, kid in (
            (hostile.key, "PS256", "rsa"),
            (curve, "ES256", "curve"),
            (edwards, "EdDSA", "edwards"),
        ):
            assert await told(visitor, signing(key, algorithm, kid)) == ""
        assert await told(visitor, signing(hostile.key, "RS256", "rsa")) == "id_token_invalid"
        assert await told(visitor, signing(curve, "ES256", "edwards")) == "id_token_invalid"


async def test_a_key_that_was_replaced_under_its_id_is_fetched(
    visitor: Visitor, hostile: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(id_tokens, "SIGNATURE_PAUSE_SECONDS", 0.0)
    assert await told(visitor, lambda h, claims: h.sign(claims)) == ""
    hostile.key = new_key()
    hostile.keys = [jwk_of(hostile.key, hostile.kid)]
    assert await told(visitor, lambda h, claims: h.sign(claims)) == ""


async def test_bad_signatures_fetch_the_keys_once_in_a_while(
    visitor: Visitor, hostile: Hostile
) -> None:
    hostile.fetched.clear()
    for _ in range(5):
        assert await told(visitor, by_another_key) == "id_token_invalid"
    assert hostile.fetched.count("/keys") <= 2  # the first log-in fetches them, too


async def test_a_new_key_is_fetched_once_and_then_known(visitor: Visitor, hostile: Hostile) -> None:
    assert await told(visitor, Hostile.sign) == ""
    key, kid = new_key(), uuid4().hex
    hostile.keys = [jwk_of(key, kid), *hostile.keys]
    hostile.fetched.clear()
    for _ in range(3):
        assert await told(visitor, signing(key, "RS256", kid)) == ""
    assert hostile.fetched.count("/keys") == 1


async def test_an_unknown_key_is_looked_for_once_and_no_more(
    visitor: Visitor, hostile: Hostile
) -> None:
    assert await told(visitor, Hostile.sign) == ""
    hostile.fetched.clear()
    assert await told(visitor, by_an_unknown_key) == "id_token_invalid"
    assert hostile.fetched.count("/keys") == 1


async def test_a_token_that_names_no_key_needs_a_provider_of_one(
    visitor: Visitor, hostile: Hostile
) -> None:
    unnamed = signing(hostile.key, "RS256", None)
    assert await told(visitor, Hostile.sign) == ""
    assert await told(visitor, unnamed) == ""
    hostile.keys = [*hostile.keys, jwk_of(new_key(), "second")]
    assert await told(visitor, signing(hostile.key, "RS256", "third")) == "id_token_invalid"
    assert await told(visitor, unnamed) == "id_token_invalid"


@pytest.mark.parametrize(
    "key", [{"n": 5}, {"n": "!"}, {"e": ""}, {"kty": "oct", "k": "eA"}, {"use": "enc"}, {"n": None}]
)
async def test_a_key_that_makes_no_sense_verifies_nothing(
    visitor: Visitor, hostile: Hostile, key: dict[str, Any]
) -> None:
    kid = uuid4().hex
    hostile.keys = [{**jwk_of(hostile.key, kid), **key}]
    assert await told(visitor, signing(hostile.key, "RS256", kid)) == "id_token_invalid"


def signing(key: Any, algorithm: str, kid: str | None) -> Sign:
    headers = {"kid": kid} if kid else {}
    return lambda _, claims: jwt.encode(claims, key, algorithm, headers)
