"""`tenon bench`: each figure of docs/performance.md, beside its baseline of the same run."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tenon_bench import (
    p01_session,
    p03_list,
    p04_many_connections,
    p05_log_in,
    p06_write,
    p07_ingest,
    p09_export,
    p12_events,
    p14_start,
)
from tenon_bench.figures import Failure, Figure, readable
from tenon_bench.system import SystemUnderTest, running_system

Result: TypeAlias = Figure | Failure
Benchmark: TypeAlias = Callable[[SystemUnderTest, float], Awaitable[list[Figure]]]

BENCHMARKS: dict[str, Benchmark] = {
    "P1": p01_session.run,
    "P3": p03_list.run,
    "P4": p04_many_connections.run,
    "P5": p05_log_in.run,
    "P6": p06_write.run,
    "P7": p07_ingest.run,
    "P9": p09_export.run,
    "P12": p12_events.run,
    "P14": p14_start.run,
}
SECONDS = 10.0
QUICK_SECONDS = 1.0


def parse_names(_context: object, _parameter: object, value: str) -> list[str]:
    names = [name.strip().upper() for name in value.split(",") if name.strip()] or [*BENCHMARKS]
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        raise click.BadParameter(f"{', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    return names


@click.command("bench")
@click.option("--only", "names", default="", callback=parse_names, help="Such as P1,P3.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--quick", is_flag=True, help="One second each: only to see that it works.")
def main(names: list[str], *, as_json: bool, quick: bool) -> None:
    """Measure the system as shipped, in a folder of its own, on this machine.

    Each figure is printed on the standard error as soon as it is measured, and all of them at the
    end. Exits with 1 if a benchmark failed.
    """
    results: list[Result] = []
    try:
        asyncio.run(_measure(names, QUICK_SECONDS if quick else SECONDS, results))
    finally:
        _print(results, as_json=as_json)
    if any(isinstance(result, Failure) for result in results):
        sys.exit(1)


async def _measure(names: Sequence[str], seconds: float, results: list[Result]) -> None:
    """Append what each benchmark found; one that fails does not end the others."""
    with running_system() as system:
        for name in names:
            found = await _run(name, system, seconds)
            results += found
            for result in found:
                print(result.as_line(), file=sys.stderr, flush=True)


async def _run(name: str, system: SystemUnderTest, seconds: float) -> Sequence[Result]:
    try:
        return await BENCHMARKS[name](system, seconds)
    except Exception as error:  # noqa: BLE001 # whatever ends a benchmark is its result
        first_line = str(error).partition("\n")[0]
        return [Failure(name, f"{type(error).__name__}: {first_line}")]


def _print(results: Sequence[Result], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([result.as_json() for result in results], indent=2, allow_nan=False))
    else:
        Console(width=140).print(_table(results))


def _table(results: Sequence[Result]) -> Table:
    table = Table("id", "figure", "value", "baseline", "ratio", "goal", "met")
    for result in results:
        if isinstance(result, Failure):
            table.add_row(result.id, Text(f"failed: {result.error}", style="red"))
        else:
            table.add_row(*_cells(result))
    return table


def _cells(figure: Figure) -> Sequence[str]:
    return (
        figure.id,
        figure.figure,
        f"{readable(figure.value)} {figure.unit}",
        f"{figure.baseline}: {readable(figure.baseline_value)}",
        f"{figure.ratio:.2f}",
        figure.goal,
        "yes" if figure.met else "no",
    )
