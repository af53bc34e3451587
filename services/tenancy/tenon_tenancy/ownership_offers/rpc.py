from tenon.tenancy.v1 import ownership_offer_pb2
from tenon.tenancy.v1.ownership_service_pb2 import (
    AcceptOwnershipRequest,
    AcceptOwnershipResponse,
    DeclineOwnershipRequest,
    DeclineOwnershipResponse,
    GetOwnershipNoticeRequest,
    GetOwnershipNoticeResponse,
    GetOwnershipOfferRequest,
    GetOwnershipOfferResponse,
    TransferOwnershipRequest,
    TransferOwnershipResponse,
)
from tenon.tenancy.v1.ownership_service_pb2_grpc import OwnershipServiceServicer
from tenon_core.ids import parse_id
from tenon_rpc.guard import current_call
from tenon_rpc.times import packed_time
from tenon_tenancy.ownership_offers.models import OwnershipOffer
from tenon_tenancy.ownership_offers.service import OwnershipService


class OwnershipServicer(OwnershipServiceServicer):
    def __init__(self, ownership: OwnershipService) -> None:
        self._ownership = ownership

    async def GetOwnershipOffer(
        self, request: GetOwnershipOfferRequest, context: object
    ) -> GetOwnershipOfferResponse:
        return GetOwnershipOfferResponse(offer=_packed(await self._ownership.get(current_call())))

    async def TransferOwnership(
        self, request: TransferOwnershipRequest, context: object
    ) -> TransferOwnershipResponse:
        offer = await self._ownership.transfer(current_call(), parse_id(request.user_id))
        return TransferOwnershipResponse(offer=_packed(offer))

    async def AcceptOwnership(
        self, request: AcceptOwnershipRequest, context: object
    ) -> AcceptOwnershipResponse:
        await self._ownership.accept(current_call())
        return AcceptOwnershipResponse()

    async def DeclineOwnership(
        self, request: DeclineOwnershipRequest, context: object
    ) -> DeclineOwnershipResponse:
        await self._ownership.decline(current_call())
        return DeclineOwnershipResponse()

    async def GetOwnershipNotice(
        self, request: GetOwnershipNoticeRequest, context: object
    ) -> GetOwnershipNoticeResponse:
        name, offer = await self._ownership.get_notice(
            parse_id(request.org_id), parse_id(request.offer_id)
        )
        return GetOwnershipNoticeResponse(
            organization_name=name,
            expire_time=packed_time(offer.expire_time),
            accepted=offer.accept_time is not None,
        )


def _packed(offer: OwnershipOffer) -> ownership_offer_pb2.OwnershipOffer:
    return ownership_offer_pb2.OwnershipOffer(
        id=str(offer.id),
        owner_id=str(offer.owner_id),
        user_id=str(offer.user_id),
        create_time=packed_time(offer.create_time),
        expire_time=packed_time(offer.expire_time),
    )
