"""What a small file can leave behind is bounded."""

import gzip

import pytest

from services.reports.tests.reports_client import ReportsClient
from tenon.reports.v1.upload_pb2 import Upload as PackedUpload
from tenon_reports.uploads.rejections import MAX_BYTES

ROWS = 20_000
LONG = "x" * 4_000
SHOWN_CHARS = 1_000


@pytest.fixture(scope="module")
def hostile() -> bytes:
    """A quarter of a megabyte, which used to leave 80 MB of rejected rows."""
    return gzip.compress(b"time,size\n" + f"2013-01-01,{LONG}\n".encode() * ROWS, mtime=0)


async def test_rejected_rows_are_cut_and_counted_exactly(
    client: ReportsClient, hostile: bytes
) -> None:
    dataset = await client.create_dataset()
    loaded = await client.load(dataset.id, hostile, gzip=True)
    assert (loaded.state, loaded.failure) == (PackedUpload.STATE_SUCCEEDED, "")
    assert loaded.rejected == ROWS
    told = await client.rejected(loaded.id)
    assert len(told) < MAX_BYTES + 1_000
    *rows, last = told.splitlines()[1:]
    assert max(map(len, rows)) < SHOWN_CHARS + 200
    assert rows[0].endswith('…"')
    assert f"{ROWS - len(rows):,} more rows were rejected" in last


async def test_a_file_that_expands_without_measure_is_refused(client: ReportsClient) -> None:
    dataset = await client.create_dataset()
    body = gzip.compress(b"time,size\n" + b"\n" * 120_000_000, compresslevel=9, mtime=0)
    failed = await client.load(dataset.id, body, gzip=True)
    assert failed.state == PackedUpload.STATE_FAILED
    assert "200 times its own size" in failed.failure
