"""Audit records of what nobody called for: operators' commands, and what services do alone."""

from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from tenon.events.v1.events_pb2 import AccessRecorded
from tenon_core import clock
from tenon_core.events import Event
from tenon_core.ids import uuid7


def deed(action: str, actor: str, resource: str, *, user_id: UUID | None = None) -> Event:
    """Return the record; it goes to the log of the user whom it concerns, or else to that of the
    services.
    """
    moment = Timestamp()
    moment.FromDatetime(clock.now())
    record = AccessRecorded(
        action=action,
        actor=actor,
        resource=resource,
        request_id=str(uuid7()),
        count=1,
        access_time=moment,
    )
    return Event.of(record, user_id=user_id)
