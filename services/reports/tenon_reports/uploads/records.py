"""From the bytes of a CSV file to its records, by the rules of Python's csv module.

Nothing in the file makes it stop: what cannot be read is refused with a reason, and reading
goes on at the next line. Bytes are pushed in; a record may span blocks.
"""

import csv
import io
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from tenon_reports.ingest.cells import MAX_CELL_CHARS
from tenon_reports.uploads.lines import LineCutter
from tenon_reports.uploads.models import UnusableFile

MAX_RECORD_CHARS = 1024 * 1024
# Each may cost reading up to a record's length twice.
MAX_UNCLOSED_QUOTES = 100
MAX_COLUMNS = 10_000
SHOWN_CHARS = 1_000
CELL_BYTES = 8  # that a list takes for a cell, however short the text

UNCLOSED = (
    f"a quote that opens on this line is not closed, or after over {MAX_CELL_CHARS:,} characters"
)
TOO_LONG = f"a cell is longer than {MAX_CELL_CHARS:,} characters, or the line than 1 MiB"
NOT_UTF8 = "is not valid UTF-8"
HAS_NUL = "contains a NUL character"


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a record is no record, and its text as far as it is worth showing."""

    reason: str
    row: str


@dataclass(slots=True)
class Records:
    """Consecutive records: the line on which each begins, and its cells.

    `refused` has by place those that are not taken; their cells are of no use. `sizes` tells
    about what memory each takes, by its text alone and not by how it arrived.
    """

    lines: list[int] = field(default_factory=list)
    cells: list[list[str]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    refused: dict[int, Refused] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.lines)

    def extend(self, other: "Records") -> None:
        base = len(self)
        self.lines += other.lines
        self.cells += other.cells
        self.sizes += other.sizes
        self.refused |= {base + place: refused for place, refused in other.refused.items()}

    def refuse(self, place: int, reason: str) -> None:
        """Let go of a record's cells; what was refused before keeps its reason."""
        row = shown_row(self.cells[place])
        self.refused.setdefault(place, Refused(reason, row))
        self.cells[place] = []
        self.sizes[place] = SHOWN_CHARS

    def complete(self, rows: int, size: int) -> int:
        """Return how many of the first are `rows`, or come to `size`; 0 if all are fewer."""
        if len(self) < rows and sum(self.sizes) < size:
            return 0
        return min(rows, bisect_left(list(accumulate(self.sizes[:rows])), size) + 1)

    def take(self, count: int) -> "Records":
        """Remove the first records and return them."""
        taken = Records(self.lines[:count], self.cells[:count], self.sizes[:count])
        taken.refused = {place: self.refused[place] for place in self.refused if place < count}
        del self.lines[:count], self.cells[:count], self.sizes[:count]
        self.refused = {
            place - count: refused for place, refused in self.refused.items() if place >= count
        }
        return taken


