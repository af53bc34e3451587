"""Probes on the public port; the operations port has them too."""

from collections.abc import Callable

from fastapi import Request, Response

from tenon_core.errors import Unavailable
from tenon_gateway.routers.endpoints import GATEWAY_TAG, Endpoint
from tenon_gateway.transcoding.encoders import to_json
from tenon_gateway.transcoding.manual import JSON, Content, ManualOperation

_STATUS = Content(schema={"type": "object", "properties": {"status": {"type": "string"}}})
ALIVE_OPERATION = ManualOperation(
    "GET",
    "/healthz",
    name="CheckAlive",
    tag=GATEWAY_TAG,
    summary="Says that the process lives.",
    reply=_STATUS,
)
READY_OPERATION = ManualOperation(
    "GET",
    "/readyz",
    name="CheckReady",
    tag=GATEWAY_TAG,
    summary="Says whether requests may be sent here; a gateway that is stopping says 503.",
    reply=_STATUS,
)
OPERATIONS = (ALIVE_OPERATION, READY_OPERATION)


class HealthRouter:
    def __init__(self, ready: Callable[[], bool]) -> None:
        self._ready = ready

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(ALIVE_OPERATION, self.alive),
            Endpoint(READY_OPERATION, self.ready),
        ]

    async def alive(self, request: Request) -> Response:  # noqa: ARG002 # a handler's form
        return Response(to_json({"status": "alive"}), media_type=JSON)

    async def ready(self, request: Request) -> Response:  # noqa: ARG002 # a handler's form
        if not self._ready():
            raise Unavailable
        return Response(to_json({"status": "ready"}), media_type=JSON)
