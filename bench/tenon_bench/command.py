"""`tenon bench`: each figure of docs/performance.md, beside its baseline of the same run."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import click
from rich.console import Console
from rich.table import Table

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
from tenon_bench.figures import Figure, readable
from tenon_bench.system import SystemUnderTest, running_system

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
    """Measure the system as shipped, in a folder of its own, on this machine."""
    figures = asyncio.run(_measure(names, QUICK_SECONDS if quick else SECONDS))
    if as_json:
        print(json.dumps([figure.as_json() for figure in figures], indent=2))
    else:
        Console(width=140).print(_table(figures))


async def _measure(names: Sequence[str], seconds: float) -> list[Figure]:
    with running_system() as system:
        return [figure for name in names for figure in await BENCHMARKS[name](system, seconds)]


def _table(figures: Sequence[Figure]) -> Table:
    table = Table("id", "figure", "value", "baseline", "ratio", "goal", "met")
    for figure in figures:
        table.add_row(
            figure.id,
            figure.figure,
            f"{readable(figure.value)} {figure.unit}",
            f"{figure.baseline}: {readable(figure.baseline_value)}",
            f"{figure.ratio:.2f}",
            figure.goal,
            "yes" if figure.met else "no",
        )
    return table
