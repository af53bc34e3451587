from tenon.auth.v1.link_service_pb2 import GetLinkNoticeRequest, GetLinkNoticeResponse
from tenon.auth.v1.link_service_pb2_grpc import LinkServiceServicer
from tenon_auth.links.service import LinkService
from tenon_core.ids import parse_id
from tenon_rpc.times import packed_time


class LinkServicer(LinkServiceServicer):
    def __init__(self, links: LinkService) -> None:
        self._links = links

    async def GetLinkNotice(
        self, request: GetLinkNoticeRequest, context: object
    ) -> GetLinkNoticeResponse:
        link, token = await self._links.get_notice(
            parse_id(request.user_id), parse_id(request.link_id)
        )
        return GetLinkNoticeResponse(token=token, expire_time=packed_time(link.expire_time))
