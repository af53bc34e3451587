"""Verification from files and public keys alone, on a machine that has nothing of the system."""

import json
from collections.abc import Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tenon_tenancy.audit_checkpoints import documents as checkpoint_documents
from tenon_tenancy.audit_checkpoints.models import Beginning, Checkpoint
from tenon_tenancy.audit_events.models import AuditEvent
from tenon_tenancy.audit_verification import documents
from tenon_tenancy.audit_verification.verification import Report, verify_signed


class BadFile(Exception):
    """A file is not what it should be."""


def verify_files(
    log: Path, checkpoints: Path | None, keys: Path | None
) -> Iterator[tuple[str, Report]]:
    """Check each owner's log of a file of lines; BadFile.

    `checkpoints` is a file of JSON Lines, or a folder of such files as object storage keeps them,
    beginnings among them; `keys` what `/.well-known/audit-keys.json` says, or one key in PEM.
    """
    known = list(_checkpoints(checkpoints)) if checkpoints else []
    public = read_keys(keys) if keys else {}
    seen = set()
    for owner, lines in groupby(_lines(log), key=itemgetter(0)):
        if owner in seen:
            raise BadFile(f"{log}: the lines of {owner} are not together")
        seen.add(owner)
        own = [checkpoint for checkpoint in known if checkpoint.owner == owner]
        yield owner, verify_signed(owner, (line for _, line in lines), own, public)
    for owner in sorted({checkpoint.owner for checkpoint in known} - seen):
        own = [checkpoint for checkpoint in known if checkpoint.owner == owner]
        yield owner, verify_signed(owner, [], own, public)


def read_keys(path: Path) -> Mapping[str, Ed25519PublicKey]:
    """Read public keys by their ids; that of a single key in PEM is the file's name."""
    content = path.read_bytes()
    try:
        if content.lstrip().startswith(b"{"):
            found = {
                key["kid"]: jwt.PyJWK(key, algorithm="EdDSA").key
                for key in json.loads(content)["keys"]
            }
        else:
            found = {path.stem: load_pem_public_key(content)}
    except (ValueError, TypeError, KeyError, jwt.PyJWTError) as error:
        raise BadFile(f"{path} holds no public key: {error}") from None
    if not all(isinstance(key, Ed25519PublicKey) for key in found.values()):
        raise BadFile(f"{path} holds a key that is no Ed25519 public key")
    return found


def _lines(path: Path) -> Iterator[tuple[str, AuditEvent]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield documents.read(line)
            except documents.BadDocument as error:
                raise BadFile(f"{path}, line {number}: {error}") from None


def _checkpoints(path: Path) -> Iterator[Checkpoint | Beginning]:
    for file in sorted(path.rglob("*.json")) if path.is_dir() else [path]:
        for number, line in enumerate(file.read_bytes().splitlines(), start=1):
            try:
                yield checkpoint_documents.read_any(line)
            except checkpoint_documents.BadDocument as error:
                raise BadFile(f"{file}, line {number}: {error}") from None
