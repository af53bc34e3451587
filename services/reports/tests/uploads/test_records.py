"""What becomes of the bytes of a file, whatever they are and however they arrive."""

import csv
import io
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tenon_reports.uploads.models import UnusableFile
from tenon_reports.uploads.records import (
    HAS_NUL,
    NOT_UTF8,
    TOO_LONG,
    UNCLOSED,
    RecordReader,
    Records,
)

BLOCK = 1024 * 1024


def read(data: bytes, block: int = BLOCK) -> Records:
    reader, found = RecordReader(), Records()
    for start in range(0, len(data), block):
        found.extend(reader.push(data[start : start + block]))
    found.extend(reader.end())
    return found


def reasons(found: Records) -> dict[int, str]:
    """By line."""
    return {found.lines[place]: refused.reason for place, refused in found.refused.items()}


def test_lines_are_those_on_which_records_begin() -> None:
    found = read(b'a,b\n\n"x\ny",1\r\n\r\nz,2')
    assert list(zip(found.lines, found.cells, strict=True)) == [
        (1, ["a", "b"]),
        (3, ["x\ny", "1"]),
        (6, ["z", "2"]),
    ]
    assert not found.refused


CELL = st.text(alphabet=st.sampled_from('ab,"\n\r é\u2028'), max_size=5)


@given(
    rows=st.lists(st.lists(CELL, min_size=2, max_size=3), max_size=8),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    block=st.integers(1, 9),
)
@example(rows=[["a", "\n"]], end="\r\n", block=1)
def test_what_csv_wrote_is_read_back_from_blocks_of_any_size(
    rows: list[list[str]], end: str, block: int
) -> None:
    written = io.StringIO()
    csv.writer(written, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(rows)
    found = read(written.getvalue().encode(), block)
    assert found.cells == rows
    assert not found.refused


@given(data=st.binary(max_size=60), block=st.integers(1, 9))
@example(data=b"\xef\xbb\xbf\n", block=1)
@example(data=b"\xef\xbb", block=1)
def test_any_bytes_are_read_to_their_end_in_blocks_of_any_size(data: bytes, block: int) -> None:
    whole, parts = read(data), read(data, block)
    assert parts.lines == whole.lines
    assert parts.refused.keys() == whole.refused.keys()


def test_a_byte_order_mark_is_skipped() -> None:
    assert read(b"\xef\xbb\xbfa,b\n").cells == [["a", "b"]]


def test_a_row_that_is_not_utf8_is_refused_alone() -> None:
    found = read(b"a,b\nM\xfcller,1\nc,2\n")
    assert reasons(found) == {2: NOT_UTF8}
    assert found.refused[1].row == "M\ufffdller,1"
    assert found.cells[2] == ["c", "2"]


def test_a_row_with_nul_is_refused_alone() -> None:
    found = read(b"a,b\nx\0y,1\nc,2\n")
    assert reasons(found) == {2: HAS_NUL}
    assert found.cells[2] == ["c", "2"]


@pytest.mark.parametrize("size", [65_537, BLOCK, 2 * BLOCK, 5 * BLOCK])
@pytest.mark.parametrize("quote", [b"", b'"'])
@pytest.mark.parametrize("block", [BLOCK, 65_536])
def test_a_huge_cell_is_refused_alone(size: int, quote: bytes, block: int) -> None:
    found = read(b"a,b\n1," + quote + b"x" * size + quote + b"\nc,2\n", block)
    assert reasons(found) == {2: TOO_LONG}
    assert len(found.refused[1].row) < 2_000
    assert found.cells[2] == ["c", "2"]
    assert found.lines == [1, 2, 3]


def test_the_longest_cell_is_read() -> None:
    assert read(b"x" * 65_536 + b",1\n").cells == [["x" * 65_536, "1"]]


def test_a_quote_open_at_the_end_costs_its_own_line_only() -> None:
    found = read(b'a,b\n"x,1\nc,2\nd,3\n')
    assert reasons(found) == {2: UNCLOSED}
    assert found.refused[1].row == '"x,1'
    assert found.cells[2:] == [["c", "2"], ["d", "3"]]


def test_a_quote_open_for_too_long_costs_its_own_line_only() -> None:
    rest = b"".join(b"%d,%d\n" % (n, n) for n in range(100_000))
    found = read(b'a,b\n"x,1\n' + rest)
    assert reasons(found) == {2: UNCLOSED}
    assert len(found) == 100_002


def test_a_record_of_endless_cells_ends() -> None:
    # Each line closes the quote of the one before and opens another; alone it opens one, too.
    line = b'x"y,"z\n'
    with pytest.raises(UnusableFile, match="quotes are not closed"):
        read(line * 300_000)


def test_quotes_in_the_middle_of_a_cell_are_plain() -> None:
    assert read(b'5" pipe,1\nb,2\n').cells == [['5" pipe', "1"], ["b", "2"]]


def test_large_files_read_the_same_in_blocks_of_any_size() -> None:
    noise = random.Random(1)  # noqa: S311 # no secret
    data = b"".join(
        noise.choice([b"a,b\n", b'"q\nq",1\r\n', b'"open,2\n', b"\xff,3\n", b"\0,4\n", b"\n"])
        for _ in range(3_000)
    )
    whole = read(data)
    for block in (7, 1_000, 65_536):
        parts = read(data, block)
        assert (parts.lines, parts.cells, parts.sizes, reasons(parts)) == (
            whole.lines,
            whole.cells,
            whole.sizes,
            reasons(whole),
        )


def test_a_record_of_very_many_cells_is_refused_without_them() -> None:
    found = read(b"a,b\n" + b"x" + b"," * 1_000_000 + b"\nd,2\n")
    assert reasons(found) == {2: "has 1,000,001 cells, over 10,000"}
    assert found.cells == [["a", "b"], [], ["d", "2"]]
    assert found.refused[1].row == "x" + "," * 999 + "…"


def test_a_record_has_at_most_10_000_cells() -> None:
    assert len(read(b"," * 9_999).cells[0]) == 10_000
    assert reasons(read(b"," * 10_000)) == {1: "has 10,001 cells, over 10,000"}


def test_records_are_complete_at_so_many_rows_or_such_a_size() -> None:
    found = read(b"a,b\n" * 10)  # each of 4 characters and 2 cells: 20
    assert found.complete(rows=11, size=201) == 0
    assert found.complete(rows=10, size=201) == 10
    assert found.complete(rows=7, size=201) == 7
    assert found.complete(rows=7, size=61) == 4
    assert found.complete(rows=7, size=60) == 3
