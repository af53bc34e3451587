"""Where an encrypted value stands, as the bytes that it is bound to."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

LENGTH_BYTES = 4


class OwnerKind(StrEnum):
    ORGANIZATION = "org"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose value it is, and so by whose data key it is encrypted."""

    kind: OwnerKind
    id: UUID

    def parts(self) -> tuple[bytes, bytes]:
        return self.kind.encode(), self.id.bytes


@dataclass(frozen=True, slots=True)
class Cell:
    """The one place in all databases where a value decrypts."""

    owner: Owner
    schema: str
    table: str
    column: str
    row_id: UUID

    def associated_data(self, header: bytes) -> bytes:
        """Write it down with a value's header, which names format and key."""
        names = (self.schema.encode(), self.table.encode(), self.column.encode())
        return framed(b"tenon cell", header, *self.owner.parts(), *names, self.row_id.bytes)


def framed(*parts: bytes) -> bytes:
    """Join parts, each after its length: no two lists of parts give the same bytes."""
    return b"".join(len(part).to_bytes(LENGTH_BYTES, "big") + part for part in parts)
