"""The keys that sign checkpoints: Ed25519, as files `<key id>.pem` whose names sort by age.

A signature is over the checkpoint's canonical bytes: a JSON array in UTF-8 without spaces, of the
format's name, the owner, the position, that of the checkpoint before it (0 if there was none), the
hash in hexadecimal, the time in whole microseconds since 1970 UTC, and the key's id. That of a
beginning is over the same but for the position before it, under another format's name.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import OKPAlgorithm

from tenon_tenancy.audit_checkpoints.models import Beginning, Checkpoint
from tenon_tenancy.audit_events.chain import microseconds
from tenon_tenancy.audit_events.models import Head

FORMAT = "tenon-checkpoint-1"
BEGINNING_FORMAT = "tenon-beginning-1"


class CheckpointKeys:
    """Signs with the newest key; each that is there verifies."""

    def __init__(self, directory: Path) -> None:
        """Read the keys; exit with a clear message if there is none, or a file is no such key."""
        self._keys = {path.stem: _load(path) for path in directory.glob("*.pem")}
        if not self._keys:
            raise SystemExit(
                f"there is no key in {directory} to sign checkpoints of the audit log with: put an"
                " Ed25519 private key there as <key id>.pem, names that sort by age"
            )

    def sign(self, owner: str, head: Head, previous: int, at: datetime) -> Checkpoint:
        key_id = max(self._keys)
        unsigned = Checkpoint(owner, head.position, previous, head.hash, at, key_id, b"")
        return replace(unsigned, signature=self._keys[key_id].sign(_canonical(unsigned)))

    def sign_beginning(self, owner: str, last_removed: Head, at: datetime) -> Beginning:
        key_id = max(self._keys)
        unsigned = Beginning(owner, last_removed.position, last_removed.hash, at, key_id, b"")
        return replace(unsigned, signature=self._keys[key_id].sign(_canonical(unsigned)))

    @property
    def public_keys(self) -> Mapping[str, Ed25519PublicKey]:
        return {key_id: key.public_key() for key_id, key in self._keys.items()}


def is_genuine(signed: Checkpoint | Beginning, keys: Mapping[str, Ed25519PublicKey]) -> bool:
    """Say whether one of these keys has signed a checkpoint, or a beginning, as it is."""
    key = keys.get(signed.key_id)
    if key is None:
        return False
    try:
        key.verify(signed.signature, _canonical(signed))
    except InvalidSignature:
        return False
    return True


def public_jwks(keys: Mapping[str, Ed25519PublicKey]) -> list[dict[str, str]]:
    """Return public keys as JSON Web Keys (RFC 8037)."""
    return [
        {"kid": key_id, **OKPAlgorithm.to_jwk(key, as_dict=True)}
        for key_id, key in sorted(keys.items())
    ]


def _canonical(signed: Checkpoint | Beginning) -> bytes:
    said = [
        *_place(signed),
        signed.hash.hex(),
        microseconds(signed.create_time),
        signed.key_id,
    ]
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()


def _place(signed: Checkpoint | Beginning) -> list[str | int]:
    if isinstance(signed, Beginning):
        return [BEGINNING_FORMAT, signed.owner, signed.position]
    return [FORMAT, signed.owner, signed.position, signed.previous]


def _load(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise SystemExit(f"{path} is no Ed25519 private key in PEM")
    return key
