import psycopg
import pytest
from google.protobuf.json_format import ParseDict

from services.reports.tests.reports_client import ReportsClient, event
from tenon.reports.v1.query_pb2 import Query
from tenon.reports.v1.query_service_pb2 import RunQueryRequest
from tenon_rpc.status import PeerError
from tenon_testing.system import System


async def test_a_query_that_takes_too_long_says_so(client: ReportsClient, system: System) -> None:
    dataset = await client.create_dataset()
    await client.ingest(dataset.id, event("a", time="1951-01-01"))
    query = {"dataset_id": dataset.id, "metrics": [{"name": "n", "op": "OP_COUNT"}]}
    async with await psycopg.AsyncConnection.connect(system.admin_url()) as holder:
        await holder.execute("LOCK TABLE reports.events_1951 IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(PeerError) as refused:
            await client.queries.RunQuery(
                RunQueryRequest(org_id=client.org_id, query=ParseDict(query, Query())),
                metadata=client.tenant.metadata,
                timeout=1.0,
            )
    assert refused.value.reason == "query_timeout"
