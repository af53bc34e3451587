"""Times as they travel."""

from datetime import datetime
from typing import overload

from google.protobuf.timestamp_pb2 import Timestamp


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
    packed = Timestamp()
    packed.FromDatetime(at)
    return packed
