"""Which columns of which tables are encrypted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table

from tenon_crypto.cells import Cell, Owner, OwnerKind
from tenon_crypto.tables import KINDS, data_keys_of

_known: dict[tuple[str, str], "SealedTable"] = {}


@dataclass(frozen=True, slots=True)
class SealedTable:
    """Which columns of a table are encrypted: `text` as UTF-8, `binary` as it is.

    `owner` and `row` are the columns of a row's owner and of its id within the table. Whoever makes
    one registers it, so that no rotation takes a key away that a table forgotten still needs.
    """

    table: Table
    owner: str
    row: str = "id"
    text: tuple[str, ...] = ()
    binary: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        schema = str(self.table.schema)
        _known[schema, self.table.name] = self
        data_keys_of(schema, self.kind)  # so that this is among the schema's tables, too

    @property
    def kind(self) -> OwnerKind:
        return next(kind for kind, info in KINDS.items() if info == self.table.info)

    @property
    def columns(self) -> tuple[str, ...]:
        return self.text + self.binary

    def cell(self, row: Mapping[str, Any], column: str) -> Cell:
        owner = Owner(self.kind, row[self.owner])
        return Cell(owner, str(self.table.schema), self.table.name, column, row[self.row])


def sealed_tables(schema: str, kind: OwnerKind) -> list[SealedTable]:
    """Return all tables of a service that hold values under keys of this kind of owner."""
    return [
        table for (of, _), table in sorted(_known.items()) if of == schema and table.kind is kind
    ]
