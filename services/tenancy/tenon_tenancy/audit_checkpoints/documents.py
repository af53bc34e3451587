"""Checkpoints as JSON: what object storage keeps and what people verify by."""

import json
from datetime import timedelta

from tenon_tenancy.audit_checkpoints.models import Checkpoint
from tenon_tenancy.audit_events.chain import EPOCH, microseconds


class BadDocument(Exception):
    """This is no checkpoint of an audit log."""


def written(checkpoint: Checkpoint) -> bytes:
    """Return a checkpoint as one line of JSON; its time in microseconds since 1970 UTC."""
    said = {
        "owner": checkpoint.owner,
        "position": checkpoint.position,
        "previous": checkpoint.previous,
        "hash": checkpoint.hash.hex(),
        "time_us": microseconds(checkpoint.create_time),
        "key_id": checkpoint.key_id,
        "signature": checkpoint.signature.hex(),
    }
    return json.dumps(said).encode() + b"\n"


def read(line: str | bytes) -> Checkpoint:
    """Read what `written` wrote; BadDocument."""
    try:
        said = json.loads(line)
        return Checkpoint(
            owner=str(said["owner"]),
            position=int(said["position"]),
            previous=int(said["previous"]),
            hash=bytes.fromhex(said["hash"]),
            create_time=EPOCH + timedelta(microseconds=said["time_us"]),
            key_id=str(said["key_id"]),
            signature=bytes.fromhex(said["signature"]),
        )
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise BadDocument(f"this is no checkpoint: {error!r}") from None
