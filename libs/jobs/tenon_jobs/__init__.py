"""Background work: rows that PostgreSQL owns; Celery only says that there are some."""

from tenon_jobs.celery_doorbell import CeleryDoorbell
from tenon_jobs.doorbell import Doorbell, SilentDoorbell
from tenon_jobs.job import (
    GiveUp,
    Handler,
    Job,
    JobType,
    LeaseLost,
    OnFailed,
    RetryLater,
    Scope,
    YieldSlot,
)
from tenon_jobs.process import run_worker
from tenon_jobs.queue import JobQueue, QueueLimits
from tenon_jobs.recurring import Recurring
from tenon_jobs.upkeep import Keep, Upkeep
from tenon_jobs.worker import Worker

__all__ = [
    "CeleryDoorbell",
    "Doorbell",
    "GiveUp",
    "Handler",
    "Job",
    "JobQueue",
    "JobType",
    "Keep",
    "LeaseLost",
    "OnFailed",
    "QueueLimits",
    "Recurring",
    "RetryLater",
    "Scope",
    "SilentDoorbell",
    "Upkeep",
    "Worker",
    "YieldSlot",
    "run_worker",
]
