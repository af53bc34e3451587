"""Signed links to files: whoever has one may read that file until the link expires.

A token is `payload.mac`, both base64url: the payload is JSON of key, file name and expiry, the
mac its HMAC-SHA256.
"""

import hmac
import json
import string
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote

from tenon_core import clock
from tenon_storage.errors import LinkRefused
from tenon_storage.keys import checked

# Keeps these signatures apart from any other use of the same key.
PURPOSE = b"tenon file link v1\0"
# What needs no quoting in the simple form of a file name.
PLAIN = frozenset(string.ascii_letters + string.digits + "._- ")


@dataclass(frozen=True, slots=True)
class Grant:
    """What a valid link allows: to read this object under this name."""

    path: str
    filename: str


def sign_link(grant: Grant, expires: timedelta, key: bytes) -> str:
    """Return the token of a link."""
    until = int((clock.now() + expires).timestamp())
    payload = json.dumps([checked(grant.path), grant.filename, until]).encode()
    return f"{_text(payload)}.{_text(_mac(payload, key))}"


def verify_link(token: str, key: bytes) -> Grant:
    """Return what the token allows; LinkRefused if it is forged, malformed or too old."""
    try:
        payload, mac = map(_bytes, token.split("."))
    except ValueError as error:
        raise LinkRefused from error
    if not hmac.compare_digest(mac, _mac(payload, key)):
        raise LinkRefused
    path, filename, until = json.loads(payload)
    if clock.now().timestamp() >= until:
        raise LinkRefused
    return Grant(checked(path), filename)


def attachment(filename: str) -> str:
    """Return the Content-Disposition that saves a download under this name (RFC 6266)."""
    plain = "".join(c if c in PLAIN else "_" for c in filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def _mac(payload: bytes, key: bytes) -> bytes:
    return hmac.digest(key, PURPOSE + payload, "sha256")


def _text(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
