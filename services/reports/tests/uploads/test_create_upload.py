import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from services.reports.tests.reports_client import ReportsClient, event
from tenon.reports.v1.upload_pb2 import Upload
from tenon.reports.v1.upload_service_pb2 import CreateUploadRequest, UploadHeader
from tenon_rpc.status import PeerError
from tenon_testing.system import System
from tenon_testing.waiting import eventually

COUNTED = [{"name": "n", "op": "OP_COUNT"}, {"name": "sum", "op": "OP_SUM", "field": "size"}]


def counts(upload: Upload) -> tuple[int, int, int, int]:
    return upload.accepted, upload.duplicates, upload.conflicts, upload.rejected


async def test_loads_a_file(client: ReportsClient) -> None:
    dataset = await client.create_dataset(time_zone="America/New_York")
    body = b"time,other,size,color\n2013-01-01 00:00,x,2,red\n2013-01-01T05:00:00Z,,2.5,\n"
    upload = await client.load(dataset.id, body)
    assert upload.state == Upload.STATE_SUCCEEDED, upload.failure
    assert counts(upload) == (2, 0, 0, 0)
    assert upload.size_bytes == len(body)
    assert await client.rows(
        dataset.id, metrics=COUNTED, dimensions=["color"], granularity="GRANULARITY_DAY"
    ) == [
        ["2013-01-01T05:00:00Z", "red", 1.0, 2.0],
        ["2013-01-01T05:00:00Z", None, 1.0, 2.5],
    ]


async def test_loads_gzip(client: ReportsClient) -> None:
    dataset = await client.create_dataset()
    body = gzip.compress(b"time,size\n2013-01-01,1\n")
    upload = await client.load(dataset.id, body, gzip=True)
    assert counts(upload) == (1, 0, 0, 0)


async def test_the_same_file_again_is_duplicates(client: ReportsClient) -> None:
    dataset = await client.create_dataset()
    body = b"time,size\n2013-01-01,1\n2013-01-01,1\n"
    await client.load(dataset.id, body)
    assert counts(await client.load(dataset.id, body)) == (0, 2, 0, 0)
    assert counts(await client.load(dataset.id, gzip.compress(body), gzip=True)) == (0, 2, 0, 0)
    assert await client.rows(dataset.id) == [[2.0]]


async def test_a_file_without_some_columns_says_which(client: ReportsClient) -> None:
    dataset = await client.create_dataset()
    upload = await client.load(dataset.id, b"time,size,colour\n2013-01-01,1,red\n")
    assert counts(upload) == (1, 0, 0, 0)
    assert list(upload.missing_columns) == ["color"]
    whole = await client.load(dataset.id, b"time,size,color\n2013-01-01,1,red\n")
    assert not whole.missing_columns


async def test_ids_may_be_a_column_and_are_those_of_requests(client: ReportsClient) -> None:
    dataset = await client.create_dataset()
    await client.ingest(dataset.id, event("a", "2013-01-01", measures={"size": 1}))
    body = b"key,time,size\na,2013-01-01,1.0\nb,2013-01-01,1\nb,2013-01-01,2\n,2013-01-01,2\n"
    upload = await client.load(dataset.id, body, id_column="key")
    assert counts(upload) == (1, 1, 1, 1)
    assert "5,id: is missing" in await client.rejected(upload.id)


async def test_the_null_text_is_null(client: ReportsClient) -> None:
    dataset = await client.create_dataset()
    body = b"time,size,color\n2013-01-01,NA,NA\n2013-01-01,,\n"
    upload = await client.load(dataset.id, body, null="NA")
    assert counts(upload) == (2, 0, 0, 0)
    rows = await client.rows(dataset.id, metrics=COUNTED, dimensions=["color"])
    assert rows == [[None, 2.0, None]]


async def test_naive_times_are_in_the_zone_of_the_upload(client: ReportsClient) -> None:
    dataset = await client.create_dataset()
    body = b"time,size\n2013-03-10 02:30,1\n2013-07-01 00:00,1\n"
    upload = await client.load(dataset.id, body, time_zone="America/New_York")
    assert counts(upload) == (1, 0, 0, 1)
    assert "does not exist in America/New_York" in await client.rejected(upload.id)
    rows = await client.rows(dataset.id, granularity="GRANULARITY_HOUR")
    assert rows == [["2013-07-01T04:00:00Z", 1.0]]


