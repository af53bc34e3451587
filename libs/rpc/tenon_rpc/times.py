"""Times as they travel."""

from datetime import UTC, datetime
from typing import overload

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from tenon_core.errors import FieldError, InvalidArgument

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECONDS_A_DAY = 86_400


@overload
def packed_time(at: datetime) -> Timestamp: ...
@overload
def packed_time(at: None) -> None: ...
@overload
def packed_time(at: datetime | None) -> Timestamp | None: ...
def packed_time(at: datetime | None) -> Timestamp | None:
    """Pack an aware time; None stays unset."""
    if at is None:
        return None
    since = at - EPOCH  # by hand: Timestamp.FromDatetime takes four times as long
    seconds = since.days * SECONDS_A_DAY + since.seconds
    return Timestamp(seconds=seconds, nanos=since.microseconds * 1_000)


def unpacked_time(message: Message, name: str, *, at: str = "") -> datetime | None:
    """Read a time from a message's field, None if it is unset; InvalidArgument with a pointer.

    `at` is the pointer to the message.
    """
    if not message.HasField(name):
        return None
    timestamp: Timestamp = getattr(message, name)
    try:
        return timestamp.ToDatetime(UTC)
    except (ValueError, OverflowError) as error:
        fields = [FieldError(f"{at}/{name}", "is not in the years 1 to 9999")]
        raise InvalidArgument(fields=fields) from error
