import asyncio

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from services.reports.tests.reports_client import ReportsClient, event
from tenon.reports.v1.dataset_service_pb2 import UpdateDatasetRequest
from tenon.reports.v1.event_service_pb2 import Receipt
from tenon_rpc.status import PeerError

SIZED = [{"name": "n", "op": "OP_COUNT"}, {"name": "sum", "op": "OP_SUM", "field": "size"}]


async def test_takes_new_events(client: ReportsClient) -> None:
    dataset = await client.create_dataset()
    reply = await client.ingest(
        dataset.id,
        event("a", dimensions={"color": "red"}, measures={"size": 1.5}),
        event("b"),
    )
    assert (reply.accepted, list(reply.receipts)) == (2, [])
    assert await client.rows(dataset.id, metrics=SIZED, dimensions=["color"]) == [
        ["red", 1.0, 1.5],
        [None, 1.0, None],
    ]


async def test_takes_an_id_once(client: ReportsClient) -> None:
    dataset = await client.create_dataset()
    await client.ingest(dataset.id, event("a", measures={"size": 1}))
    reply = await client.ingest(
        dataset.id,
        event("a", measures={"size": 2}),
        event("a", measures={"size": 1}),
        event("b"),
        event("b"),
        event("b", time="2025-01-01"),
    )
    assert (reply.accepted, reply.duplicates, reply.conflicts, reply.rejected) == (1, 2, 2, 0)
    assert [(receipt.index, receipt.outcome) for receipt in reply.receipts] == [
        (0, Receipt.OUTCOME_CONFLICT),
        (1, Receipt.OUTCOME_DUPLICATE),
        (3, Receipt.OUTCOME_DUPLICATE),
        (4, Receipt.OUTCOME_CONFLICT),
    ]
    assert await client.rows(dataset.id, metrics=SIZED) == [[2.0, 1.0]]


async def test_the_same_moment_in_another_zone_is_a_duplicate(client: ReportsClient) -> None:
    dataset = await client.create_dataset()
    await client.ingest(dataset.id, event("a", time="2024-05-01T12:00:00Z"))
    reply = await client.ingest(dataset.id, event("a", time="2024-05-01T14:00:00+02:00"))
    assert reply.duplicates == 1


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (event(""), "id: is missing"),
        (event("x" * 201), "id: is longer than 200 characters"),
        (event("a\0"), "id: contains a NUL character"),
        (event("a", time=""), "time: is missing"),
        (event("a", time="yesterday"), "time: 'yesterday' is not a time"),
        (event("a", time="2024-02-30"), "time: '2024-02-30' is not a time"),
        (event("a", time="1899-12-31T23:59:59Z"), "is not in the years 1900 to 2199"),
        (event("a", time="2200-01-01T00:00:00Z"), "is not in the years 1900 to 2199"),
        (event("a", time="2013-03-10T02:30:00"), "does not exist in America/New_York"),
        (event("a", dimensions={"hue": "1"}), "hue: is not a dimension"),
        (event("a", measures={"color": 1}), "color: is not a measure"),
        (event("a", dimensions={"color": "a\0b"}), "color: contains a NUL character"),
        (event("a", dimensions={"color": "x" * 65_537}), "color: is longer than 65,536"),
        (event("a", measures={"size": float("nan")}), "size: nan is not a finite number"),
        (event("a", measures={"size": float("-inf")}), "size: -inf is not a finite number"),
    ],
)
async def test_refuses_a_bad_event_alone(client: ReportsClient, bad: object, reason: str) -> None:
    dataset = await client.create_dataset(time_zone="America/New_York")
    reply = await client.ingest(dataset.id, event("good"), bad)  # type: ignore[arg-type] # parametrized
    assert (reply.accepted, reply.rejected) == (1, 1)
    assert reply.receipts[0].index == 1
    assert reason in reply.receipts[0].reason


async def test_a_time_without_offset_is_in_the_zone_of_the_dataset(client: ReportsClient) -> None:
    dataset = await client.create_dataset(time_zone="America/New_York")
    # Of the hour that comes twice, the first.
    await client.ingest(dataset.id, event("a", time="2013-11-03 01:30:00"))
    rows = await client.rows(dataset.id, granularity="GRANULARITY_HOUR")
    assert rows == [["2013-11-03T05:00:00Z", 1.0]]


async def test_takes_the_first_and_the_last_moment(client: ReportsClient) -> None:
    dataset = await client.create_dataset()
    reply = await client.ingest(
        dataset.id,
        event("first", time="1900-01-01T00:00:00Z"),
        event("last", time="2199-12-31T23:59:59.999999Z"),
    )
    assert reply.accepted == 2


async def test_any_text_is_kept_as_it_is(client: ReportsClient) -> None:
    dataset = await client.create_dataset()
    texts = ["", "\\N", "\x01", "a\tb", "a\nb\r", '"', "\\", "é\U0001f600", " "]
    await client.ingest(
        dataset.id,
        *(event(f"{text}{n}", dimensions={"color": text}) for n, text in enumerate(texts)),
    )
    rows = await client.rows(dataset.id, dimensions=["color"])
    assert rows == [[text, 1.0] for text in sorted(texts)]


async def test_takes_5000_events_and_no_more(client: ReportsClient) -> None:
    dataset = await client.create_dataset()
    events = [event(str(n)) for n in range(5_001)]
    assert (await client.ingest(dataset.id, *events[:5_000])).accepted == 5_000
    with pytest.raises(PeerError) as refused:
        await client.ingest(dataset.id, *events)
    assert refused.value.reason == "too_many_events"


async def test_the_same_ids_at_once_count_once(client: ReportsClient) -> None:
    dataset = await client.create_dataset()
    events = [event(str(n), time=f"20{n % 20:02}-01-01") for n in range(300)]
    replies = await asyncio.gather(
        *(client.ingest(dataset.id, *(events if n % 2 else reversed(events))) for n in range(8))
    )
    assert sum(reply.accepted for reply in replies) == 300
    assert sum(reply.duplicates for reply in replies) == 7 * 300
    assert sum(reply.conflicts for reply in replies) == 0
    assert await client.rows(dataset.id) == [[300.0]]


async def test_an_event_stays_the_same_when_columns_are_appended(client: ReportsClient) -> None:
    dataset = await client.create_dataset()
    same = event("a", dimensions={"color": "red"}, measures={"size": 1})
    await client.ingest(dataset.id, same)
    await client.datasets.UpdateDataset(
        UpdateDatasetRequest(
            org_id=client.org_id,
            dataset_id=dataset.id,
            dimensions=["color", "shape"],
            measures=["size", "weight"],
            update_mask=FieldMask(paths=["dimensions", "measures"]),
        ),
        metadata=client.tenant.metadata,
    )
    assert (await client.ingest(dataset.id, same)).duplicates == 1
    await client.ingest(dataset.id, event("b", dimensions={"shape": "round"}))
    rows = await client.rows(dataset.id, dimensions=["color", "shape"])
    assert rows == [["red", None, 1.0], [None, "round", 1.0]]


async def test_a_stranger_finds_no_dataset(client: ReportsClient, stranger: ReportsClient) -> None:
    dataset = await client.create_dataset()
    with pytest.raises(PeerError) as refused:
        await stranger.ingest(dataset.id, event("a"))
    assert refused.value.reason == "dataset_not_found"
