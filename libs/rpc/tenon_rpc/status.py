"""Errors on the wire: google.rpc.Status with ErrorInfo, BadRequest and RetryInfo, both ways."""

from collections.abc import Iterator, Sequence
from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from tenon_core.errors import Code, DeadlineExceeded, FieldError, TenonError, Unavailable

DOMAIN = "tenon"
TOO_LARGE = "The request, or the answer to it, is larger than a message may be."
OLDER = "The service is of an older version, which cannot do this yet."
DETAILS_KEY = "grpc-status-details-bin"
LIMIT_KEY = "limit"
"""In ErrorInfo's metadata: the name of the limit that was reached."""
MAX_FIELDS_BYTES = 16 * 1024
"""Of the fields that an error names, as they travel in metadata. Channels accept more
(`tenon_rpc.channel.MAX_METADATA_BYTES`), base64 included."""
MAX_TEXT_CHARS = 1_000
MORE = "{} more errors are not listed; correct these first"

M = TypeVar("M", bound=Message)

_STATUS_CODES = {code.value[0]: code for code in grpc.StatusCode}


class PeerError(TenonError):
    """Another service refused."""

    def __init__(
        self,
        code: Code,
        reason: str,
        detail: str,
        fields: tuple[FieldError, ...] = (),
        retry_after: float | None = None,
        limit: str = "",
    ) -> None:
        super().__init__(detail, fields=fields, retry_after=retry_after, limit=limit)
        self.code = code  # type: ignore[misc] # a peer's error has its own
        self.reason = reason  # type: ignore[misc] # the same


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: TenonError) -> NoReturn:
    """End the call with this error."""
    await context.abort(
        _STATUS_CODES[error.code.value],
        shortened(error.detail),
        ((DETAILS_KEY, packed(error).SerializeToString()),),
    )


def packed(error: TenonError) -> Status:
    """Write an error as it travels."""
    status = Status(code=error.code.value, message=shortened(error.detail))
    metadata = {LIMIT_KEY: error.limit} if error.limit else {}
    details: list[Message] = [ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata)]
    if error.fields:
        details.append(BadRequest(field_violations=_violations(error.fields)))
    if error.retry_after is not None:
        delay = Duration()
        delay.FromMilliseconds(int(error.retry_after * 1000))
        details.append(RetryInfo(retry_delay=delay))
    for detail in details:
        status.details.add().Pack(detail)
    return status


def _violations(fields: Sequence[FieldError]) -> Iterator[BadRequest.FieldViolation]:
    """Yield as many of the fields as metadata can carry, and then how many are left out."""
    size = 0
    for number, field in enumerate(fields):
        violation = BadRequest.FieldViolation(
            field=shortened(field.pointer), description=shortened(field.message)
        )
        size += violation.ByteSize()
        if size > MAX_FIELDS_BYTES:
            yield BadRequest.FieldViolation(description=MORE.format(len(fields) - number))
            return
        yield violation


def shortened(text: str) -> str:
    return text if len(text) <= MAX_TEXT_CHARS else f"{text[: MAX_TEXT_CHARS - 1]}…"


def unpacked(error: grpc.aio.AioRpcError) -> TenonError:
    """Read what a peer's call failed with."""
    details = _details(error)
    if details is None:
        return _without_details(error)
    info = _find(details, ErrorInfo())
    bad = _find(details, BadRequest())
    retry = _find(details, RetryInfo())
    return PeerError(
        Code(details.code),
        info.reason if info else "internal",
        details.message,
        tuple(FieldError(v.field, v.description) for v in bad.field_violations) if bad else (),
        retry.retry_delay.ToMilliseconds() / 1000 if retry else None,
        info.metadata.get(LIMIT_KEY, "") if info else "",
    )


def _details(error: grpc.aio.AioRpcError) -> Status | None:
    metadata: Any = error.trailing_metadata() or ()
    value = dict(metadata).get(DETAILS_KEY)
    if not isinstance(value, bytes):
        return None
    try:
        return Status.FromString(value)
    except DecodeError:
        return None


def _without_details(error: grpc.aio.AioRpcError) -> TenonError:
    match error.code():
        case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.CANCELLED:
            return Unavailable()
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineExceeded()
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return PeerError(Code.RESOURCE_EXHAUSTED, "too_large", TOO_LARGE)
        case grpc.StatusCode.UNIMPLEMENTED:
            return PeerError(Code.UNIMPLEMENTED, "unimplemented", OLDER)
    return TenonError()


def _find(details: Status, wanted: M) -> M | None:
    for detail in details.details:
        assert isinstance(detail, AnyMessage)
        if detail.Unpack(wanted):
            return wanted
    return None
