"""What is unavailable for a while does not make a job fail for good."""

from libs.jobs.tests.job_bench import Bench
from tenon_core.errors import Unavailable
from tenon_jobs import Job

QUICK = {"first_delay": 0.01, "longest_delay": 0.01, "max_attempts": 2}


async def test_a_job_waits_longer_for_what_is_unavailable_than_it_repeats_mistakes(
    bench: Bench,
) -> None:
    async def work(job: Job) -> None:
        if job.attempt < 10:
            raise Unavailable

    await bench.enqueue()
    async with bench.worker(bench.doing(work, patient_attempts=10, **QUICK)).running():
        await bench.until_states("succeeded")


async def test_control_a_mistake_fails_after_the_usual_attempts(bench: Bench) -> None:
    async def work(_: Job) -> None:
        raise ValueError

    await bench.enqueue()
    async with bench.worker(bench.doing(work, patient_attempts=10, **QUICK)).running():
        await bench.until_states("failed")
    assert bench.began.qsize() == QUICK["max_attempts"]
