"""Rows that were not taken, as a CSV file for whoever has to mend them."""

import csv
import io
from itertools import islice

from tenon_core.spreadsheets import guarded
from tenon_reports.ingest.batch import Batch
from tenon_reports.uploads.records import Records, csv_line

HEADER_LINE = b"line,reason,row\n"
MAX_KEPT = 100_000


def rejected_rows(records: Records, batch: Batch, before: int) -> bytes:
    """Write the records that the batch refused: line, reason, and the row as it was.

    `before` are those of earlier batches: of a file, MAX_KEPT are written.
    """
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    for place in islice(sorted(batch.failures), max(MAX_KEPT - before, 0)):
        refused = records.refused.get(place)
        row = refused.row if refused else csv_line(records.cells[place])
        writer.writerow([records.lines[place], guarded(batch.failures[place]), guarded(row)])
    return lines.getvalue().encode()


def last_line(rejected: int) -> bytes:
    """Write how many of so many rejected rows are not listed, if any."""
    if rejected <= MAX_KEPT:
        return b""
    return f',"{rejected - MAX_KEPT:,} more rows were rejected that are not listed",\n'.encode()
