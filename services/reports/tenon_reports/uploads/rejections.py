"""Rows that were not taken, as a CSV file for whoever has to mend them."""

import csv
import io

from tenon_core.spreadsheets import guarded
from tenon_reports.ingest.batch import Batch
from tenon_reports.uploads.models import Listed
from tenon_reports.uploads.records import Records, shown_row

HEADER_LINE = b"line,reason,row\n"
MAX_ROWS = 100_000
MAX_BYTES = 8 * 1024 * 1024
"""How much is listed of an upload. Of each row the first 1,000 characters are."""


def rejected_rows(records: Records, batch: Batch, before: Listed) -> tuple[bytes, int]:
    """Write the records that the batch refused: line, reason, and the row; return how many.

    `before` is what is listed of earlier batches of the file.
    """
    lines, count = io.BytesIO(), 0
    for place in sorted(batch.failures):
        refused = records.refused.get(place)
        row = refused.row if refused else shown_row(records.cells[place])
        line = _line(records.lines[place], batch.failures[place], row)
        size = before.size_bytes + lines.tell() + len(line)
        if before.rows + count >= MAX_ROWS or size > MAX_BYTES:
            break
        lines.write(line)
        count += 1
    return lines.getvalue(), count


def _line(number: int, reason: str, row: str) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow([number, guarded(reason), guarded(row)])
    return text.getvalue().encode()


def last_line(rejected: int, listed: int) -> bytes:
    """Write how many of the rejected rows are not listed, if any."""
    if rejected <= listed:
        return b""
    return f',"{rejected - listed:,} more rows were rejected that are not listed",\n'.encode()
