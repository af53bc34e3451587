from collections.abc import Coroutine
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from services.reports.tests.reports_client import ReportsClient, event
from tenon.reports.v1.dataset_pb2 import Dataset
from tenon.reports.v1.dataset_service_pb2 import (
    CreateDatasetRequest,
    DeleteDatasetRequest,
    GetDatasetRequest,
    ListDatasetsRequest,
    UpdateDatasetRequest,
)
from tenon_db.pages import encode_token
from tenon_rpc.status import PeerError
from tenon_testing.names import INVALID, VALID
from tenon_testing.system import System
from tenon_testing.waiting import eventually

HELD = ("events", "event_keys", "uploads", "runs", "datasets")


async def create(client: ReportsClient, **fields: Any) -> Dataset:
    request = CreateDatasetRequest(**{"org_id": client.org_id, "name": "Flights"} | fields)
    reply = await client.datasets.CreateDataset(request, metadata=client.tenant.metadata)
    dataset: Dataset = reply.dataset
    return dataset


async def get(client: ReportsClient, dataset_id: str) -> Dataset:
    reply = await client.datasets.GetDataset(
        GetDatasetRequest(org_id=client.org_id, dataset_id=dataset_id),
        metadata=client.tenant.metadata,
    )
    dataset: Dataset = reply.dataset
    return dataset


async def update(client: ReportsClient, dataset_id: str, *paths: str, **fields: Any) -> Dataset:
    reply = await client.datasets.UpdateDataset(
        UpdateDatasetRequest(
            org_id=client.org_id,
            dataset_id=dataset_id,
            update_mask=FieldMask(paths=paths or tuple(fields)),
            **fields,
        ),
        metadata=client.tenant.metadata,
    )
    dataset: Dataset = reply.dataset
    return dataset


async def delete(client: ReportsClient, dataset_id: str) -> None:
    await client.datasets.DeleteDataset(
        DeleteDatasetRequest(org_id=client.org_id, dataset_id=dataset_id),
        metadata=client.tenant.metadata,
    )


async def names(client: ReportsClient, size: int) -> list[list[str]]:
    """Return the names, page by page."""
    pages: list[list[str]] = []
    token = ""
    while not pages or token:
        reply = await client.datasets.ListDatasets(
            ListDatasetsRequest(org_id=client.org_id, page_size=size, page_token=token),
            metadata=client.tenant.metadata,
        )
        pages.append([dataset.name for dataset in reply.items])
        token = reply.next_page_token
    return pages


async def test_a_created_dataset_is_found_again(client: ReportsClient) -> None:
    created = await create(client, dimensions=["a"], measures=["b"], time_zone="Asia/Kolkata")
    assert created == await get(client, created.id)
    assert list(created.dimensions) + list(created.measures) == ["a", "b"]
    assert created.time_zone == "Asia/Kolkata"


async def test_the_zone_is_utc_unless_said(client: ReportsClient) -> None:
    assert (await create(client)).time_zone == "UTC"


@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        ({"name": ""}, ["/name"]),
        ({"name": "x" * 101}, ["/name"]),
        ({"name": " "}, ["/name"]),
        ({"name": "a\nb"}, ["/name"]),
        ({"time_zone": "localtime"}, ["/time_zone"]),
        ({"dimensions": ["id", "A", "1a", "a b"]}, [f"/dimensions/{n}" for n in range(4)]),
        ({"dimensions": ["a", "a"], "measures": ["a"]}, ["/dimensions/1", "/measures/0"]),
        ({"measures": [f"m{n}" for n in range(51)]}, ["/measures"]),
    ],
)
async def test_a_bad_dataset_is_refused(
    client: ReportsClient, fields: dict[str, Any], pointers: list[str]
) -> None:
    with pytest.raises(PeerError) as refused:
        await create(client, **fields)
    assert refused.value.reason == "invalid_argument"
    assert [field.pointer for field in refused.value.fields] == pointers


async def test_a_name_is_taken_within_an_organization(
    client: ReportsClient, stranger: ReportsClient
) -> None:
    await create(client)
    await create(stranger)
    other = await create(client, name="Other")
    with pytest.raises(PeerError) as refused:
        await create(client)
    assert refused.value.reason == "dataset_name_taken"
    with pytest.raises(PeerError) as refused:
        await update(client, other.id, name="Flights")
    assert refused.value.reason == "dataset_name_taken"


async def test_pages_show_the_newest_first(client: ReportsClient) -> None:
    for n in range(5):
        await create(client, name=str(n))
    assert await names(client, 2) == [["4", "3"], ["2", "1"], ["0"]]
    assert await names(client, 5) == [["4", "3", "2", "1", "0"]]


@pytest.mark.parametrize(
    "token", ["nonsense", *(encode_token(key) for key in (["x"], [None], [1], ["a", "b"]))]
)
async def test_a_page_token_is_one_that_was_handed_out(client: ReportsClient, token: str) -> None:
    with pytest.raises(PeerError) as refused:
        await client.datasets.ListDatasets(
            ListDatasetsRequest(org_id=client.org_id, page_token=token),
            metadata=client.tenant.metadata,
        )
    assert [(field.pointer, field.message) for field in refused.value.fields] == [
        ("/page_token", "is not a page token of this list; start again without it")
    ]


