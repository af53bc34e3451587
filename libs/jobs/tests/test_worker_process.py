import asyncio
import os
import signal
import sys
import urllib.error
import urllib.request
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from http import HTTPStatus
from pathlib import Path
from urllib.error import HTTPError

import psycopg
import pytest
from psycopg import sql

from libs.jobs.tests.job_bench import Bench, note
from tenon_core.errors import Unavailable
from tenon_embedded.ports import free_port
from tenon_embedded.postgres import PostgresServer
from tenon_embedded.valkey import ValkeyServer
from tenon_jobs import CeleryDoorbell, JobQueue
from tenon_testing.servers import Servers
from tenon_testing.waiting import eventually

NEVER = 3600.0
OFTEN = 0.05

Start = Callable[..., Awaitable[Process]]


@asynccontextmanager
async def running(environment: dict[str, str], log: Path) -> AsyncIterator[Process]:
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "libs.jobs.tests.worker_process",
            cwd=Path(__file__).parents[3],
            env=os.environ | environment,
            stderr=output,
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.fixture
async def start(database_url: str, tmp_path: Path) -> AsyncIterator[Start]:
    """Starts worker processes, and kills those that are left."""
    async with AsyncExitStack() as stack:

        async def start(redis_url: str, poll_seconds: float, operations_port: int = 0) -> Process:
            environment = {
                "TENON_WORK_DATABASE_URL": database_url,
                "TENON_WORK_REDIS_URL": redis_url,
                "TENON_WORK_POLL_SECONDS": str(poll_seconds),
                "TENON_WORK_OPERATIONS_LISTEN": f"127.0.0.1:{operations_port}",
            }
            return await stack.enter_async_context(running(environment, tmp_path / "worker.log"))

        yield start


async def say(bench: Bench, what: str) -> None:
    async with bench.database.system("test") as tx:
        await note(tx, what)


async def until_effect(bench: Bench, what: str) -> None:
    async def there() -> bool:
        return what in await bench.effects()

    await bench.until(there)


@pytest.fixture
def loud(bench: Bench, valkey: ValkeyServer) -> Bench:
    """The bench with a doorbell that is heard."""
    bench.queue = JobQueue("work", CeleryDoorbell("work", valkey.url()))
    return bench


async def test_celery_wakes_a_worker_that_does_not_look_by_itself(
    loud: Bench, start: Start, valkey: ValkeyServer
) -> None:
    process = await start(valkey.url(), NEVER)
    await loud.enqueue("waiting")
    await until_effect(loud, f"begun by {process.pid}")
    await loud.enqueue("quick")
    await until_effect(loud, f"finished by {process.pid}")


async def test_celery_wakes_it_also_after_redis_was_away(
    loud: Bench, start: Start, valkey: ValkeyServer
) -> None:
    process = await start(valkey.url(), NEVER)
    await loud.enqueue("waiting")
    await until_effect(loud, f"begun by {process.pid}")
    valkey.stop()
    await loud.enqueue("quick", priority=1)
    valkey.start()
    await loud.enqueue("quick", priority=2)
    await until_effect(loud, f"finished by {process.pid}")


async def test_a_worker_without_redis_does_its_jobs(bench: Bench, start: Start) -> None:
    process = await start(f"redis://127.0.0.1:{free_port()}/0", OFTEN)
    await bench.enqueue("quick")
    await until_effect(bench, f"finished by {process.pid}")
    process.terminate()
    assert await process.wait() == 0


async def test_enqueueing_does_not_wait_for_a_redis_that_is_away(bench: Bench) -> None:
    queue = JobQueue("work", CeleryDoorbell("work", f"redis://127.0.0.1:{free_port()}/0"))
    async with asyncio.timeout(1):
        for _ in range(10):
            async with bench.database.system("test") as tx:
                await queue.enqueue(tx, "quick", {})
    assert len(await bench.rows()) == 10


async def test_after_sigkill_another_worker_does_the_job_once(
    bench: Bench, start: Start, valkey: ValkeyServer
) -> None:
    killed = await start(valkey.url(), OFTEN)
    await bench.enqueue("waiting")
    await until_effect(bench, f"begun by {killed.pid}")
    killed.send_signal(signal.SIGKILL)
    other = await start(valkey.url(), OFTEN)
    await say(bench, "go")
    await bench.until_states("succeeded")
    finished = [what for what in await bench.effects() if what.startswith("finished")]
    assert finished == [f"finished by {other.pid}"]


