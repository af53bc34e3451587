"""The operator's commands, on a database with real workers."""

import asyncio
import json
import os
import subprocess
import sys
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from libs.jobs.tests.job_bench import Bench, note
from tenon_core.ids import uuid7
from tenon_jobs import GiveUp, Job
from tenon_jobs.command import jobs


@pytest.fixture
def tenon(database_url: str) -> "Commands":
    return Commands(database_url)


class Commands:
    def __init__(self, url: str) -> None:
        self._urls = {"work": url}

    async def __call__(self, *arguments: str) -> Result:
        """Run a command in a thread: it has a loop of its own."""
        return await asyncio.to_thread(CliRunner().invoke, jobs, arguments, obj=self._urls)

    async def listed(self, *arguments: str) -> list[dict[str, Any]]:
        result = await self("list", "--json", *arguments)
        assert result.exit_code == 0, result.output
        found: list[dict[str, Any]] = json.loads(result.stdout)
        return found


async def hopeless(_: Job) -> None:
    raise GiveUp("no such address")


async def failed(bench: Bench) -> UUID:
    job_id = await bench.enqueue()
    async with bench.worker(bench.doing(hopeless)).running():
        await bench.until_states("failed")
    return job_id


async def test_lists_by_state_and_type(bench: Bench, tenon: "Commands") -> None:
    gone = await failed(bench)
    waiting = await bench.enqueue("other")
    assert [job["id"] for job in await tenon.listed()] == [str(waiting), str(gone)]
    assert [job["id"] for job in await tenon.listed("--state", "failed")] == [str(gone)]
    assert [job["id"] for job in await tenon.listed("--type", "other")] == [str(waiting)]
    assert len(await tenon.listed("--limit", "1")) == 1
    shown = (await tenon("list", "--state", "failed")).output
    assert str(gone) in shown
    assert "no such address" in shown


async def test_says_that_there_are_none(bench: Bench, tenon: "Commands") -> None:
    assert await bench.rows() == []
    assert (await tenon("list")).output == "No such jobs.\n"


async def test_a_retried_job_is_as_new(bench: Bench, tenon: "Commands") -> None:
    job_id = await failed(bench)
    result = await tenon("retry", str(job_id))
    assert (result.exit_code, result.output) == (0, f"{job_id}: retried (work)\n")
    row = await bench.row()
    assert (row.state, row.claims, row.attempts, row.finish_time) == ("queued", 0, 0, None)
    async with bench.worker(bench.doing()).running():
        await bench.until_states("succeeded")


async def test_a_quarantined_job_is_not_run_until_it_is_retried(
    bench: Bench, tenon: "Commands"
) -> None:
    job_id = await bench.enqueue(dedupe_key="one")
    assert (await tenon("quarantine", str(job_id))).exit_code == 0
    later = await bench.enqueue(dedupe_key="one")
    async with bench.worker(bench.doing()).running():
        await bench.until_states("quarantined", "succeeded")
        assert later != job_id
        await tenon("retry", str(job_id))
        await bench.until_states("succeeded", "succeeded")


async def test_quarantining_a_running_job_takes_its_effects_from_it(
    bench: Bench, tenon: "Commands"
) -> None:
    go = asyncio.Event()

    async def work(job: Job) -> None:
        await go.wait()
        async with bench.database.system("test") as tx:
            await note(tx, "done")
            await job.complete(tx)

    job_id = await bench.enqueue()
    async with bench.worker(bench.doing(work)).running():
        await bench.began.get()
        assert (await tenon("quarantine", str(job_id))).exit_code == 0
        go.set()
    assert await bench.states() == ["quarantined"]
    assert await bench.effects() == []


async def test_refuses_what_cannot_be_done_and_does_the_rest(
    bench: Bench, tenon: "Commands"
) -> None:
    unknown, waiting, gone = uuid7(), await bench.enqueue("other"), await failed_beside(bench)
    result = await tenon("retry", str(unknown), str(waiting), str(gone))
    assert result.exit_code == 1
    assert f"{unknown}: there is no such job in work" in result.stderr
    assert f"{waiting}: it is queued; only what is failed or quarantined" in result.stderr
    assert "2 of 3 could not be retried" in result.stderr
    assert f"{gone}: retried (work)" in result.stdout


async def failed_beside(bench: Bench) -> UUID:
    job_id = await bench.enqueue()
    async with bench.worker(bench.doing(hopeless)).running():
        await bench.until_states("queued", "failed")
    return job_id


async def test_names_the_services_where_there_is_none_of_a_name(tenon: "Commands") -> None:
    result = await tenon("list", "--service", "nowhere")
    assert (result.exit_code, result.stderr) == (1, "Error: there is no service 'nowhere': work\n")


async def test_runs_where_the_settings_of_a_service_are(bench: Bench, database_url: str) -> None:
    job_id = await bench.enqueue()
    shown = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tenon_jobs", "list", "--service", "work"],
        env=os.environ | {"TENON_WORK_DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(job_id) in shown.stdout
