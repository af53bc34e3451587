"""Celery's part: one queue per service, one task that says "look at the jobs table"."""

from collections.abc import Callable

from celery import Celery

WAKE = "tenon.wake"


def queue_name(service: str) -> str:
    return f"tenon.{service}"


def celery_app(service: str, redis_url: str) -> Celery:
    """Make a Celery application that never trusts, delays or keeps anything.

    A message has no content that matters, so it is acknowledged early and has no result.
    """
    app = Celery(service, broker=redis_url, set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        broker_connection_max_retries=None,
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "socket_connect_timeout": 2.0,
            "socket_timeout": 5.0,
            "max_retries": 0,
        },
        task_acks_late=False,
        task_create_missing_queues=True,
        task_default_queue=queue_name(service),
        task_ignore_result=True,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
    )
    return app


def register_wake(app: Celery, wake: Callable[[], None]) -> None:
    """Answer every message by calling `wake`, in the consumer's thread."""
    app.task(name=WAKE, ignore_result=True)(wake)
