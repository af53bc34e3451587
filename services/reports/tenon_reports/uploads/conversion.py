"""From records of a file to a batch of events, by the names in its header."""

from collections import Counter
from collections.abc import Sequence
from operator import itemgetter
from typing import TypeAlias

from tenon_reports import zones
from tenon_reports.datasets.models import Dataset
from tenon_reports.ingest import cells
from tenon_reports.ingest.batch import Batch, batch_of
from tenon_reports.ingest.cells import NULL, Column, Times
from tenon_reports.uploads.models import Header, UnusableFile
from tenon_reports.uploads.records import Records

Rows: TypeAlias = list[list[str]]

SHOWN_NAMES = 20


class Conversion:
    """Reads the records of one file. `digest` makes ids where the file has none."""

    def __init__(self, dataset: Dataset, header: Header, names: Sequence[str], digest: str) -> None:
        """Find the columns by the file's first record; UnusableFile says what it lacks."""
        names = [name.strip() for name in names]
        self._width = len(names)
        self._digest = digest
        self._nulls: dict[str | None, str] = {"": NULL, header.null_text: NULL}
        self._times = Times(zones.zone(header.time_zone or dataset.time_zone))
        self._time = _place(names, header.time_column.strip())
        self._id = _place(names, header.id_column.strip()) if header.id_column else None
        self._dimensions = _places(names, dataset.dimensions)
        self._measures = _places(names, dataset.measures)
        self.missing = [
            name for name in (*dataset.dimensions, *dataset.measures) if name not in names
        ]
        if not self._dimensions and not self._measures:
            wanted = _listed([*dataset.dimensions, *dataset.measures])
            raise UnusableFile(
                "No column is named like a dimension or a measure of the dataset: "
                f"{wanted}. {_told(names)}"
            )

    def batch(self, records: Records, first_row: int) -> Batch:
        """Check the records; `first_row` is the number of the first, the header not counted."""
        self._refuse_other_widths(records)
        failures = {place: refused.reason for place, refused in records.refused.items()}
        rows = records.cells
        if failures:
            filler = [""] * self._width
            rows = [filler if place in failures else row for place, row in enumerate(rows)]
        return batch_of(self._ids(rows, first_row), self._columns(rows), failures)

    def _refuse_other_widths(self, records: Records) -> None:
        if set(map(len, records.cells)) != {self._width}:
            for place, row in enumerate(records.cells):
                if len(row) != self._width:
                    reason = f"has {len(row):,} cells, and the header has {self._width:,}"
                    records.refuse(place, reason)

    def _ids(self, rows: Rows, first_row: int) -> list[str]:
        if self._id is not None:
            return _column(rows, self._id)
        return [f"{self._digest}:{row}" for row in range(first_row, first_row + len(rows))]

    def _columns(self, rows: Rows) -> dict[str, Column]:
        return {
            "time": self._times.column(_column(rows, self._time)),
            **{
                name: cells.texts(_column(rows, place), self._nulls)
                for name, place in self._dimensions.items()
            },
            **{
                name: cells.numbers(_column(rows, place), self._nulls)
                for name, place in self._measures.items()
            },
        }


def _column(rows: Rows, place: int) -> list[str]:
    return list(map(itemgetter(place), rows))


def _places(names: Sequence[str], wanted: Sequence[str]) -> dict[str, int]:
    return {name: _place(names, name) for name in wanted if name in names}


def _place(names: Sequence[str], name: str) -> int:
    if name not in names:
        raise UnusableFile(f"There is no column {name!r}. {_told(names)}")
    if Counter(names)[name] > 1:
        raise UnusableFile(f"There are several columns {name!r} in the file.")
    return names.index(name)


def _told(names: Sequence[str]) -> str:
    told = f"The file has: {_listed(names)}."
    if len(names) == 1 and (";" in names[0] or "\t" in names[0]):
        told += " Is it separated by semicolons? Commas are needed."
    return told


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(name[:100] for name in names[:SHOWN_NAMES])
    return f"{shown}, …" if len(names) > SHOWN_NAMES else shown