async def test_only_named_fields_change(client: ReportsClient) -> None:
    dataset = await create(client, dimensions=["a"])
    changed = await update(client, dataset.id, "name", name="New", dimensions=["zzz"])
    assert (changed.name, list(changed.dimensions)) == ("New", ["a"])
    assert await get(client, dataset.id) == changed


@pytest.mark.parametrize("dimensions", [[], ["b", "a"], ["b"], ["c", "a", "b"]])
async def test_columns_are_only_appended(client: ReportsClient, dimensions: list[str]) -> None:
    dataset = await create(client, dimensions=["a", "b"])
    with pytest.raises(PeerError) as refused:
        await update(client, dataset.id, "dimensions", dimensions=dimensions)
    assert refused.value.reason == "columns_not_appended"


async def test_other_fields_cannot_change(client: ReportsClient) -> None:
    dataset = await create(client)
    with pytest.raises(PeerError) as refused:
        await update(client, dataset.id, "time_zone")
    assert [field.pointer for field in refused.value.fields] == ["/update_mask"]


async def test_a_stranger_finds_no_dataset(client: ReportsClient, stranger: ReportsClient) -> None:
    dataset = await create(client)
    for dataset_id in (dataset.id, str(uuid4()), "nonsense"):
        for call in (
            get(stranger, dataset_id),
            update(stranger, dataset_id, name="x"),
            delete(stranger, dataset_id),
        ):
            with pytest.raises(PeerError) as refused:
                await call
            assert refused.value.reason == "dataset_not_found"
    assert await names(stranger, 10) == [[]]


async def test_a_deleted_dataset_is_gone_at_once(client: ReportsClient) -> None:
    dataset = await create(client, measures=["size"])
    upload = await client.load(dataset.id, b"time,size\n2024-01-01,1\n")
    run = await client.start_run(events={"dataset_id": dataset.id})
    await delete(client, dataset.id)
    calls: dict[Coroutine[Any, Any, object], str] = {
        get(client, dataset.id): "dataset_not_found",
        client.query(dataset.id): "dataset_not_found",
        delete(client, dataset.id): "dataset_not_found",
        client.get_upload(upload.id): "upload_not_found",
        client.rejected(upload.id): "upload_not_found",
        client.get_run(run.id): "run_not_found",
        client.link(run.id): "run_not_found",
    }
    for call, reason in calls.items():
        with pytest.raises(PeerError) as refused:
            await call
        assert refused.value.reason == reason
    assert (await create(client)).name == dataset.name


async def test_what_a_deleted_dataset_held_is_removed(
    client: ReportsClient, system: System
) -> None:
    dataset = await create(client, measures=["size"])
    await client.ingest(dataset.id, *(event(str(n), f"20{n:02}-01-01") for n in range(30)))
    await client.load(dataset.id, b"time,size\nsoon,1\n")
    await client.finished((await client.start_run(events={"dataset_id": dataset.id})).id)
    files = system.directory / "files" / "orgs" / client.org_id
    assert [path for path in files.rglob("*") if path.is_file()]
    await delete(client, dataset.id)

    async def rows() -> dict[str, int]:
        async with await psycopg.AsyncConnection.connect(system.admin_url()) as admin:
            found = {}
            for table in HELD:
                query = f"SELECT count(*) FROM reports.{table} WHERE org_id = %s"  # noqa: S608 # our names
                row = await (await admin.execute(query, (client.org_id,))).fetchone()
                found[table] = row[0] if row else 0
        return found

    async def gone() -> bool:
        return not any((await rows()).values())

    await eventually(gone, within=30)
    assert not [path for path in files.rglob("*") if path.is_file()]


BAD_NAMES = {why: name for why, name in INVALID.items() if "much" not in why}


@pytest.mark.parametrize("name", VALID, ids=ascii)
async def test_a_dataset_may_have_a_name(client: ReportsClient, name: str) -> None:
    assert (await create(client, name=name)).name == name


@pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES)
async def test_no_dataset_has_a_bad_name(client: ReportsClient, name: str) -> None:
    with pytest.raises(PeerError) as refused:
        await create(client, name=name)
    assert [field.pointer for field in refused.value.fields] == ["/name"]


async def test_spaces_around_the_name_of_a_dataset_are_dropped(client: ReportsClient) -> None:
    assert (await create(client, name=" Trimmed ")).name == "Trimmed"


async def test_a_dataset_whose_name_is_from_before_the_rules_can_be_changed(
    client: ReportsClient, system: System
) -> None:
    made = await create(client, dimensions=["product"])
    with psycopg.connect(system.admin_url()) as admin:
        former = "UPDATE reports.datasets SET name = 'https://a.example' WHERE id = %s"
        admin.execute(former, [made.id])
    changed = await update(client, made.id, dimensions=["product", "region"])
    assert list(changed.dimensions) == ["product", "region"]
    with pytest.raises(PeerError):
        await update(client, made.id, name="https://b.example")
