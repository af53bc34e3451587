from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from services.reports.tests.reports_client import ReportsClient, event
from tenon.reports.v1.dataset_pb2 import Dataset
from tenon.reports.v1.run_pb2 import FORMAT_CSV, Progress, Run
from tenon.reports.v1.run_service_pb2 import (
    CancelRunRequest,
    EventsExport,
    GetRunNoticeRequest,
    ListRunsRequest,
    StartRunRequest,
)
from tenon.reports.v1.run_service_pb2_grpc import RunServiceStub
from tenon_db.pages import encode_token
from tenon_rpc.status import PeerError
from tenon_storage.links import verify_link
from tenon_testing.system import System


@pytest.fixture
async def dataset(client: ReportsClient) -> Dataset:
    return await client.create_dataset(dimensions=("color", "shape"), measures=("size", "weight"))


async def exported(client: ReportsClient, system: System, **source: Any) -> str:
    """Run to the end and return the file."""
    run = await client.finished((await client.start_run(**source)).id)
    assert run.state == Run.STATE_SUCCEEDED, run.failure
    content = file_of(system, await client.link(run.id)).read_bytes()
    assert run.size_bytes == len(content)
    return content.decode()


def file_of(system: System, url: str) -> Path:
    token = url.rpartition("/")[2]
    key = (system.directory / "link.key").read_bytes()
    return system.directory / "files" / verify_link(token, key).path


async def cancel(client: ReportsClient, run_id: str) -> Run:
    reply = await client.runs.CancelRun(
        CancelRunRequest(org_id=client.org_id, run_id=run_id), metadata=client.tenant.metadata
    )
    run: Run = reply.run
    return run


async def test_events_come_sorted_in_declared_order(
    client: ReportsClient, dataset: Dataset, system: System
) -> None:
    await client.ingest(
        dataset.id,
        event("b", "2024-01-01T00:00:00Z", {"color": "red"}, {"size": 2}),
        event("a", "2024-01-01T00:00:00Z", {"shape": "round"}, {"weight": 2.5}),
        event("c", "2013-06-01T12:00:00.250Z", {"color": ""}, {"size": -1e22, "weight": 0.1}),
        event('d"\n', "2024-01-01T05:30:00+05:30", {"color": "a,b"}, {"size": 1 / 3}),
    )
    assert await exported(client, system, events={"dataset_id": dataset.id}) == (
        "id,time,color,shape,size,weight\n"
        'c,2013-06-01T12:00:00.25Z,"",,-1e+22,0.1\n'
        "a,2024-01-01T00:00:00Z,,round,,2.5\n"
        "b,2024-01-01T00:00:00Z,red,,2,\n"
        '"d""\n",2024-01-01T00:00:00Z,"a,b",,0.3333333333333333,\n'
    )


async def test_events_may_be_filtered(
    client: ReportsClient, dataset: Dataset, system: System
) -> None:
    await client.ingest(
        dataset.id,
        event("a", "2024-01-01T00:00:00Z", {"color": "100%"}),
        event("b", "2024-01-02T00:00:00Z", {"color": "100%"}),
        event("c", "2024-01-01T00:00:00Z", {"color": "it's"}),
    )
    content = await exported(
        client,
        system,
        events={
            "dataset_id": dataset.id,
            "filters": [
                {"field": "color", "op": "OP_IN", "value": ["100%", "o'clock"]},
                {"field": "color", "op": "OP_CONTAINS", "value": "0%"},
            ],
            "time_range": {"end": "2024-01-02T00:00:00Z"},
        },
    )
    assert content == "id,time,color,shape,size,weight\na,2024-01-01T00:00:00Z,100%,,,\n"


