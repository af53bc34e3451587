"""A service's methods behind the guard: wrapped once, when the server is made.

(grpc's own server interceptors would wrap each handler anew for each call.)
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
import structlog
from google.protobuf import descriptor_pool
from google.protobuf.message import Message
from prometheus_client import Histogram

from tenon_core import deadlines
from tenon_core.errors import DeadlineExceeded, InvalidArgument, TenonError
from tenon_policy.policies import MethodPolicy, read_policy
from tenon_rpc.guard import Guard, Watch, current_call
from tenon_rpc.intake import Intake, Request
from tenon_rpc.paging import bound_to_list, is_list
from tenon_rpc.renewal import STOPPING
from tenon_rpc.resources import Resource, resource_of
from tenon_rpc.status import abort

MAX_SECONDS = 30.0
MAX_STREAM_SECONDS = 3_600.0

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Registration: TypeAlias = tuple[Callable[[Any, Any], None], object]
"""A generated `add_…_to_server` and the servicer for it."""

log = structlog.get_logger()

latency = Histogram("tenon_rpc_seconds", "Time to serve a call", ["method"])


class _Collector:
    """Stands in for the server while a servicer is added, to get at its handlers."""

    def __init__(self) -> None:
        self.handlers: dict[str, dict[str, Handler]] = {}

    def add_generic_rpc_handlers(self, handlers: Sequence[object]) -> None:
        """Ignore the older way in; the registered handlers are the same ones."""

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Handler]) -> None:
        self.handlers[service] = handlers


def guarded_handlers(
    registrations: Sequence[Registration], guard: Guard
) -> Mapping[str, Mapping[str, Handler]]:
    """Return the handlers by service and method, each behind the guard; BadPolicy."""
    collector = _Collector()
    for add, servicer in registrations:
        add(servicer, collector)
    return {
        service: {
            name: _guarded(handler, _contract(service, name), guard)
            for name, handler in handlers.items()
        }
        for service, handlers in collector.handlers.items()
    }


@dataclass(frozen=True, slots=True)
class Contract:
    """What the proto says of a method: who may call it, with what, and what it is about."""

    policy: MethodPolicy
    intake: Intake
    resource: Resource
    is_list: bool


def _contract(service: str, name: str) -> Contract:
    method = descriptor_pool.Default().FindServiceByName(service).methods_by_name[name]
    policy = read_policy(method)
    resource = resource_of(method.input_type)
    return Contract(policy, Intake(method, policy), resource, is_list(method))


def _guarded(handler: Handler, contract: Contract, guard: Guard) -> Handler:
    """Wrap a handler. It gets bytes, so that a request is bounded before it is parsed."""
    coding = {"request_deserializer": None, "response_serializer": handler.response_serializer}
    if handler.request_streaming:
        assert handler.stream_unary is not None
        return grpc.stream_unary_rpc_method_handler(
            _stream_unary(handler.stream_unary, contract, guard), **coding
        )
    if handler.response_streaming:
        assert handler.unary_stream is not None
        return grpc.unary_stream_rpc_method_handler(
            _unary_stream(handler.unary_stream, contract, guard), **coding
        )
    assert handler.unary_unary is not None
    behavior = handler.unary_unary
    if contract.is_list:
        behavior = bound_to_list(behavior, current_call)
    return grpc.unary_unary_rpc_method_handler(_unary_unary(behavior, contract, guard), **coding)


def _unary_unary(
    behavior: Callable[..., Any], contract: Contract, guard: Guard
) -> Callable[[bytes, Context], Awaitable[Message]]:
    async def serve(data: bytes, context: Context) -> Message:
        async with _answering(contract.policy, context, MAX_SECONDS):
            request = await contract.intake.read(data)
            async with _watched(contract, guard, context, request) as watch:
                reply: Message = await behavior(request.message, context)
                await watch.account()
                if guard.stopping:
                    context.set_trailing_metadata(((STOPPING, ""),))
                return reply

    return serve


def _unary_stream(
    behavior: Callable[..., Any], contract: Contract, guard: Guard
) -> Callable[[bytes, Context], AsyncIterator[Message]]:
    async def serve(data: bytes, context: Context) -> AsyncIterator[Message]:
        async with _answering(contract.policy, context, MAX_STREAM_SECONDS):
            request = await contract.intake.read(data)
            async with _watched(contract, guard, context, request) as watch:
                accounted = False
                async for reply in behavior(request.message, context):
                    if not accounted:
                        await watch.account()
                        accounted = True
                    await watch.recheck()
                    yield reply
                if not accounted:
                    await watch.account()

    return serve


def _stream_unary(
    behavior: Callable[..., Any], contract: Contract, guard: Guard
) -> Callable[[AsyncIterator[bytes], Context], Awaitable[Message]]:
    async def serve(requests: AsyncIterator[bytes], context: Context) -> Message:
        async with _answering(contract.policy, context, MAX_STREAM_SECONDS):
            first = await anext(aiter(requests), None)
            if first is None:
                raise InvalidArgument("the stream is empty")
            request = await contract.intake.read(first)
            async with _watched(contract, guard, context, request) as watch:
                messages = _rechecked(request.message, requests, contract.intake, watch)
                reply: Message = await behavior(messages, context)
                await watch.account()
                return reply

    return serve


@asynccontextmanager
async def _watched(
    contract: Contract, guard: Guard, context: Context, request: Request
) -> AsyncIterator[Watch]:
    """Authorize the call, and only then say what is wrong with its request."""
    async with guard.watched(contract.policy, context, request.message, contract.resource) as watch:
        request.require_valid()
        yield watch


async def _rechecked(
    first: Message, rest: AsyncIterator[bytes], intake: Intake, watch: Watch
) -> AsyncIterator[Message]:
    """Pass the messages on while the caller may send them, which may end during a long stream."""
    yield first
    async for data in rest:
        request = await intake.read(data)
        await watch.recheck()
        request.require_valid()
        yield request.message
    await watch.recheck()


@asynccontextmanager
async def _answering(
    policy: MethodPolicy, context: Context, max_seconds: float
) -> AsyncIterator[None]:
    """Hold the call to its deadline, and end it with an error of ours if it fails."""
    with latency.labels(policy.method).time():
        try:
            left = context.time_remaining()
            async with deadlines.limit(max_seconds if left is None else min(left, max_seconds)):
                yield
        except TenonError as error:
            await abort(context, error)
        except TimeoutError:
            await abort(context, DeadlineExceeded())
        except grpc.aio.AbortError:
            raise
        except Exception:
            log.exception("call failed", method=policy.method)
            await abort(context, TenonError())
