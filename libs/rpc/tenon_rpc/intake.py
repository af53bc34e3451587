"""How a service reads a request: bounded before it is parsed, then checked field by field."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from tenon_core.errors import FieldError, InvalidArgument, RequestTooLarge, invalid_fields
from tenon_core.offload import LARGE_BYTES, offload
from tenon_policy.bounds import bounds_of
from tenon_policy.checks import faults
from tenon_policy.policies import MethodPolicy
from tenon_policy.sizes import message_size

VALUE_BYTES = 16
"""What a value may take more on the wire than in JSON: tags, lengths, eight-byte numbers."""
SPARE_FIELDS = 100
"""Fields of a newer version of the caller, which this one does not know."""

_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5
_FIXED = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}


@dataclass(frozen=True, slots=True)
class Request:
    """A request and what is wrong with its fields, which is told once the caller is authorized."""

    message: Message
    faults: Sequence[FieldError]

    def require_valid(self) -> None:
        if self.faults:
            raise invalid_fields(self.faults)


class Intake:
    """Reads the requests of one method."""

    def __init__(self, method: MethodDescriptor, policy: MethodPolicy) -> None:
        size = message_size(method.input_type)
        self._parse: Callable[[bytes], Message] = GetMessageClass(method.input_type).FromString
        most = size.wire_bytes
        if policy.max_request_bytes:
            most = min(most, policy.max_request_bytes + size.values * VALUE_BYTES)
        self._max_bytes = max(
            most, LARGE_BYTES
        )  # less is parsed, so that the reply names the field
        self._max_fields = size.items + SPARE_FIELDS
        self._lists = _bounded_lists(method.input_type)

    async def read(self, data: bytes) -> Request:
        """Parse and check a request; RequestTooLarge, InvalidArgument."""
        if len(data) > self._max_bytes:
            raise RequestTooLarge
        return await offload(len(data), self._read, data)

    def _read(self, data: bytes) -> Request:
        try:
            if len(data) >= LARGE_BYTES:
                self._require_counts(data)
            message = self._parse(data)
        except (DecodeError, IndexError) as error:
            raise InvalidArgument("The request is not a message of this method.") from error
        return Request(message, faults(message))

    def _require_counts(self, data: bytes) -> None:
        """Count the fields of the top level, each of which takes memory once it is parsed."""
        counts: Counter[int] = Counter()
        for total, number in enumerate(_field_numbers(data)):
            counts[number] += 1
            most, fault = self._lists.get(number, (self._max_fields, None))
            if fault is not None and counts[number] > most:
                raise invalid_fields([fault])
            if total > self._max_fields:
                raise RequestTooLarge


_Lists: TypeAlias = dict[int, tuple[int, FieldError]]


def _bounded_lists(request: Descriptor) -> _Lists:
    """Return, by number, how many items each repeated field may have, and the error for more."""
    lists: _Lists = {}
    for field in request.fields:
        if field.is_repeated:
            bounds = bounds_of(field)
            fault = bounds.count_fault(range(bounds.max_items + 1)) or ""
            lists[field.number] = (
                bounds.max_items,
                FieldError(f"/{field.name}", fault, bounds.code),
            )
    return lists


def _field_numbers(data: bytes) -> Iterator[int]:
    """Yield the numbers of a message's fields on the wire; IndexError, DecodeError."""
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        kind = tag & 7
        if kind == _LENGTH:
            length, place = _varint(data, place)
            place += length
        elif kind == _VARINT:
            _, place = _varint(data, place)
        elif kind in _FIXED:
            place += _FIXED[kind]
        else:
            raise DecodeError(f"wire type {kind}")
        yield tag >> 3


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place += 1
        if byte < 0x80:  # noqa: PLR2004 # the last byte of a varint has no high bit
            return value, place
        shift += 7