async def test_a_querys_answer_is_exported(
    client: ReportsClient, dataset: Dataset, system: System
) -> None:
    await client.ingest(
        dataset.id,
        event("a", "2024-01-01T05:00:00Z", {"color": "red"}, {"size": 1}),
        event("b", "2024-01-01T12:00:00Z", {"color": "red"}, {"size": 2.5}),
        event("c", "2024-01-01T12:00:00Z"),
    )
    query = {
        "dataset_id": dataset.id,
        "metrics": [
            {"name": "n", "op": "OP_COUNT"},
            {"name": "total", "op": "OP_SUM", "field": "size"},
            {"name": "middle", "op": "OP_P50", "field": "size"},
        ],
        "dimensions": ["color"],
        "granularity": "GRANULARITY_DAY",
        "order_by": "color desc",
    }
    assert await exported(client, system, query=query) == (
        "time,color,n,total,middle\n"
        "2024-01-01T00:00:00Z,red,2,3.5,1.75\n"
        "2024-01-01T00:00:00Z,,1,,\n"
    )


async def test_no_cell_is_a_live_formula(
    client: ReportsClient, dataset: Dataset, system: System
) -> None:
    texts = ["=1+1", "+cmd", "-2+3", "@SUM(1)", "\tx", "\rx", "\uff1d1", "-5", "+4.5", "1=1", "a-b"]
    await client.ingest(
        dataset.id,
        *(
            event(f"{n}", dimensions={"color": t}, measures={"size": -5})
            for n, t in enumerate(texts)
        ),
        event("=id"),
    )
    content = await exported(
        client,
        system,
        query={
            "dataset_id": dataset.id,
            "metrics": [{"name": "n", "op": "OP_MIN", "field": "size"}],
            "dimensions": ["color"],
            "filters": [{"field": "color", "op": "OP_IS_NULL", "value": False}],
        },
    )
    for text in texts[:5] + texts[6:7]:
        assert f"'{text},-5\n" in content
    assert '"\'\rx",-5\n' in content
    for text in texts[7:]:
        assert f"\n{text},-5\n" in content
    events = await exported(client, system, events={"dataset_id": dataset.id})
    assert "\n'=id,2024" in events


async def test_a_finished_run_tells_what_it_wrote(
    client: ReportsClient, dataset: Dataset, system: System
) -> None:
    await client.ingest(dataset.id, event("a"), event("b"))
    started = await client.start_run(events={"dataset_id": dataset.id})
    assert started.state == Run.STATE_QUEUED
    assert started.file_url == f"{system.url}/api/orgs/{client.org_id}/runs/{started.id}/file"
    run = await client.finished(started.id)
    assert run.progress == Progress(phase=Progress.PHASE_DONE, rows=2, total=2, eta_seconds=0)
    assert run.format == FORMAT_CSV
    assert run.expire_time.seconds - run.finish_time.seconds in range(
        7 * 86_400 - 5, 7 * 86_400 + 5
    )


async def test_the_file_holds_what_was_there_when_the_run_was_started(
    client: ReportsClient, dataset: Dataset, system: System
) -> None:
    await client.ingest(dataset.id, event("a"))
    run = await client.start_run(events={"dataset_id": dataset.id})
    await client.ingest(dataset.id, event("b"))
    await client.finished(run.id)
    content = file_of(system, await client.link(run.id)).read_text()
    assert content.count("\n") == 2


async def test_the_links_file_name_is_of_dataset_and_day(
    client: ReportsClient, dataset: Dataset, system: System
) -> None:
    run = await client.finished((await client.start_run(events={"dataset_id": dataset.id})).id)
    token = (await client.link(run.id)).rpartition("/")[2]
    grant = verify_link(token, (system.directory / "link.key").read_bytes())
    day = run.create_time.ToDatetime().strftime("%Y%m%d")
    assert grant.filename == f"{dataset.name.replace(' ', '-')}-{day}.csv"


async def test_a_run_that_is_waiting_has_no_file(client: ReportsClient, dataset: Dataset) -> None:
    run = await client.start_run(events={"dataset_id": dataset.id})
    if (await client.get_run(run.id)).state == Run.STATE_QUEUED:
        try:
            await client.link(run.id)
        except PeerError as error:
            assert error.reason == "run_not_finished"  # noqa: PT017 # it may have just finished


