import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from tenon_core import clock, deadlines
from tenon_core.display_names import text_problem
from tenon_core.errors import FieldError, InvalidArgument
from tenon_core.ids import uuid7
from tenon_crypto.fields import FieldCipher
from tenon_db.database import Database
from tenon_db.pages import Page, clamp, cut, read_id
from tenon_outbound.errors import OutboundError
from tenon_policy.call import Call
from tenon_tenancy.audit_events.chain import microseconds
from tenon_tenancy.audit_streams.models import (
    CREDENTIAL,
    MAX_DESCRIPTION,
    AuditStream,
    Bucket,
    Delivery,
    Target,
    Webhook,
)
from tenon_tenancy.audit_streams.repository import AuditStreamRepository, DeliveryRepository
from tenon_tenancy.audit_streams.sending import (
    TEST,
    NotTaken,
    Parcel,
    Sender,
    new_secret,
    webhook_parcel,
)
from tenon_tenancy.errors import TooManyAuditStreams

MAX_STREAMS = 10
TEST_SECONDS = 8.0
ANSWER_SECONDS = 3.0
"""What is left of a call's time to say what became of a test."""
SECRET = "secret_access_key"  # noqa: S105 # a field's name
CHANGEABLE = ("description", "enabled", "webhook", "bucket", SECRET)


class AuditStreamService:
    """Streams of organizations' logs as their owners have them."""

    def __init__(self, database: Database, cipher: FieldCipher, sender: Sender) -> None:
        self._database = database
        self._cipher = cipher
        self._sender = sender

    async def create(
        self, call: Call, description: str, target: Target | None, secret: str
    ) -> AuditStream:
        """Make a stream; a webhook's secret is made here. InvalidArgument, TooManyAuditStreams."""
        if target is None:
            either = FieldError("/webhook", "is needed, or a bucket, and not both")
            raise InvalidArgument(fields=[either])
        if isinstance(target, Webhook):
            secret = new_secret()
        self._require(description, target, secret)
        at = clock.now()
        stream = AuditStream(
            call.org, uuid7(), description, True, target, secret, call.user, at, due_time=at
        )
        async with self._database.tenant(call.org) as tx:
            streams = AuditStreamRepository(tx, self._cipher)
            await streams.lock_all()
            if await streams.count() >= MAX_STREAMS:
                raise TooManyAuditStreams
            await streams.add(stream)
            await tx.publish(call.access(_resource(stream.id)))
        return stream

    async def list(self, call: Call, page_size: int, page_token: str) -> Page[AuditStream]:
        """List them, newest first."""
        size, before = clamp(page_size), read_id(page_token)
        async with self._database.tenant(call.org) as tx:
            found = await AuditStreamRepository(tx, self._cipher).page(before, size + 1)
        return cut(found, size, lambda stream: (stream.id,))

    async def update(
        self, call: Call, stream_id: UUID | None, changes: Mapping[str, Any]
    ) -> AuditStream:
        """Change a stream, by the names of a request's fields; InvalidArgument,
        AuditStreamNotFound.
        """
        async with self._database.tenant(call.org) as tx:
            streams = AuditStreamRepository(tx, self._cipher)
            before = await streams.get(stream_id, lock=True)
            stream = _changed(before, changes)
            self._require(stream.description, stream.target, stream.secret)
            await streams.change(stream)
            old, new = _fields(before), _fields(stream)
            after = {name: new[name] for name in changes}
            await tx.publish(call.update(_resource(stream.id), old, after))
        return stream

    async def rotate_secret(self, call: Call, stream_id: UUID | None) -> AuditStream:
        """Give a webhook's stream a new secret, and return the stream with it; InvalidArgument,
        AuditStreamNotFound.
        """
        async with self._database.tenant(call.org) as tx:
            streams = AuditStreamRepository(tx, self._cipher)
            stream = await streams.get(stream_id, lock=True)
            if not isinstance(stream.target, Webhook):
                raise InvalidArgument(
                    fields=[FieldError("/stream_id", "must be a stream to a webhook")]
                )
            stream = stream.rotated(new_secret(), clock.now())
            await streams.change(stream)
            await tx.publish(call.access(_resource(stream.id)))
        return stream

    async def delete(self, call: Call, stream_id: UUID | None) -> None:
        """Delete a stream; AuditStreamNotFound."""
        async with self._database.tenant(call.org) as tx:
            await AuditStreamRepository(tx, self._cipher).remove(stream_id)
            await tx.publish(call.access(_resource(stream_id)))

    async def deliveries(
        self, call: Call, stream_id: UUID | None, page_size: int, page_token: str
    ) -> Page[Delivery]:
        """List what a stream has delivered, newest first; AuditStreamNotFound."""
        size, before = clamp(page_size), read_id(page_token)
        async with self._database.tenant(call.org) as tx:
            stream = await AuditStreamRepository(tx, self._cipher).get(stream_id)
            found = await DeliveryRepository(tx, stream.id).page(before, size + 1)
        return cut(found, size, lambda delivery: (delivery.id,))

    async def test(self, call: Call, stream_id: UUID | None) -> str:
        """Send a line that is none of the log; return why it was not taken, empty if it was.
        AuditStreamNotFound.
        """
        async with self._database.tenant(call.org) as tx:
            stream = await AuditStreamRepository(tx, self._cipher).get(stream_id)
            await tx.publish(call.access(_resource(stream.id)))
        try:
            await self._sender.send(stream, _test_parcel(stream), _test_seconds())
        except NotTaken as error:
            return str(error)
        return ""

    def _require(self, description: str, target: Target, secret: str) -> None:
        """Refuse what no stream can be; InvalidArgument."""
        problems = target.problems()
        if problem := text_problem(description, MAX_DESCRIPTION):
            problems.append(FieldError("/description", problem))
        if isinstance(target, Bucket) and not CREDENTIAL.fullmatch(secret):
            problems.append(FieldError(f"/{SECRET}", "is none"))
        try:
            self._sender.require(target)
        except OutboundError as error:
            field = "/webhook/url" if isinstance(target, Webhook) else "/bucket/endpoint"
            problems.append(FieldError(field, str(error)))
        if problems:
            raise InvalidArgument(fields=problems)