async def test_broken_rows_are_rejected_with_line_and_reason(client: ReportsClient) -> None:
    dataset = await client.create_dataset()
    lines = [
        b"time,size,color",
        b"2013-01-01,1,good",
        b"soon,1,bad time",
        b"2013-01-01,much,bad number",
        b"2013-01-01,inf,no finite number",
        b"2013-01-01,1",
        b"2013-01-01,1,a,b",
        b"2013-01-01,1,N\0UL",
        b"2013-01-01,1," + b"x" * 2_000_000,
        b"2013-01-01,1,M\xfcller",
        b'2013-01-01,1,"two\nlines"',
        b"",
        b"2013-01-01,1_0,underscore",
        b'2013-01-01,1,"open',
        b"2013-01-01,2,good",
        b"2013-01-01,1," + b"y," * 9_000,
    ]
    upload = await client.load(dataset.id, b"\n".join(lines))
    assert upload.state == Upload.STATE_SUCCEEDED, upload.failure
    assert counts(upload) == (3, 0, 0, 11)
    told = (await client.rejected(upload.id)).split("\n")
    assert told[0] == "line,reason,row"
    assert [line[:60] for line in told[1:-1]] == [
        line[:60]
        for line in [
            "3,time: 'soon' is not a time such as 2013-01-31T10:00:00Z,\"soon,1,bad time\"",
            "4,size: 'much' is not a number,\"2013-01-01,much,bad number\"",
            '5,size: inf is not a finite number,"2013-01-01,inf,no finite number"',
            '6,"has 2 cells, and the header has 3","2013-01-01,1"',
            '7,"has 4 cells, and the header has 3","2013-01-01,1,a,b"',
            '8,contains a NUL character,"2013-01-01,1,N\0UL"',
            '9,"a cell is longer than 65,536 characters, or the line than 1 MiB"',
            '10,is not valid UTF-8,"2013-01-01,1,M\ufffdller"',
            "14,size: '1_0' is not a number,\"2013-01-01,1_0,underscore\"",
            '15,"a quote that opens on this line is not closed, or after over',
            '17,"has 9,003 cells, and the header has 3","2013-01-01,1,y,y,y,y',
        ]
    ]
    assert max(map(len, told)) < 2_000


async def test_spaces_around_the_names_of_columns_do_not_count(client: ReportsClient) -> None:
    dataset = await client.create_dataset()
    upload = await client.load(dataset.id, b"time , size,\tcolor\n2013-01-01,1,red\n")
    assert counts(upload) == (1, 0, 0, 0)
    assert await client.rows(dataset.id, metrics=COUNTED, dimensions=["color"]) == [
        ["red", 1.0, 1.0]
    ]


async def test_of_rejected_rows_100_000_are_kept(client: ReportsClient) -> None:
    dataset = await client.create_dataset()
    upload = await client.load(dataset.id, b"time,size\n" + b"x\n" * 100_003)
    assert counts(upload) == (0, 0, 0, 100_003)
    told = (await client.rejected(upload.id)).splitlines()
    assert len(told) == 1 + 100_000 + 1
    assert told[-2].startswith("100001,")
    assert told[-1] == ',"3 more rows were rejected that are not listed",'


async def test_numbers_are_small_enough_to_be_summed(client: ReportsClient) -> None:
    dataset = await client.create_dataset()
    upload = await client.load(
        dataset.id, b"time,size\n2013-01-01,1e300\n2013-01-01,-1.1e300\n2013-01-01,1e30\n"
    )
    assert counts(upload) == (2, 0, 0, 1)
    assert "3,size: must be a number between -1e300 and 1e300" in await client.rejected(upload.id)
    answer = await client.ingest(
        dataset.id, event("a", measures={"size": 1.7e308}), event("b", measures={"size": -1e300})
    )
    assert [receipt.reason for receipt in answer.receipts] == [
        "size: must be a number between -1e300 and 1e300"
    ]


