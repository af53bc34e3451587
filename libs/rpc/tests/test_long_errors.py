"""Errors travel in metadata, which is bounded: a long list is cut, and says so."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from tenon_core.errors import FieldError, InvalidArgument
from tenon_rpc.channel import OPTIONS, peer_channel
from tenon_rpc.server import OPTIONS as SERVER_OPTIONS
from tenon_rpc.status import PeerError, abort

SERVICE = "test.Errors"


@asynccontextmanager
async def failing(error: InvalidArgument) -> AsyncIterator[Any]:
    """Serve a method that fails with an error; yields the method as a peer has it."""

    async def fail(_: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        await abort(context, error)

    server = grpc.aio.server(options=SERVER_OPTIONS)
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(fail)
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(SERVICE, {"Fail": handler})]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=OPTIONS) as channel:
        yield peer_channel(channel).unary_unary(f"/{SERVICE}/Fail")
    await server.stop(None)


async def received(error: InvalidArgument) -> PeerError:
    async with failing(error) as call:
        with pytest.raises(PeerError) as refused:
            await call(b"")
    assert (refused.value.reason, refused.value.code) == (error.reason, error.code)
    return refused.value


@pytest.mark.parametrize("count", [500, 5_000, 100_000])
async def test_many_errors_are_cut_and_counted(count: int) -> None:
    fields = [FieldError(f"/filters/{n}/field", "is not a column") for n in range(count)]
    *listed, rest = (await received(InvalidArgument(fields=fields))).fields
    assert listed == fields[: len(listed)]
    assert len(listed) >= 200
    left_out = count - len(listed)
    assert rest == FieldError("", f"{left_out} more errors are not listed; correct these first")


async def test_a_few_errors_arrive_whole() -> None:
    fields = [FieldError(f"/filters/{n}", "is wrong: ä\n%") for n in range(100)]
    assert list((await received(InvalidArgument(fields=fields))).fields) == fields


async def test_long_texts_are_shortened() -> None:
    long = FieldError("/" + "x" * 100_000, "ä" * 100_000)
    error = await received(InvalidArgument("ä" * 100_000, fields=[long]))
    assert error.detail == "ä" * 999 + "…"
    assert error.fields == (FieldError("/" + "x" * 998 + "…", "ä" * 999 + "…"),)
