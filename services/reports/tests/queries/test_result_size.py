"""Results are bounded while they are read, before they are built whole."""

import pytest

from services.reports.tests.reports_client import ReportsClient, event
from tenon_rpc.status import PeerError

CELL = "x" * 60_000
EVENTS = 160


async def test_a_result_that_is_too_large_is_refused(client: ReportsClient) -> None:
    dataset = await client.create_dataset()
    for first in range(0, EVENTS, 40):
        rows = range(first, first + 40)
        await client.ingest(
            dataset.id, *(event(f"{n}", dimensions={"color": f"{n}{CELL}"}) for n in rows)
        )
    with pytest.raises(PeerError) as refused:
        await client.query(dataset.id, dimensions=["color"])
    assert refused.value.reason == "invalid_query"
    (field,) = refused.value.fields
    assert (field.pointer, field.message) == (
        "/limit",
        "the result takes more than 8 MiB: lower the limit, or export it",
    )
    assert len(await client.rows(dataset.id, dimensions=["color"], limit=100)) == 100
    assert await client.rows(dataset.id) == [[EVENTS]]
