"""API keys: how a secret is written, and what a key may."""

import secrets
import string
import zlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from uuid import UUID

from google.protobuf.descriptor_pb2 import FileDescriptorSet, MethodDescriptorProto

from tenon.options.v1 import options_pb2
from tenon_policy.policies import Role

PREFIX = "tnk_"
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
SECRET_BYTES = 32
BODY_CHARS = 43
"""What 32 bytes take in base 62."""
CHECKSUM_CHARS = 6
SHOWN_CHARS = len(PREFIX) + 8
"""How much of a secret is shown, so that its owner knows it again; 207 bits are left to guess."""


@dataclass(frozen=True, slots=True)
class KeyScope:
    """What a key is for. `permissions` are the only ones that it has; empty for all of its role."""

    key_id: UUID
    org_id: UUID
    role: Role
    permissions: frozenset[str]


def new_secret() -> str:
    """Return `tnk_`, 32 random bytes, and a checksum by which a scanner of sources knows it."""
    number = int.from_bytes(secrets.token_bytes(SECRET_BYTES), "big")
    body = _base62(number, BODY_CHARS)
    return PREFIX + body + _checksum(body)


def is_secret(token: str) -> bool:
    """Say whether a token says that it is an API key's secret, well-formed or not."""
    return token.startswith(PREFIX)


def is_well_formed(secret: str) -> bool:
    """Say whether it may be one that we made, without asking anybody."""
    if not is_secret(secret) or len(secret) != len(PREFIX) + BODY_CHARS + CHECKSUM_CHARS:
        return False
    body, checksum = secret[len(PREFIX) : -CHECKSUM_CHARS], secret[-CHECKSUM_CHARS:]
    return body.isascii() and checksum == _checksum(body)


@cache
def grantable_permissions() -> frozenset[str]:
    """Return every permission that a key can have, of all services' methods.

    They are read from the descriptors, for no service imports the stubs of all others.
    """
    raw = (files("tenon") / "descriptors.binpb").read_bytes()
    methods = (
        method
        for file in FileDescriptorSet.FromString(raw).file
        for service in file.service
        for method in service.method
    )
    return frozenset(filter(None, map(_grantable, methods)))


def _grantable(method: MethodDescriptorProto) -> str:
    policy = method.options.Extensions[options_pb2.policy]
    return "" if policy.people_only or policy.recent_auth else policy.permission


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode("ascii")), CHECKSUM_CHARS)


def _base62(number: int, chars: int) -> str:
    digits = []
    for _ in range(chars):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))
