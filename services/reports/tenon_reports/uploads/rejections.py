"""Rows that were not taken, as a CSV file for whoever has to mend them."""

import csv
import io

from tenon_reports.ingest.batch import Batch
from tenon_reports.spreadsheets import guarded
from tenon_reports.uploads.records import Records, csv_line

HEADER_LINE = b"line,reason,row\n"


def rejected_rows(records: Records, batch: Batch) -> bytes:
    """Write the records that the batch refused: line, reason, and the row as it was."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    for place in sorted(batch.failures):
        refused = records.refused.get(place)
        row = refused.row if refused else csv_line(records.cells[place])
        writer.writerow([records.lines[place], guarded(batch.failures[place]), guarded(row)])
    return lines.getvalue().encode()