def _test_seconds() -> float:
    """Return how long an endpoint may take for a test: its caller must still get the answer."""
    left = deadlines.remaining()
    return TEST_SECONDS if left is None else max(1.0, min(TEST_SECONDS, left - ANSWER_SECONDS))


def _test_parcel(stream: AuditStream) -> Parcel:
    """Return what has the form of a delivery, and no line of a log."""
    at = clock.now()
    if isinstance(stream.target, Webhook):
        return webhook_parcel(uuid7(), at, TEST, [])
    said = {"owner": f"orgs/{stream.org_id}", "test": True, "time_us": microseconds(at)}
    return Parcel(uuid7(), json.dumps(said).encode() + b"\n", "test.jsonl")


def _changed(stream: AuditStream, changes: Mapping[str, Any]) -> AuditStream:
    """Return a stream with what shall be another; InvalidArgument."""
    unknown = [name for name in changes if name not in CHANGEABLE]
    own = stream.target.kind
    other = {"webhook": "bucket", "bucket": "webhook"}[own]
    if unknown or other in changes:
        name = (unknown or [other])[0]
        raise InvalidArgument(fields=[FieldError(f"/{name}", "cannot be changed")])
    if own == "webhook" and SECRET in changes:
        raise InvalidArgument(fields=[FieldError(f"/{SECRET}", "is for buckets")])
    if own == "bucket" and own in changes and SECRET not in changes:
        raise InvalidArgument(fields=[FieldError(f"/{SECRET}", "is needed with a bucket")])
    return replace(
        stream,
        description=changes.get("description", stream.description),
        enabled=changes.get("enabled", stream.enabled),
        target=changes.get(own, stream.target),
        secret=changes.get(SECRET, stream.secret),
    )


def _fields(stream: AuditStream) -> Mapping[str, object]:
    """Return what can be changed of a stream, by the names of a request's fields."""
    return {
        "description": stream.description,
        "enabled": stream.enabled,
        stream.target.kind: stream.target,
        SECRET: stream.secret,
    }


def _resource(stream_id: UUID | None) -> str:
    return f"audit_streams/{stream_id}"
