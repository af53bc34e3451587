"""P14: how long `tenon up` takes with its data there already, and the memory of an idle system,
against as many Python processes that only import what ours import.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tenon_bench.figures import Figure
from tenon_bench.system import MB, SystemUnderTest, running_system, start, stop

GOAL_SECONDS = 8
GOAL_MB = 900
IMPORTS = (
    "import grpc, fastapi, sqlalchemy.ext.asyncio, psycopg, redis.asyncio, celery;"
    " print(flush=True); input()"
)
BASELINE = "Pythons that import the libraries and do nothing"


async def run(_: SystemUnderTest, seconds: float) -> list[Figure]:
    warm = _warm_start()
    with running_system() as idle:
        await asyncio.sleep(seconds)
        memory, names = idle.memory_mb(), [process.name() for process in idle.processes()]
    pythons = sum("python" in name for name in names)
    imports_seconds, imports_mb = _imports(pythons)
    baseline = f"{pythons} {BASELINE}"
    return [
        Figure(
            "P14",
            "`tenon up` with its data there",
            warm,
            "s",
            baseline,
            imports_seconds,
            f"≤ {GOAL_SECONDS}",
            warm <= GOAL_SECONDS,
        ),
        Figure(
            "P14",
            f"idle memory of all {len(names)} processes (PSS)",
            memory,
            "MB",
            baseline,
            imports_mb,
            f"≤ {GOAL_MB}",
            memory <= GOAL_MB,
        ),
    ]


def _warm_start() -> float:
    """Return the seconds of the second start in a folder."""
    with tempfile.TemporaryDirectory(prefix="tenon-bench-") as directory:
        data_dir = Path(directory) / "data"
        start(data_dir)
        stop(data_dir)
        began = time.perf_counter()
        start(data_dir)
        seconds = time.perf_counter() - began
        stop(data_dir)
    return seconds


def _imports(count: int) -> tuple[float, float]:
    """Start so many Pythons at once; return the seconds until all have imported, and the MB."""
    began = time.perf_counter()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", IMPORTS], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(count)
    ]
    for process in processes:
        assert process.stdout
        process.stdout.readline()
    seconds = time.perf_counter() - began
    memory = sum(psutil.Process(process.pid).memory_full_info().pss for process in processes)
    for process in processes:
        process.communicate(b"\n")
    return seconds, memory / MB
