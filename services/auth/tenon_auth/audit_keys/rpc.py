from tenon.auth.v1.audit_client_service_pb2 import (
    AuditClient,
    OpenClientsRequest,
    OpenClientsResponse,
)
from tenon.auth.v1.audit_client_service_pb2_grpc import AuditClientServiceServicer
from tenon_auth.audit_keys.service import AuditKeyService
from tenon_policy.audit_clients import OpenedClient


class AuditClientServicer(AuditClientServiceServicer):
    def __init__(self, audit_keys: AuditKeyService) -> None:
        self._audit_keys = audit_keys

    async def OpenClients(
        self, request: OpenClientsRequest, context: object
    ) -> OpenClientsResponse:
        opened = await self._audit_keys.open(request.sealed)
        return OpenClientsResponse(clients=map(_packed, opened))


def _packed(opened: OpenedClient) -> AuditClient:
    client = opened.client
    return AuditClient(salt=opened.salt, ip_address=client.ip_address, user_agent=client.user_agent)
