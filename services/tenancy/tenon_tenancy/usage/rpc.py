from tenon.tenancy.v1 import usage_service_pb2
from tenon.tenancy.v1.usage_service_pb2 import GetUsageRequest, GetUsageResponse
from tenon.tenancy.v1.usage_service_pb2_grpc import UsageServiceServicer
from tenon_rpc.guard import current_call
from tenon_tenancy.usage.service import UsageService


class UsageServicer(UsageServiceServicer):
    def __init__(self, usage: UsageService) -> None:
        self._usage = usage

    async def GetUsage(self, request: GetUsageRequest, context: object) -> GetUsageResponse:
        found = await self._usage.get(current_call(), request.month)
        packed = usage_service_pb2.Usage(
            month=str(found.month), members=found.members, **found.figures
        )
        return GetUsageResponse(usage=packed)
