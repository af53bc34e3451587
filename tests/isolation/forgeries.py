"""Access tokens that look like auth's and are not, of every kind that libraries were fooled by."""

import base64
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self, TypeAlias
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

Json = dict[str, Any]


def encoded(part: bytes | Json) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass(frozen=True)
class Forge:
    """A true token taken apart, and auth's own key, which signs whatever it is asked to."""

    key: rsa.RSAPrivateKey
    header: Json
    claims: Json
    token: str

    @classmethod
    def of(cls, token: str, pem: bytes) -> Self:
        key = load_pem_private_key(pem, None)
        assert isinstance(key, rsa.RSAPrivateKey)
        claims = jwt.decode(token, options={"verify_signature": False})
        return cls(key, dict(jwt.get_unverified_header(token)), claims, token)

    def signed(self, header: Json | None = None, claims: Json | bytes | None = None) -> str:
        head = self.header | (header or {})
        body = claims if isinstance(claims, bytes) else self.claims | (claims or {})
        signing = f"{encoded(head)}.{encoded(body)}"
        signature = self.key.sign(signing.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signing}.{encoded(signature)}"

    def without(self, claim: str) -> str:
        rest = {name: value for name, value in self.claims.items() if name != claim}
        return self.signed(claims=json.dumps(rest).encode())

    def hmac_signed(self, alg: str, secret: bytes) -> str:
        signing = f"{encoded(self.header | {'alg': alg})}.{encoded(self.claims)}"
        return f"{signing}.{encoded(hmac.digest(secret, signing.encode(), 'sha256'))}"

    def unsigned(self, alg: str) -> str:
        return f"{encoded(self.header | {'alg': alg})}.{encoded(self.claims)}."

    def public_pem(self) -> bytes:
        form = PublicFormat.SubjectPublicKeyInfo
        return self.key.public_key().public_bytes(Encoding.PEM, form)

    def by_another_key(self) -> str:
        other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return Forge(other, self.header, self.claims, self.token).signed()

    def cut(self, part: int, to: slice) -> str:
        parts = self.token.split(".")
        parts[part] = parts[part][to]
        return ".".join(parts)

    def raw_claims(self, **changes: str) -> str:
        """Sign claims with members as raw JSON, e.g. NaN or a second `exp`."""
        text = json.dumps(self.claims)
        for name, value in changes.items():
            text = text[:-1] + f', "{name}": {value}' + "}"
        return self.signed(claims=text.encode())


Vector: TypeAlias = Callable[[Forge], str]

HOUR = 3_600


def in_header(name: str, *values: object) -> dict[str, Vector]:
    """Return forgeries that say something else in their signed header."""

    def vector(value: object) -> Vector:
        return lambda forge: forge.signed({name: value})

    return {f"{name} {value!r}": vector(value) for value in values}


def with_own_key(name: str, value: object) -> dict[str, Vector]:
    """Return a forgery that brings the key that it wants to be verified by."""
    return {f"header {name}": lambda forge: forge.signed({name: value, "kid": "theirs"})}


def in_claims(name: str, *values: object) -> dict[str, Vector]:
    """Return forgeries that claim something else."""

    def vector(value: object) -> Vector:
        return lambda forge: forge.signed(claims={name: value})

    return {f"{name} {value!r}": vector(value) for value in values}


def unsigned(*algs: str) -> dict[str, Vector]:
    def vector(alg: str) -> Vector:
        return lambda forge: forge.unsigned(alg)

    return {f"alg {alg} without a signature": vector(alg) for alg in algs}


def without(*claims: str) -> dict[str, Vector]:
    def vector(claim: str) -> Vector:
        return lambda forge: forge.without(claim)

    return {f"without {claim}": vector(claim) for claim in claims}


VECTORS: dict[str, Vector] = {
    **unsigned("none", "None", "NONE", "nOnE", "RS256"),
    **in_header("alg", "RS384", "RS512", "PS256", "ES256", "HS256", "rs256", "", "none", None),
    "HS256 with the public key": lambda forge: forge.hmac_signed("HS256", forge.public_pem()),
    "HS256 said to be RS256": lambda forge: forge.hmac_signed("RS256", forge.public_pem()),
    "HS256 with an empty secret": lambda forge: forge.hmac_signed("HS256", b""),
    **in_header("kid", "unknown", "", "../../etc/passwd", "' or 1=1 --", "/dev/null", None, 7, []),
    **with_own_key("jku", "https://evil.example/jwks.json"),
    **with_own_key("x5u", "https://evil.example/cert.pem"),
    **with_own_key("jwk", {"kty": "RSA", "n": "AQAB", "e": "AQAB"}),
    **with_own_key("x5c", ["MII"]),
    **in_header("crit", ["exp"], [], "exp"),
    **in_header("typ", "JWT", "refresh+jwt", "", None, "AT+JWT "),
    **in_claims("iss", "evil", "", None, ["tenon"], "TENON", "tenon "),
    **in_claims("aud", "evil", "", None, [], {}, "tenon2"),
    **in_claims("exp", 0, -1, int(time.time()) - HOUR, None, "soon", [], {}, "1e400"),
    "exp NaN": lambda forge: forge.raw_claims(exp="NaN"),
    "exp infinite": lambda forge: forge.raw_claims(exp="Infinity"),
    "exp twice, the second past": lambda forge: forge.raw_claims(exp="1"),
    **in_claims("nbf", int(time.time()) + HOUR),
    **in_claims("iat", int(time.time()) + HOUR),
    **without("exp", "iat", "iss", "aud", "sub", "sid"),
    **in_claims("sub", "", "x", None, 7, ["x"]),
    **in_claims("sid", "", "x", None, 7, str(uuid4())),
    "another key": Forge.by_another_key,
    "no signature": lambda forge: forge.cut(2, slice(0)),
    "half a signature": lambda forge: forge.cut(2, slice(40)),
    "no header": lambda forge: forge.cut(0, slice(0)),
    "no claims": lambda forge: forge.cut(1, slice(0)),
    "two parts": lambda forge: forge.token.rpartition(".")[0],
    "four parts": lambda forge: forge.token + ".e30",
    "claims are a list": lambda forge: forge.signed(claims=b"[]"),
    "claims are text": lambda forge: forge.signed(claims=b"x"),
    "claims nested deeply": lambda forge: forge.signed(claims=b"[" * 900 + b"]" * 900),
    "empty": lambda _: "",
    "spaces inside": lambda forge: forge.token.replace(".", " . "),
    "too long": lambda forge: forge.signed(claims={"more": "x" * 5_000}),
}
