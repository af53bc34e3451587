"""A storage that is full for a while delays exports, and leaves nothing in the worker's memory."""

import errno
import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from services.reports.tests.reports_client import ReportsClient
from services.reports.tests.runs.exports import export_type
from services.reports.tests.runs.test_going_on import BODY, Reports, queued
from tenon.reports.v1.run_pb2 import Run as PackedRun
from tenon_jobs import JobQueue, SilentDoorbell, Worker
from tenon_reports.app import services
from tenon_storage.file_parts import FilePartWriter
from tenon_testing.waiting import eventually

FAILURES = 8
"""More than the attempts of a job that fails by a mistake of its handler."""


class FullStorage:
    """Fails writes of this process while `is_full`, and knows the writers that are in memory."""

    def __init__(self) -> None:
        self.is_full = True
        self.writers: list[weakref.ref[FilePartWriter]] = []

    def in_memory(self) -> int:
        return sum(writer() is not None for writer in self.writers)


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Iterator[FullStorage]:
    """Without garbage collection: what refers to itself would stay for long in a worker."""
    full, init, put = FullStorage(), FilePartWriter.__init__, FilePartWriter._put  # the disk

    def noted(self: FilePartWriter, *arguments: Any) -> None:
        init(self, *arguments)
        full.writers.append(weakref.ref(self))

    def failing(self: FilePartWriter, *arguments: Any) -> int:
        if full.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return put(self, *arguments)

    monkeypatch.setattr(FilePartWriter, "__init__", noted)
    monkeypatch.setattr(FilePartWriter, "_put", failing)
    gc.collect()
    gc.disable()
    yield full
    gc.enable()


async def test_a_full_storage_delays_an_export_and_the_run_says_so(
    client: ReportsClient, backbone: Reports, storage: FullStorage
) -> None:
    dataset = await client.create_dataset()
    await client.load(dataset.id, BODY, id_column="id")
    run_id = await queued(client, backbone, dataset)

    async def has_failed_often() -> bool:
        return len(storage.writers) > FAILURES

    async def waits() -> PackedRun | None:
        run = await client.get_run(str(run_id))
        return run if run.state == PackedRun.STATE_QUEUED and run.waiting_reason else None

    kind = export_type(backbone.database, services(backbone), patient_attempts=1_000)
    queue = JobQueue(backbone.service, SilentDoorbell())
    worker = Worker(backbone.database, queue, [kind], poll_seconds=0.02, sweep_seconds=0.1)
    async with worker.running():
        await eventually(has_failed_often, within=60)
        waiting = await eventually(waits)
        assert waiting is not None
        assert "full" in waiting.waiting_reason
        assert storage.in_memory() <= 1
        storage.is_full = False
        ended = await client.finished(str(run_id))
    assert (ended.state, ended.failure, ended.waiting_reason) == (PackedRun.STATE_SUCCEEDED, "", "")
