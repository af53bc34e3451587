"""Events on their way into the database, by column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import compress

from tenon_reports import zones
from tenon_reports.datasets.models import Dataset
from tenon_reports.ingest import cells
from tenon_reports.ingest.cells import Column
from tenon_reports.ingest.models import NewEvent

KEY_BYTES = 16


@dataclass(frozen=True, slots=True)
class Batch:
    """Checked events. `columns` has by name (id, time, dimensions, measures) a text for each.

    `places` says where the events stood in what was sent, `failures` why others were refused.
    """

    places: Sequence[int]
    keys: Sequence[str]
    columns: Mapping[str, Sequence[str]]
    failures: Mapping[int, str]

    def years(self) -> set[int]:
        """Return the years of the events, in UTC."""
        return {int(text[:4]) for text in self.columns["time"]}

    def encoded(self) -> bytes:
        """Return the events in COPY's text format: place, key, and the columns."""
        rows = zip(map(str, self.places), self.keys, *self.columns.values(), strict=True)
        return "\n".join([*map("\t".join, rows), ""]).encode()


def batch_of(
    ids: Sequence[str], columns: Mapping[str, Column], failures: Mapping[int, str]
) -> Batch:
    """Put checked columns together and leave out the rows that failed in one of them."""
    columns = {"id": cells.ids(ids), **columns}
    failed = {
        place: f"{name}: {reason}"
        for name, column in reversed(columns.items())  # so that the first failure is told
        for place, reason in column.failures.items()
    } | dict(failures)
    good = [place not in failed for place in range(len(ids))]
    return Batch(
        places=list(compress(range(len(ids)), good)),
        keys=list(map(_key, compress(ids, good))),
        columns={
            name: list(compress(column.texts, good)) if failed else column.texts
            for name, column in columns.items()
        },
        failures=failed,
    )


def batch_of_events(dataset: Dataset, new: Sequence[NewEvent]) -> Batch:
    """Check events as they were sent over the network."""
    times = cells.Times(zones.zone(dataset.time_zone))
    columns = {"time": times.column([event.time for event in new])}
    for name in dataset.dimensions:
        columns[name] = cells.texts([event.dimensions.get(name) for event in new])
    for name in dataset.measures:
        columns[name] = cells.floats([event.measures.get(name) for event in new])
    return batch_of([event.id for event in new], columns, _unknown_names(dataset, new))


def _unknown_names(dataset: Dataset, new: Sequence[NewEvent]) -> dict[int, str]:
    found: dict[int, str] = {}
    dimensions, measures = set(dataset.dimensions), set(dataset.measures)
    for place, event in enumerate(new):
        if unknown := event.dimensions.keys() - dimensions:
            found[place] = f"{min(unknown)}: is not a dimension of the dataset"
        elif unknown := event.measures.keys() - measures:
            found[place] = f"{min(unknown)}: is not a measure of the dataset"
    return found


def _key(event_id: str) -> str:
    return blake2b(event_id.encode(), digest_size=KEY_BYTES).hexdigest()
