from tenon.reports.v1.dataset_pb2 import Dataset as PackedDataset
from tenon.reports.v1.dataset_service_pb2 import (
    CreateDatasetRequest,
    CreateDatasetResponse,
    DeleteDatasetRequest,
    DeleteDatasetResponse,
    GetDatasetRequest,
    GetDatasetResponse,
    ListDatasetsRequest,
    ListDatasetsResponse,
    UpdateDatasetRequest,
    UpdateDatasetResponse,
)
from tenon.reports.v1.dataset_service_pb2_grpc import DatasetServiceServicer
from tenon_core.display_names import normal_name
from tenon_core.ids import parse_id
from tenon_reports.datasets.models import Dataset
from tenon_reports.datasets.service import DatasetService
from tenon_rpc.guard import current_call
from tenon_rpc.times import packed_time


class DatasetServicer(DatasetServiceServicer):
    def __init__(self, datasets: DatasetService) -> None:
        self._datasets = datasets

    async def CreateDataset(
        self, request: CreateDatasetRequest, context: object
    ) -> CreateDatasetResponse:
        dataset = await self._datasets.create(
            current_call(),
            normal_name(request.name),
            request.time_zone,
            request.dimensions,
            request.measures,
        )
        return CreateDatasetResponse(dataset=_packed(dataset))

    async def ListDatasets(
        self, request: ListDatasetsRequest, context: object
    ) -> ListDatasetsResponse:
        page = await self._datasets.list(current_call(), request.page_size, request.page_token)
        return ListDatasetsResponse(
            items=map(_packed, page.items), next_page_token=page.next_page_token
        )

    async def GetDataset(self, request: GetDatasetRequest, context: object) -> GetDatasetResponse:
        dataset = await self._datasets.get(current_call(), parse_id(request.dataset_id))
        return GetDatasetResponse(dataset=_packed(dataset))

    async def UpdateDataset(
        self, request: UpdateDatasetRequest, context: object
    ) -> UpdateDatasetResponse:
        given = {
            "name": normal_name(request.name),
            "dimensions": tuple(request.dimensions),
            "measures": tuple(request.measures),
        }
        changes = {path: given.get(path, ()) for path in request.update_mask.paths}
        dataset = await self._datasets.update(current_call(), parse_id(request.dataset_id), changes)
        return UpdateDatasetResponse(dataset=_packed(dataset))

    async def DeleteDataset(
        self, request: DeleteDatasetRequest, context: object
    ) -> DeleteDatasetResponse:
        await self._datasets.delete(current_call(), parse_id(request.dataset_id))
        return DeleteDatasetResponse()


def _packed(dataset: Dataset) -> PackedDataset:
    return PackedDataset(
        id=str(dataset.id),
        name=dataset.name,
        time_zone=dataset.time_zone,
        dimensions=dataset.dimensions,
        measures=dataset.measures,
        create_time=packed_time(dataset.create_time),
    )
