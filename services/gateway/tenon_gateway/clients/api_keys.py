"""What API keys are exchanged for."""

from tenon.auth.v1.api_key_service_pb2 import ExchangeApiKeyRequest
from tenon_core.errors import InvalidApiKey, TenonError
from tenon_gateway.clients.rpcs import EXCHANGE_API_KEY, Caller
from tenon_gateway.pipeline.api_keys import Exchanged


class AuthApiKeys:
    """Auth, which knows the keys."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def exchange(self, secret: str) -> Exchanged | None:
        """Return the access token for a secret; None if auth does not take it."""
        request = ExchangeApiKeyRequest(secret=secret)
        try:
            reply = await self._caller.call(EXCHANGE_API_KEY, request, ())
        except TenonError as error:
            if error.reason == InvalidApiKey.reason:
                return None
            raise
        return Exchanged(reply.access_token, reply.access_expire_time.seconds)
