from collections.abc import Sequence

from google.protobuf.struct_pb2 import NULL_VALUE, ListValue, Struct, Value

from tenon.reports.v1.query_pb2 import Freshness
from tenon.reports.v1.query_service_pb2 import RunQueryRequest, RunQueryResponse
from tenon.reports.v1.query_service_pb2_grpc import QueryServiceServicer
from tenon_reports.queries.models import Cell
from tenon_reports.queries.packing import unpacked_question
from tenon_reports.queries.service import QueryService
from tenon_rpc.guard import current_call
from tenon_rpc.times import packed_time


class QueryServicer(QueryServiceServicer):
    def __init__(self, queries: QueryService) -> None:
        self._queries = queries

    async def RunQuery(self, request: RunQueryRequest, context: object) -> RunQueryResponse:
        answer = await self._queries.run(current_call(), unpacked_question(request.query))
        totals = {name: _packed_cell(cell) for name, cell in answer.totals.items()}
        return RunQueryResponse(
            columns=answer.columns,
            rows=map(_packed_row, answer.rows),
            totals=Struct(fields=totals),
            freshness=Freshness(watermark=packed_time(answer.watermark), complete=True),
        )


def _packed_row(row: Sequence[Cell]) -> ListValue:
    return ListValue(values=map(_packed_cell, row))


def _packed_cell(cell: Cell) -> Value:
    if cell is None:
        return Value(null_value=NULL_VALUE)
    if isinstance(cell, str):
        return Value(string_value=cell)
    return Value(number_value=cell)