async def test_a_rejected_row_is_no_formula(client: ReportsClient) -> None:
    dataset = await client.create_dataset()
    upload = await client.load(dataset.id, b"time,size\n=1+1,1\n")
    assert '"\'=1+1,1"' in await client.rejected(upload.id)


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (b"", "The file is empty."),
        (b"day,size\n2013-01-01,1\n", "There is no column 'time'. The file has: day, size."),
        (b"time,time,size\n1,2,3\n", "There are several columns 'time'"),
        (b"time,size,size\n1,2,3\n", "There are several columns 'size'"),
        (b"time,weight\n2013-01-01,1\n", "No column is named like a dimension or a measure"),
        (
            b"time,weight\n2013-01-01,1\n",
            "of the dataset: color, size. The file has: time, weight.",
        ),
        (b"time, size,size \n1,2,3\n", "There are several columns 'size'"),
        (b"time;size\n2013-01-01;1\n", "Is it separated by semicolons? Commas are needed."),
        (b"," * 10_000, "The header, on line 1: has 10,001 cells, over 10,000."),
        (b"t\xefme,size\n2013-01-01,1\n", "The header, on line 1: is not valid UTF-8."),
        (gzip.compress(b"time,size\n"), "The file is gzip-compressed"),
    ],
)
async def test_an_unusable_file_fails_with_a_reason(
    client: ReportsClient, body: bytes, failure: str
) -> None:
    dataset = await client.create_dataset()
    upload = await client.load(dataset.id, body)
    assert upload.state == Upload.STATE_FAILED
    assert failure in upload.failure


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (b"time,size\n2013-01-01,1\n", "The file is not gzip, or it is damaged."),
        (gzip.compress(b"time,size\n" * 1_000)[:-9], "The gzip file is cut off before its end."),
        (b"", "The file is not gzip, or it is damaged."),
        (gzip.compress(b"") * 10_001, "The gzip file has more than 10,000 members."),
    ],
)
async def test_nothing_of_a_damaged_gzip_file_is_loaded(
    client: ReportsClient, body: bytes, failure: str
) -> None:
    dataset = await client.create_dataset()
    upload = await client.load(dataset.id, body, gzip=True)
    assert (upload.state, upload.failure) == (Upload.STATE_FAILED, failure)
    assert counts(upload) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("header", "pointer"),
    [({"time_column": ""}, "/header/time_column"), ({"time_zone": "Mars/Olympus"}, "/time_zone")],
)
async def test_a_bad_header_is_refused(
    client: ReportsClient, header: dict[str, str], pointer: str
) -> None:
    dataset = await client.create_dataset()
    with pytest.raises(PeerError) as refused:
        await client.upload(dataset.id, b"", **header)
    assert refused.value.reason == "invalid_argument"
    assert [field.pointer for field in refused.value.fields] == [pointer]


async def test_a_stranger_may_not_upload(client: ReportsClient, stranger: ReportsClient) -> None:
    dataset = await client.create_dataset()
    with pytest.raises(PeerError) as refused:
        await stranger.upload(dataset.id, b"time\n")
    assert refused.value.reason == "dataset_not_found"


async def test_an_unknown_upload_is_not_found(
    client: ReportsClient, stranger: ReportsClient
) -> None:
    dataset = await client.create_dataset()
    upload = await client.load(dataset.id, b"time,size\n")
    for upload_id in (upload.id, str(uuid4()), "nonsense"):
        with pytest.raises(PeerError) as refused:
            await stranger.get_upload(upload_id)
        assert refused.value.reason == "upload_not_found"
        with pytest.raises(PeerError) as refused:
            await stranger.rejected(upload_id)
        assert refused.value.reason == "upload_not_found"


def stored(system: System, client: ReportsClient) -> list[Path]:
    files = system.directory / "files"
    found = [*files.glob(f"orgs/{client.org_id}/**/*"), *files.glob(".incoming/*")]
    return [path for path in found if path.is_file()]


async def test_a_broken_stream_leaves_nothing(client: ReportsClient, system: System) -> None:
    dataset = await client.create_dataset()
    sent = asyncio.Event()

    async def parts() -> AsyncIterator[CreateUploadRequest]:
        header = UploadHeader(dataset_id=dataset.id, time_column="time")
        yield CreateUploadRequest(org_id=client.org_id, header=header)
        yield CreateUploadRequest(org_id=client.org_id, chunk=b"x" * 2_000_000)
        sent.set()
        await asyncio.Event().wait()

    call = asyncio.create_task(client.send(parts()))
    await sent.wait()

    async def arrived() -> bool:
        return bool(stored(system, client))

    await eventually(arrived)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    async def gone() -> bool:
        return not stored(system, client)

    await eventually(gone)


async def test_a_loaded_file_is_not_kept(client: ReportsClient, system: System) -> None:
    dataset = await client.create_dataset()
    await client.load(dataset.id, b"time,size\n2013-01-01,1\n")

    async def gone() -> bool:
        return not stored(system, client)

    await eventually(gone)


async def test_the_parts_of_a_stream_have_their_order(client: ReportsClient) -> None:
    dataset = await client.create_dataset()
    header = UploadHeader(dataset_id=dataset.id, time_column="time")

    async def parts() -> AsyncIterator[CreateUploadRequest]:
        yield CreateUploadRequest(org_id=client.org_id, header=header)
        yield CreateUploadRequest(org_id=client.org_id, header=header)

    with pytest.raises(PeerError) as refused:
        await client.send(parts())
    assert [field.pointer for field in refused.value.fields] == ["/header"]