class RecordReader:
    """Cuts pushed bytes into records. Empty lines are skipped; lines count from 1."""

    def __init__(self) -> None:
        csv.field_size_limit(MAX_CELL_CHARS)  # of the whole process, and the same everywhere
        self._cutter = LineCutter()
        self._first = 1  # number of the first line below
        self._lines: list[str] = []
        self._next = 0  # the line that the csv module gets next
        self._begin = 0  # where the current record begins
        self._size = 0  # of the current record as far as it was read
        self._dirty = False
        self._cut: list[int] = []  # lines of which only the beginning is here
        self._unclosed = 0

    def push(self, block: bytes) -> Records:
        """Return the records that are complete by now; UnusableFile."""
        return self._read(self._cutter.push(block), last=False)

    def end(self) -> Records:
        """Return what is left; UnusableFile."""
        return self._read(self._cutter.end(), last=True)

    def _read(self, block: bytes, *, last: bool) -> Records:
        self._take(block)
        found = Records()
        while not self._parse(found, last=last):
            pass
        self._refuse_cut(found)
        if self._dirty:
            _refuse_dirty(found)
        self._forget()
        return found

    def _take(self, block: bytes) -> None:
        """Add the block's lines, as they are: also those inside of quotes."""
        self._dirty |= b"\0" in block
        try:
            text = block.decode()
        except UnicodeDecodeError:
            text = block.decode(errors="surrogateescape")
            self._dirty = True
        if self._cutter.first_is_cut:
            self._cut.append(self._first + len(self._lines))
        self._lines += io.StringIO(text, newline="")

    def _parse(self, found: Records, *, last: bool) -> bool:
        """Read records until the lines are used up (True) or one has to be refused (False)."""
        try:
            for record in csv.reader(self._pulled()):
                if record:
                    self._add(found, record)
                self._begin = self._next
        except _Unfinished:
            if last:
                self._refuse_quote(found)
            else:
                self._next = self._begin
            return not last
        except csv.Error:  # a cell is too long; nothing else is an error to the csv module
            if self._next - self._begin > 1:
                self._refuse_quote(found)
            else:
                self._refuse(found, TOO_LONG)
            return False
        return True

    def _add(self, found: Records, record: list[str]) -> None:
        """Add a record; one of very many cells, which take memory, at once without them."""
        found.lines.append(self._first + self._begin)
        found.cells.append(record)
        found.sizes.append(self._size + CELL_BYTES * len(record))
        if len(record) > MAX_COLUMNS:
            found.refuse(len(found) - 1, f"has {len(record):,} cells, over {MAX_COLUMNS:,}")

    def _pulled(self) -> Iterator[str]:
        """Hand out lines; the size of a record is bounded, and its end must be there."""
        while self._next < len(self._lines):
            line = self._lines[self._next]
            self._size = self._size + len(line) if self._next > self._begin else len(line)
            if self._size > MAX_RECORD_CHARS:
                raise csv.Error
            self._next += 1
            yield line
        if self._next > self._begin:
            raise _Unfinished

    def _refuse_quote(self, found: Records) -> None:
        self._unclosed += 1
        if self._unclosed > MAX_UNCLOSED_QUOTES:
            raise UnusableFile(
                f"More than {MAX_UNCLOSED_QUOTES:,} quotes are not closed. Is this a CSV file?"
            )
        self._refuse(found, UNCLOSED)

    def _refuse(self, found: Records, reason: str) -> None:
        """Refuse the line on which the record begins, and read on behind it."""
        found.refused[len(found)] = Refused(reason, _shown(self._lines[self._begin]))
        found.lines.append(self._first + self._begin)
        found.cells.append([])
        found.sizes.append(SHOWN_CHARS)
        self._begin += 1
        self._next = self._begin

    def _refuse_cut(self, found: Records) -> None:
        """Refuse the records with lines of which only the beginning was kept."""
        end = self._first + self._begin
        for line in [line for line in self._cut if line < end]:
            self._cut.remove(line)
            place = bisect_right(found.lines, line) - 1
            row = found.refused.get(place, Refused("", _shown(csv_line(found.cells[place])))).row
            found.refused[place] = Refused(TOO_LONG, row)

    def _forget(self) -> None:
        del self._lines[: self._begin]
        self._first += self._begin
        self._next -= self._begin
        self._begin = 0
        self._dirty &= bool(self._lines)


class _Unfinished(Exception):  # a signal out of the generator, and no error
    """The lines end within a record."""


def _refuse_dirty(found: Records) -> None:
    for place, cells in enumerate(found.cells):
        reason = _defect("".join(cells))
        if reason and place not in found.refused:
            found.refused[place] = Refused(reason, _shown(csv_line(cells)))


def _defect(text: str) -> str | None:
    if "\0" in text:
        return HAS_NUL
    try:
        text.encode()
    except UnicodeEncodeError:  # a byte that stands alone, as surrogateescape keeps it
        return NOT_UTF8
    return None


def csv_line(cells: Sequence[str]) -> str:
    """Write cells as a line of CSV, without its end."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()


def shown_row(cells: Sequence[str]) -> str:
    """Write cells as far as they are worth showing."""
    return _shown(csv_line([cell[: SHOWN_CHARS + 1] for cell in cells[: SHOWN_CHARS + 2]]))


def _shown(text: str) -> str:
    text = text.rstrip("\r\n").encode(errors="surrogateescape").decode(errors="replace")
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "…"
