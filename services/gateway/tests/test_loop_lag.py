"""Large bodies do not hold the event loop: while one is decoded, the others go on."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from tenon.reports.v1.query_service_pb2 import RunQueryResponse
from tenon_core.errors import TenonError
from tenon_core.offload import offload
from tenon_gateway.transcoding.decoders import Decoder
from tenon_gateway.transcoding.descriptors import load_services
from tenon_gateway.transcoding.encoders import Encoders
from tenon_gateway.transcoding.routes import Route, compile_routes
from tenon_policy.checks import faults

MIB = 1024 * 1024
HELD_SECONDS = 0.1
TRIES = 3
"""Of which one must be in time: memory that is used for the first time takes longer."""
ROUTES = {route.rpc.rpartition("/")[2]: route for route in compile_routes(load_services())}


def events(count: int, columns: int) -> bytes:
    """Return a body of events with all columns that a dataset may have."""
    one = {
        "id": "x" * 36,
        "time": "2026-01-31T10:00:00Z",
        "dimensions": {f"dimension_{number}": f"value {number}" for number in range(columns)},
        "measures": {f"measure_{number}": number * 1.5 for number in range(columns)},
    }
    return orjson.dumps({"events": [one] * count})


def filters(count: int) -> bytes:
    return b'{"filters":[{"field":"a","op":"in","value":[' + b'"",' * count + b'""]}]}'


BODIES: dict[str, tuple[str, bytes]] = {
    "the most events with the most columns": ("IngestEvents", events(5_000, 50)),
    "14 MiB of empty events": ("IngestEvents", b'{"events":[' + b"{}," * 4_900_000 + b"{}]}"),
    "empty texts as events": ("IngestEvents", b'{"events":[' + b'"",' * 500_000 + b'""]}'),
    "a filter of 340,000 values": ("RunQuery", filters(340_000)),
    "a filter of 40,000 values": ("RunQuery", filters(40_000)),
    "an order of 500,000 parts": ("RunQuery", b'{"order_by":"' + b"a," * 500_000 + b'"}'),
    "350,000 empty filters": ("RunQuery", b'{"filters":[' + b"{}," * 340_000 + b"{}]}"),
}


async def longest_hold(work: Callable[[], Any]) -> float:
    """Return for how long the loop did not run while something was awaited, in seconds of this
    process: what others take of the machine does not count.
    """
    task = asyncio.ensure_future(work())
    longest, seen_at = 0.0, time.process_time()
    while not task.done():
        await asyncio.sleep(0)
        now = time.process_time()
        longest, seen_at = max(longest, now - seen_at), now
    await task
    return longest


def params_of(route: Route) -> dict[str, str]:
    return dict.fromkeys(route.parameters, "x")


async def decoded(route: Route, body: bytes) -> object:
    try:
        return await offload(len(body), Decoder(route), params_of(route), b"", body)
    except TenonError as error:
        return error


@pytest.mark.parametrize("name", BODIES)
async def test_decoding_a_large_body_leaves_the_loop_free(name: str) -> None:
    rpc, body = BODIES[name]
    holds = []
    for _ in range(TRIES):
        holds.append(await longest_hold(lambda: decoded(ROUTES[rpc], body)))
        if holds[-1] < HELD_SECONDS:
            break
    assert min(holds) < HELD_SECONDS, holds


async def test_checking_a_large_request_in_a_service_leaves_the_loop_free() -> None:
    message = Decoder(ROUTES["IngestEvents"])(
        params_of(ROUTES["IngestEvents"]), b"", events(5_000, 50)
    )
    data = message.SerializeToString()
    holds = [
        await longest_hold(
            lambda: offload(len(data), lambda: faults(type(message).FromString(data)))
        )
        for _ in range(TRIES)
    ]
    assert min(holds) < HELD_SECONDS, holds


async def test_encoding_a_large_reply_leaves_the_loop_free() -> None:
    reply = RunQueryResponse(columns=[f"column_{number}" for number in range(31)])
    for _ in range(10_000):
        reply.rows.add().extend([1.5] * 31)
    encode = Encoders().response(ROUTES["RunQuery"])
    holds = [
        await longest_hold(lambda: offload(reply.ByteSize(), encode, reply)) for _ in range(TRIES)
    ]
    assert min(holds) < HELD_SECONDS, holds


async def test_the_control_on_the_loop_holds_it() -> None:
    body = events(5_000, 50)

    async def on_the_loop() -> object:
        return Decoder(ROUTES["IngestEvents"])(params_of(ROUTES["IngestEvents"]), b"", body)

    assert await longest_hold(on_the_loop) > HELD_SECONDS
