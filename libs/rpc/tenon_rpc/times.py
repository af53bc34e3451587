"""Times as they travel."""

from datetime import UTC, datetime
from typing import overload

from google.protobuf.timestamp_pb2 import Timestamp

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
