"""Answers the routes that are compiled from the protos: decode, call, encode."""

from tenon_core.offload import offload
from tenon_gateway.pipeline.body import read_json
from tenon_gateway.pipeline.entries import Run
from tenon_gateway.pipeline.exchange import Exchange
from tenon_gateway.pipeline.reply import Reply, headers_of, json_reply
from tenon_gateway.settings import GatewaySettings
from tenon_gateway.transcoding.decoders import Decoder
from tenon_gateway.transcoding.encoders import Encoders
from tenon_gateway.transcoding.routes import Route
from tenon_gateway.transcoding.stubs import Stubs

SLOW_CLASSES = frozenset({"ingest", "query"})


def compiled(route: Route, stubs: Stubs, encoders: Encoders, settings: GatewaySettings) -> Run:
    """Return what answers a compiled route."""
    decode = Decoder(route)
    encode = encoders.response(route)
    headers = headers_of(route.policy)
    seconds = (
        settings.query_seconds if route.policy.rate in SLOW_CLASSES else settings.request_seconds
    )

    async def run(exchange: Exchange) -> Reply:
        body = b""
        if not exchange.reads:
            body = await read_json(
                exchange, max_bytes=decode.max_bytes, seconds=settings.body_seconds
            )
        message = await offload(
            len(body), decode, exchange.parameters, exchange.scope["query_string"], body
        )
        del body  # so that it is not kept while the service works
        left = seconds - exchange.admission_seconds
        reply = await stubs.call(route, message, timeout=left, metadata=exchange.metadata())
        encoded = await offload(reply.ByteSize(), encode, reply)
        exchange.hold_reply(len(encoded))
        return json_reply(route.status, encoded, headers)

    return run