async def test_a_worker_that_was_suspended_beyond_its_lease_writes_nothing(
    bench: Bench, start: Start, valkey: ValkeyServer
) -> None:
    late = await start(valkey.url(), OFTEN)
    await bench.enqueue("waiting")
    await until_effect(bench, f"begun by {late.pid}")
    late.send_signal(signal.SIGSTOP)
    other = await start(valkey.url(), OFTEN)
    await until_effect(bench, f"begun by {other.pid}")
    await say(bench, "go")
    late.send_signal(signal.SIGCONT)
    await bench.until_states("succeeded")
    late.terminate()
    assert await late.wait() == 0
    finished = [what for what in await bench.effects() if what.startswith("finished")]
    assert finished == [f"finished by {other.pid}"]


async def test_a_job_that_kills_its_workers_is_set_aside(
    bench: Bench, start: Start, valkey: ValkeyServer
) -> None:
    await bench.enqueue("poison")
    for _ in range(3):
        victim = await start(valkey.url(), OFTEN)
        assert await victim.wait() == -signal.SIGKILL
    survivor = await start(valkey.url(), OFTEN)
    await bench.until_states("quarantined")
    await bench.enqueue("quick")
    await until_effect(bench, f"finished by {survivor.pid}")


async def test_sigterm_lets_a_running_job_finish_and_takes_no_other(
    bench: Bench, start: Start, valkey: ValkeyServer
) -> None:
    process = await start(valkey.url(), OFTEN)
    await bench.enqueue("waiting")
    await until_effect(bench, f"begun by {process.pid}")
    process.terminate()
    await until_stops_claiming(bench)
    await say(bench, "go")
    assert await process.wait() == 0
    assert (await bench.states())[0] == "succeeded"
    assert (await bench.states())[-1] == "queued"


async def until_stops_claiming(bench: Bench) -> None:
    async def left_alone() -> bool:
        await bench.enqueue("quick")
        await asyncio.sleep(4 * OFTEN)
        return (await bench.states())[-1] == "queued"

    await bench.until(left_alone)


async def test_a_worker_outlives_an_absence_of_the_database(
    bench: Bench, start: Start, valkey: ValkeyServer, servers: Servers, database_url: str
) -> None:
    port = free_port()
    process = await start(valkey.url(), OFTEN, port)
    await until_status(bench, port, 200)
    with absent(servers.postgres, database_url):
        await until_status(bench, port, 503)
    await until_status(bench, port, 200)
    await bench.until(partial(enqueued, bench))
    await until_effect(bench, f"finished by {process.pid}")


@contextmanager
def absent(postgres: PostgresServer, database_url: str) -> Iterator[None]:
    """Cut all connections to a database and refuse new ones."""
    name = database_url.rpartition("/")[2]
    with psycopg.connect(postgres.url(), autocommit=True) as admin:
        allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
        admin.execute(allow.format(sql.Identifier(name), sql.Literal(False)))
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        yield
        admin.execute(allow.format(sql.Identifier(name), sql.Literal(True)))


async def enqueued(bench: Bench) -> bool:
    """Enqueue, past our own connections that are gone."""
    with suppress(Unavailable, psycopg.Error):
        await bench.enqueue("quick")
        return True
    return False


async def until_status(bench: Bench, port: int, status: int) -> None:
    def reached() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as reply:
                return bool(reply.status == status)
        except urllib.error.HTTPError as error:
            return error.code == status
        except OSError:
            return False

    await bench.until(lambda: asyncio.to_thread(reached))


async def test_readiness_and_metrics_tell_how_the_worker_is(
    bench: Bench, start: Start, valkey: ValkeyServer
) -> None:
    port = free_port()
    process = await start(valkey.url(), OFTEN, port)
    await bench.enqueue("quick")
    await until_effect(bench, f"finished by {process.pid}")

    async def says_ready() -> bool:
        """It says no until it has looked for lost jobs once, which may be after the first one."""
        try:
            return await asyncio.to_thread(get, port, "readyz") == "ready\n"
        except HTTPError as error:
            if error.code != HTTPStatus.SERVICE_UNAVAILABLE:
                raise
            return False

    assert await eventually(says_ready)
    metrics = await asyncio.to_thread(get, port, "metrics")
    assert 'tenon_jobs_finished_total{outcome="succeeded",type="quick"} 1.0' in metrics


def get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as reply:
        return str(reply.read().decode())
