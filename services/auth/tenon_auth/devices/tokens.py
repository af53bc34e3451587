"""Tokens by which a device is known again: random, stored as a hash that no two users share."""

import base64
import binascii
import hashlib
import secrets
from uuid import UUID

LENGTH = 24


def new_token() -> str:
    return secrets.token_urlsafe(LENGTH)


def hash_for(user_id: UUID, token: str) -> bytes:
    return hashlib.sha256(user_id.bytes + token.encode()).digest()


def is_ours(token: str) -> bool:
    try:
        return len(base64.b64decode(token, altchars=b"-_", validate=True)) == LENGTH
    except (binascii.Error, ValueError):
        return False