async def test_a_finished_run_cannot_be_cancelled(client: ReportsClient, dataset: Dataset) -> None:
    run = await client.finished((await client.start_run(events={"dataset_id": dataset.id})).id)
    with pytest.raises(PeerError) as refused:
        await cancel(client, run.id)
    assert refused.value.reason == "run_finished"


async def test_pages_show_the_newest_first(client: ReportsClient, dataset: Dataset) -> None:
    started = [(await client.start_run(events={"dataset_id": dataset.id})).id for _ in range(3)]
    found: list[str] = []
    token = ""
    while len(found) < 3:
        reply = await client.runs.ListRuns(
            ListRunsRequest(org_id=client.org_id, page_size=2, page_token=token),
            metadata=client.tenant.metadata,
        )
        found += [run.id for run in reply.items]
        token = reply.next_page_token
    assert found == started[::-1]
    assert token == ""


async def test_a_page_token_is_one_that_was_handed_out(client: ReportsClient) -> None:
    with pytest.raises(PeerError) as refused:
        await client.runs.ListRuns(
            ListRunsRequest(org_id=client.org_id, page_token=encode_token(["x"])),
            metadata=client.tenant.metadata,
        )
    assert [field.pointer for field in refused.value.fields] == ["/page_token"]


@pytest.mark.parametrize(
    ("request_", "reason", "pointers"),
    [
        (StartRunRequest(format=FORMAT_CSV), "invalid_argument", [""]),
        (StartRunRequest(events=EventsExport()), "invalid_argument", ["/format"]),
    ],
)
async def test_a_bad_request_is_refused(
    client: ReportsClient, request_: StartRunRequest, reason: str, pointers: list[str]
) -> None:
    request_.org_id = client.org_id
    with pytest.raises(PeerError) as refused:
        await client.runs.StartRun(request_, metadata=client.tenant.metadata)
    assert refused.value.reason == reason
    assert [field.pointer for field in refused.value.fields] == pointers


async def test_bad_queries_are_refused_before_they_are_queued(
    client: ReportsClient, dataset: Dataset
) -> None:
    bad = {"field": "hue", "op": "OP_EQ", "value": "x"}
    for source, pointers in (
        ({"events": {"dataset_id": dataset.id, "filters": [bad]}}, ["/events/filters/0/field"]),
        ({"query": {"dataset_id": dataset.id}}, ["/query/metrics"]),
    ):
        with pytest.raises(PeerError) as refused:
            await client.start_run(**source)
        assert refused.value.reason == "invalid_query"
        assert [field.pointer for field in refused.value.fields] == pointers


async def test_a_stranger_finds_no_run(
    client: ReportsClient, stranger: ReportsClient, dataset: Dataset
) -> None:
    run = await client.start_run(events={"dataset_id": dataset.id})
    for run_id in (run.id, str(uuid4()), "nonsense"):
        for call in (
            stranger.get_run(run_id),
            stranger.link(run_id),
            cancel(stranger, run_id),
        ):
            with pytest.raises(PeerError) as refused:
                await call
            assert refused.value.reason == "run_not_found"
    with pytest.raises(PeerError) as refused:
        await stranger.start_run(events={"dataset_id": dataset.id})
    assert refused.value.reason == "dataset_not_found"


async def test_notifications_may_ask_for_a_notice(
    client: ReportsClient, dataset: Dataset, system: System
) -> None:
    run = await client.finished((await client.start_run(events={"dataset_id": dataset.id})).id)
    channel = system.channel("reports", caller="notifications-worker")
    request = GetRunNoticeRequest(org_id=client.org_id, run_id=run.id)
    notice = await RunServiceStub(channel).GetRunNotice(request)
    await channel.close(None)
    assert notice.run == run
    assert (notice.dataset_name, notice.user_id) == (
        dataset.name,
        str(client.tenant.owner.user_id),
    )
    with pytest.raises(PeerError) as refused:
        await client.runs.GetRunNotice(request, metadata=client.tenant.metadata)
    assert refused.value.reason == "peer_not_allowed"
