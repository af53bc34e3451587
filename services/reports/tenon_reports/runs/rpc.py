from tenon.reports.v1 import run_pb2
from tenon.reports.v1.run_service_pb2 import (
    CancelRunRequest,
    CancelRunResponse,
    GetRunFileRequest,
    GetRunFileResponse,
    GetRunNoticeRequest,
    GetRunNoticeResponse,
    GetRunRequest,
    GetRunResponse,
    ListRunsRequest,
    ListRunsResponse,
    StartRunRequest,
    StartRunResponse,
)
from tenon.reports.v1.run_service_pb2_grpc import RunServiceServicer
from tenon_core.ids import parse_id
from tenon_reports.queries.models import Source
from tenon_reports.queries.packing import unpacked_events, unpacked_question
from tenon_reports.runs.models import Progress, Run
from tenon_reports.runs.service import RunService
from tenon_rpc.guard import current_call
from tenon_rpc.times import packed_time


class RunServicer(RunServiceServicer):
    def __init__(self, runs: RunService, public_url: str) -> None:
        self._runs = runs
        self._public_url = public_url.rstrip("/")

    async def StartRun(self, request: StartRunRequest, context: object) -> StartRunResponse:
        file_format = "csv" if request.format == run_pb2.FORMAT_CSV else ""
        run = await self._runs.start(current_call(), _source(request), file_format)
        return StartRunResponse(run=self._packed(run))

    async def ListRuns(self, request: ListRunsRequest, context: object) -> ListRunsResponse:
        page = await self._runs.list(current_call(), request.page_size, request.page_token)
        return ListRunsResponse(
            items=map(self._packed, page.items), next_page_token=page.next_page_token
        )

    async def GetRun(self, request: GetRunRequest, context: object) -> GetRunResponse:
        run = await self._runs.get(current_call(), parse_id(request.run_id))
        return GetRunResponse(run=self._packed(run))

    async def CancelRun(self, request: CancelRunRequest, context: object) -> CancelRunResponse:
        run = await self._runs.cancel(current_call(), parse_id(request.run_id))
        return CancelRunResponse(run=self._packed(run))

    async def GetRunFile(self, request: GetRunFileRequest, context: object) -> GetRunFileResponse:
        url, until = await self._runs.link(current_call(), parse_id(request.run_id))
        return GetRunFileResponse(url=url, expire_time=packed_time(until))

    async def GetRunNotice(
        self, request: GetRunNoticeRequest, context: object
    ) -> GetRunNoticeResponse:
        run, dataset = await self._runs.notice(current_call().org_id, parse_id(request.run_id))
        return GetRunNoticeResponse(
            run=self._packed(run), dataset_name=dataset.name, user_id=str(run.user_id or "")
        )

    def _packed(self, run: Run) -> run_pb2.Run:
        return run_pb2.Run(
            id=str(run.id),
            state=run_pb2.Run.State.Value(f"STATE_{run.state.name}"),
            format=run_pb2.FORMAT_CSV,
            progress=_packed_progress(run.progress),
            size_bytes=run.size_bytes,
            file_url=f"{self._public_url}/api/orgs/{run.org_id}/runs/{run.id}/file",
            failure=run.failure,
            waiting_reason=run.waiting_reason,
            create_time=packed_time(run.create_time),
            finish_time=packed_time(run.finish_time),
            expire_time=packed_time(run.expire_time),
        )


def _source(request: StartRunRequest) -> Source | None:
    match request.WhichOneof("source"):
        case "query":
            return unpacked_question(request.query)
        case "events":
            return unpacked_events(request.events)
        case _:
            return None


def _packed_progress(progress: Progress) -> run_pb2.Progress:
    return run_pb2.Progress(
        phase=run_pb2.Progress.Phase.Value(f"PHASE_{progress.phase.name}"),
        rows=progress.rows,
        total=progress.total,
        eta_seconds=progress.eta_seconds,
    )
