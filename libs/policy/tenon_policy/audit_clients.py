"""Where an audited call came from, sealed so that only auth can open it, until the person whose
call it was is erased.

Each person has a key pair (HPKE, RFC 9180). Auth keeps the private half encrypted under the
person's data key; the public half travels in their access token, so that every service can seal
without asking anybody. A sealed value is

    version (1 byte, 2) · id of the key pair (16) · HPKE encapsulated key and ciphertext

of a JSON array without spaces, [salt, IP address, user agent]. Its SHA-256 stands in the line's
hash: whoever has the three can check them, and the salt keeps them from being guessed.
"""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass
from functools import lru_cache
from typing import Self
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
INFO = b"tenon audit client"
VERSION = b"\x02"
ID_BYTES = 16
SALT_BYTES = 16
MAX_USER_AGENT = 512
"""Characters of a user agent that are kept."""
REMEMBERED = 10_000


class UnreadableClient(Exception):
    """A sealed client does not open: it was changed, or belongs to another key."""


@dataclass(frozen=True, slots=True)
class Client:
    """The address and the user agent of a call, as the gateway says; empty if it was none."""

    ip_address: str = ""
    user_agent: str = ""


NO_CLIENT = Client()


@dataclass(frozen=True, slots=True)
class AuditKey:
    """The public half of a person's key pair."""

    id: UUID
    public: bytes

    @classmethod
    def read(cls, claim: str) -> Self:
        """Read the claim of an access token; ValueError."""
        raw = base64.urlsafe_b64decode(claim)
        X25519PublicKey.from_public_bytes(raw[ID_BYTES:])
        return cls(UUID(bytes=raw[:ID_BYTES]), raw[ID_BYTES:])

    @property
    def claim(self) -> str:
        return base64.urlsafe_b64encode(self.id.bytes + self.public).decode()


@dataclass(frozen=True, slots=True)
class SealedClient:
    """`digest` is in hexadecimal."""

    value: bytes = b""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class OpenedClient:
    """A client that was sealed, with its salt in hexadecimal; empty once the person is erased."""

    salt: str = ""
    client: Client = NO_CLIENT

    @property
    def digest(self) -> str:
        """The SHA-256 of the opened value in hexadecimal; empty of nothing."""
        if self == OpenedClient():
            return ""
        return hashlib.sha256(_canonical(self.salt, self.client)).hexdigest()


@lru_cache(REMEMBERED)
def seal(key: AuditKey, client: Client) -> SealedClient:
    """Seal a client for a person's key; the same value again for the same client."""
    opened = OpenedClient(secrets.token_hex(SALT_BYTES), client)
    public = X25519PublicKey.from_public_bytes(key.public)
    sealed = SUITE.encrypt(_canonical(opened.salt, client), public, INFO)
    return SealedClient(VERSION + key.id.bytes + sealed, opened.digest)


def key_id_of(sealed: bytes) -> UUID | None:
    """Return the id of the key pair that a sealed client names; None if it is no such value."""
    if sealed[:1] != VERSION or len(sealed) <= 1 + ID_BYTES:
        return None
    return UUID(bytes=sealed[1 : 1 + ID_BYTES])


def open_sealed(private: X25519PrivateKey, sealed: bytes) -> OpenedClient:
    """Open a sealed client; UnreadableClient."""
    try:
        salt, ip_address, user_agent = json.loads(
            SUITE.decrypt(sealed[1 + ID_BYTES :], private, INFO)
        )
    except (InvalidTag, ValueError) as error:
        raise UnreadableClient from error
    return OpenedClient(salt, Client(ip_address, user_agent))


def _canonical(salt: str, client: Client) -> bytes:
    said = [salt, client.ip_address, client.user_agent]
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
