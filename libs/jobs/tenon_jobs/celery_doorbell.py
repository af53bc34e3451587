"""Ringing through Celery, from a thread of its own so that nobody ever waits for Redis.

Celery is large; a process loads it when it first rings.
"""

import threading
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from celery import Celery

ENOUGH_WAITING = 16
"""With so many unread messages no worker listens, or all are about to look anyway."""
PAUSE_SECONDS = 1.0
LEAST_SECONDS = 0.01
"""Between two messages: rings meanwhile are one."""

log = structlog.get_logger()


class CeleryDoorbell:
    """Rings made while one is being delivered are one. The thread starts with the first ring."""

    def __init__(self, service: str, redis_url: str) -> None:
        self._service = service
        self._redis_url = redis_url
        self._rung = threading.Event()
        self._closed = threading.Event()
        self._failing = False
        self._thread: threading.Thread | None = None

    def ring(self) -> None:
        self._rung.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._deliver_all, name="doorbell", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the thread soon; a ring that is not delivered yet is dropped."""
        self._closed.set()
        self._rung.set()

    def _deliver_all(self) -> None:
        from tenon_jobs.celery_app import celery_app

        app = celery_app(self._service, self._redis_url)
        while self._rung.wait() and not self._closed.is_set():
            self._rung.clear()
            try:
                self._deliver(app)
            except Exception as error:  # noqa: BLE001 # the workers' poll finds the jobs
                self._note(str(error))
                self._closed.wait(PAUSE_SECONDS)
            else:
                self._note(None)
                self._closed.wait(LEAST_SECONDS)
        app.close()

    def _deliver(self, app: "Celery") -> None:
        from tenon_jobs.celery_app import WAKE, queue_name

        with app.producer_or_acquire() as producer:
            declared = producer.channel.queue_declare(queue=queue_name(self._service))
            if declared.message_count < ENOUGH_WAITING:
                app.send_task(WAKE, producer=producer, retry=False)

    def _note(self, error: str | None) -> None:
        """Log only when it begins and when it ends."""
        if error and not self._failing:
            log.warning("workers not woken; they will look by themselves", error=error)
        self._failing = error is not None
