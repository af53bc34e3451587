from collections.abc import Sequence

from google.protobuf.struct_pb2 import NULL_VALUE, ListValue, Struct, Value

from tenon.reports.v1.query_pb2 import Freshness
from tenon.reports.v1.query_service_pb2 import RunQueryRequest, RunQueryResponse
from tenon.reports.v1.query_service_pb2_grpc import QueryServiceServicer
from tenon_core.offload import offload
from tenon_reports.queries.models import Cell, QueryAnswer
from tenon_reports.queries.packing import unpacked_question
from tenon_reports.queries.service import QueryService
from tenon_rpc.guard import current_call
from tenon_rpc.times import packed_time

CELL_BYTES = 16
"""About as much as a number takes with what is around it."""


class QueryServicer(QueryServiceServicer):
    def __init__(self, queries: QueryService) -> None:
        self._queries = queries

    async def RunQuery(self, request: RunQueryRequest, context: object) -> RunQueryResponse:
        answer = await self._queries.run(current_call(), unpacked_question(request.query))
        cells = len(answer.rows) * len(answer.columns)
        return await offload(cells * CELL_BYTES, _packed, answer)


def _packed(answer: QueryAnswer) -> RunQueryResponse:
    totals = {name: _packed_cell(cell) for name, cell in answer.totals.items()}
    reply = RunQueryResponse(
        columns=answer.columns,
        totals=Struct(fields=totals),
        freshness=Freshness(watermark=packed_time(answer.watermark), complete=True),
    )
    for row in answer.rows:
        reply.rows.append(_packed_row(row))
    return reply


def _packed_row(row: Sequence[Cell]) -> ListValue:
    return ListValue(values=map(_packed_cell, row))


def _packed_cell(cell: Cell) -> Value:
    if cell is None:
        return Value(null_value=NULL_VALUE)
    if isinstance(cell, str):
        return Value(string_value=cell)
    return Value(number_value=cell)
