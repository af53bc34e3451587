"""Hearing the doorbell: a Celery worker in a daemon thread of the worker process."""

import logging
import threading
from collections.abc import Callable

import structlog
from celery.worker import state
from celery.worker.worker import WorkController

from tenon_jobs.celery_app import celery_app, queue_name, register_wake

RESTART_SECONDS = 5.0

log = structlog.get_logger()


class CeleryConsumer:
    """Calls `wake` for each message. Redis being away, or Celery failing, only makes it silent:
    it goes on trying, and meanwhile the process finds its jobs by polling.
    """

    def __init__(self, service: str, redis_url: str, wake: Callable[[], None]) -> None:
        self._app = celery_app(service, redis_url)
        self._queue = queue_name(service)
        self._stopping = threading.Event()
        self._wake = wake
        register_wake(self._app, self._heard)

    def start(self) -> None:
        # Otherwise every message is two lines of log.
        logging.getLogger("celery").setLevel(logging.WARNING)
        threading.Thread(target=self._consume, name="celery", daemon=True).start()

    def stop(self) -> None:
        """Let the consumer end by itself; the process does not wait for it."""
        self._stopping.set()
        state.should_stop = 0  # type: ignore[assignment] # the exit code that Celery's own handler sets

    def _heard(self) -> None:
        if not self._stopping.is_set():
            self._wake()

    def _consume(self) -> None:
        while not self._stopping.is_set():
            try:
                self._controller().start()
            except Exception:
                log.exception("Celery's consumer failed; starting it again")
            self._stopping.wait(RESTART_SECONDS)

    def _controller(self) -> WorkController:
        return WorkController(
            app=self._app,
            pool_cls="solo",
            concurrency=1,
            queues=[self._queue],
            without_gossip=True,
            without_heartbeat=True,
            without_mingle=True,
            loglevel="WARNING",
        )
