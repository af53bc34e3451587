"""Checkpoints and beginnings as JSON: what object storage keeps and what people verify by."""

import json
from datetime import datetime, timedelta
from typing import Any

from tenon_tenancy.audit_checkpoints.models import Beginning, Checkpoint
from tenon_tenancy.audit_events.chain import EPOCH, microseconds


class BadDocument(Exception):
    """This is no checkpoint of an audit log."""


def written(signed: Checkpoint | Beginning) -> bytes:
    """Return a checkpoint, or a beginning, as one line of JSON; its time in microseconds since 1970
    UTC.
    """
    said = {
        "owner": signed.owner,
        **_place(signed),
        "hash": signed.hash.hex(),
        "time_us": microseconds(signed.create_time),
        "key_id": signed.key_id,
        "signature": signed.signature.hex(),
    }
    return json.dumps(said).encode() + b"\n"


def read(line: str | bytes) -> Checkpoint:
    """Read what `written` wrote of a checkpoint; BadDocument."""
    found = read_any(line)
    if isinstance(found, Checkpoint):
        return found
    raise BadDocument("this is a beginning, and no checkpoint")


def read_any(line: str | bytes) -> Checkpoint | Beginning:
    """Read what `written` wrote; BadDocument."""
    try:
        said = json.loads(line)
        return _beginning(said) if "begins_after" in said else _checkpoint(said)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise BadDocument(f"this is no checkpoint: {error!r}") from None


def _place(signed: Checkpoint | Beginning) -> dict[str, int]:
    if isinstance(signed, Beginning):
        return {"begins_after": signed.position}
    return {"position": signed.position, "previous": signed.previous}


def _checkpoint(said: dict[str, Any]) -> Checkpoint:
    return Checkpoint(
        owner=str(said["owner"]),
        position=int(said["position"]),
        previous=int(said["previous"]),
        hash=bytes.fromhex(said["hash"]),
        create_time=_time(said),
        key_id=str(said["key_id"]),
        signature=bytes.fromhex(said["signature"]),
    )


def _beginning(said: dict[str, Any]) -> Beginning:
    return Beginning(
        owner=str(said["owner"]),
        position=int(said["begins_after"]),
        hash=bytes.fromhex(said["hash"]),
        create_time=_time(said),
        key_id=str(said["key_id"]),
        signature=bytes.fromhex(said["signature"]),
    )


def _time(said: dict[str, Any]) -> datetime:
    return EPOCH + timedelta(microseconds=said["time_us"])
