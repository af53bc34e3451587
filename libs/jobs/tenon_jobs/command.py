"""The command line of an operator: `python -m tenon_jobs` and, by the launcher, `tenon jobs`."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from typing import Any, TypeVar
from uuid import UUID

import click
from redis.asyncio import Redis

from tenon_core import clock
from tenon_core.errors import TenonError
from tenon_db.database import Database
from tenon_db.doorbell import Doorbell
from tenon_jobs.operator import PAST, Listed, Operator, Refused, Verb
from tenon_jobs.tables import State

T = TypeVar("T")

LONGEST_ERROR_SHOWN = 60

Urls = Mapping[str, str]
"""The database of each service, as its application role."""


@click.group()
def jobs() -> None:
    """See background jobs, try them again, set them aside."""


@jobs.command(name="list")
@click.option("--service", help="Only of this service.")
@click.option(
    "--state", "states", type=click.Choice([state.value for state in State]), multiple=True
)
@click.option("--type", "types", multiple=True, help="Such as runs.export.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def show(
    urls: Urls,
    service: str | None,
    states: Sequence[str],
    types: Sequence[str],
    limit: int,
    *,
    as_json: bool,
) -> None:
    """List the newest jobs."""

    async def ask(operator: Operator) -> list[Listed]:
        return await operator.page([State(state) for state in states], types, limit)

    found = _done(_chosen(urls, service), ask)
    if as_json:
        click.echo(json.dumps([_plain(listed) for listed in found], indent=2, default=str))
    else:
        click.echo(_table(found) if found else "No such jobs.")


@jobs.command()
@click.argument("ids", type=click.UUID, nargs=-1, required=True, metavar="ID...")
@click.pass_obj
def retry(urls: Urls, ids: Sequence[UUID]) -> None:
    """Put failed or quarantined jobs back into the queue, as if they had never been tried."""
    _change(urls, "retry", ids)


@jobs.command()
@click.argument("ids", type=click.UUID, nargs=-1, required=True, metavar="ID...")
@click.pass_obj
def quarantine(urls: Urls, ids: Sequence[UUID]) -> None:
    """Set jobs aside, so that they are not run; a worker that has one loses it."""
    _change(urls, "quarantine", ids)


def _change(urls: Urls, verb: Verb, ids: Sequence[UUID]) -> None:
    async def change(operator: Operator) -> int:
        refused = 0
        for job_id in ids:
            try:
                service = await operator.change(verb, job_id)
                click.echo(f"{job_id}: {PAST[verb]} ({service})")
            except Refused as error:
                refused += 1
                click.echo(str(error), err=True)
        return refused

    if refused := _done(urls, change):
        raise click.ClickException(f"{refused} of {len(ids)} could not be {PAST[verb]}")


def _chosen(urls: Urls, service: str | None) -> Urls:
    if service is None:
        return urls
    if service not in urls:
        raise click.ClickException(f"there is no service {service!r}: {', '.join(urls)}")
    return {service: urls[service]}


def _done(urls: Urls, ask: Callable[[Operator], Awaitable[T]]) -> T:
    """Ask on a loop of its own; a database that does not answer is one clear message."""

    async def asked() -> T:
        async with _opened(urls) as operator:
            return await ask(operator)

    try:
        return asyncio.run(asked())
    except TenonError as error:
        raise click.ClickException(f"the database does not answer: {error.detail}") from error


@asynccontextmanager
async def _opened(urls: Urls) -> AsyncIterator[Operator]:
    async with AsyncExitStack() as stack:
        databases = {}
        for service, url in urls.items():
            doorbell = Doorbell(Redis())  # for events, and none is published here
            databases[service] = Database(url, schema=service, doorbell=doorbell, pool_size=1)
            stack.push_async_callback(databases[service].close)
        yield Operator(databases)


def _plain(listed: Listed) -> dict[str, Any]:
    return {"service": listed.service, **asdict(listed.job)}


def _table(found: Sequence[Listed]) -> str:
    """One line for each job; tries are attempts and, behind a plus, claims without outcome."""
    width = max(len(listed.job.type) for listed in found)
    head = (
        f"{'id':<36}  {'service':<13}  {'type':<{width}}  {'state':<11}  {'tries':<5}  {'age':>6}"
    )
    return "\n".join([f"{head}  error", *(_line(listed, width) for listed in found)])


def _line(listed: Listed, width: int) -> str:
    job = listed.job
    tries = f"{job.attempts}+{job.claims}"
    age = _age((clock.now() - job.create_time).total_seconds())
    error = (job.last_error or "").replace("\n", " ")[:LONGEST_ERROR_SHOWN]
    line = f"{job.id}  {listed.service:<13}  {job.type:<{width}}  {job.state:<11}"
    return f"{line}  {tries:<5}  {age:>6}  {error}".rstrip()


def _age(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"
