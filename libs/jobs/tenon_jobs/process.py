"""`python -m tenon_<service> worker`: the event loop in the main thread, Celery beside it."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

import structlog
import uvloop

from tenon_core import logging
from tenon_core.operations import OperationsServer
from tenon_core.settings import ServiceSettings
from tenon_jobs.worker import Worker

S = TypeVar("S", bound=ServiceSettings)

log = structlog.get_logger()


def run_worker(
    service: str, settings: S, opened: Callable[[S], AbstractAsyncContextManager[Worker]]
) -> None:
    """Work until SIGTERM or SIGINT, then drain and return.

    `opened` makes the worker on the loop that will run it: pools and channels belong to one.
    """
    logging.configure(f"{service}-worker", settings.log_level)
    uvloop.run(_until_stopped(service, settings, opened))


async def _until_stopped(
    service: str, settings: S, opened: Callable[[S], AbstractAsyncContextManager[Worker]]
) -> None:
    from tenon_jobs.celery_consumer import CeleryConsumer  # Celery is large; servers need it not

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with opened(settings) as worker:

        def wake() -> None:
            loop.call_soon_threadsafe(worker.wake)

        consumer = CeleryConsumer(service, settings.redis_url.get_secret_value(), wake)
        operations = OperationsServer(settings.operations_listen, worker.ready)
        operations.start()
        async with worker.running():
            consumer.start()
            await stop.wait()
            consumer.stop()
        operations.stop()
    log.info("worker stopped")
