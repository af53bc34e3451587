"""google.protobuf.Timestamp from and to RFC 3339."""

import re
from datetime import datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

# Naive, because naive sums are quicker; orjson is told that naive means UTC.
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 # on purpose, as said

_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE
)
_EPOCH_UTC = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799  # years 1 and 9999 in UTC


def to_datetime(timestamp: Timestamp) -> datetime:
    """Return a naive UTC time with microseconds."""
    return EPOCH + timedelta(0, timestamp.seconds, timestamp.nanos // 1000)


def parse_time(text: str) -> Timestamp:
    """Parse RFC 3339 with an offset, to the microsecond; ValueError for anything else."""
    if not _RFC_3339.fullmatch(text):
        raise ValueError(text)
    since = datetime.fromisoformat(text.upper()) - _EPOCH_UTC
    seconds = since.days * 86_400 + since.seconds
    if not _FIRST_SECOND <= seconds <= _LAST_SECOND:
        raise ValueError(text)
    return Timestamp(seconds=seconds, nanos=since.microseconds * 1000)
