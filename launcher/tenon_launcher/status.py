from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psutil

from tenon_launcher.data_directory import DataDirectory
from tenon_launcher.readiness import probe_of
from tenon_launcher.state import ProcessState, RunState


@dataclass(frozen=True)
class ProcessStatus:
    name: str
    pid: int | None
    state: str
    ready: bool
    rss_bytes: int
    restarts: int


@dataclass(frozen=True)
class SystemStatus:
    """What `status --json` says; without a URL and processes nothing runs."""

    url: str | None
    data_dir: str
    processes: list[ProcessStatus]


def system_status(data: DataDirectory) -> SystemStatus:
    run = RunState.load(data.state)
    processes = process_statuses(run, data)
    return SystemStatus(run.url if run else None, str(data.path), processes)


def process_statuses(run: RunState | None, data: DataDirectory) -> list[ProcessStatus]:
    if run is None or not run.processes:
        return []
    with ThreadPoolExecutor(len(run.processes)) as asking:
        return list(asking.map(lambda process: process_status(process, data), run.processes))


def process_status(process: ProcessState, data: DataDirectory) -> ProcessStatus:
    ready = process.pid is not None and probe_of(process.name, process.port, data)()
    return ProcessStatus(
        name=process.name,
        pid=process.pid,
        state=process.state,
        ready=ready,
        rss_bytes=resident_bytes(process.pid),
        restarts=process.restarts,
    )


def resident_bytes(pid: int | None) -> int:
    """Of a process, and what its children do not share with it."""
    if pid is None:
        return 0
    try:
        leader = psutil.Process(pid)
        own: int = leader.memory_info().rss
        return own + sum(child.memory_full_info().uss for child in leader.children(recursive=True))
    except psutil.Error:  # it ends just now
        return 0
