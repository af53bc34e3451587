"""What runs, what does not work, and what an earlier launcher left behind."""

from collections.abc import Iterator
from contextlib import closing, suppress

import psutil

from tenon_launcher.data_directory import DataDirectory
from tenon_launcher.data_lock import DataLock
from tenon_launcher.doctor.finding import Finding
from tenon_launcher.ending import Ending
from tenon_launcher.state import RunState
from tenon_launcher.status import ProcessStatus, system_status


def running(data: DataDirectory, run: RunState) -> Iterator[Finding]:
    """Each process that does not work, or that all do."""
    found = system_status(data).processes
    troubled = [process for process in found if not process.ready]
    yield from (trouble(process, data, run) for process in troubled)
    if not troubled:
        memory = sum(process.rss_bytes for process in found) / 1e6
        yield Finding.ok("processes", f"all {len(found)} are ready at {run.url} ({memory:.0f} MB)")


def trouble(process: ProcessStatus, data: DataDirectory, run: RunState) -> Finding:
    text = f"is {process.state} and not ready, after {process.restarts} restarts"
    if run.phase != "ready":
        return Finding.warn(process.name, text, f"The system is {run.phase}: wait a moment.")
    return Finding.fail(
        process.name, text, f"Read why: `./tenon logs{data.option()} {process.name}`"
    )


def at_rest(data: DataDirectory) -> Iterator[Finding]:
    """Without a launcher: nothing may be left, and the last one may say why it stopped."""
    left = RunState.read(data.state)
    if data.exists() and is_held(data):
        advice = f"`./tenon down{data.option()}` waits until all is gone."
        yield Finding.warn("processes", "an earlier system is still ending", advice)
    elif survivors := left_behind(data, left):
        pids = " ".join(str(process.pid) for process in survivors)
        text = "some outlived their launcher and its guard"
        yield Finding.fail("processes", text, f"End them: kill {pids}")
    elif data.state.exists():
        advice = f"None of its processes is left. `./tenon up{data.option()}` starts again."
        yield Finding.warn("processes", "the last launcher was killed", advice)
    else:
        yield Finding.ok("processes", "nothing runs")
    ending = Ending.load(data.ending)
    if ending is not None and ending.failure:
        first = ending.failure.splitlines()[0]
        yield Finding.warn(
            "last run", f"ended by itself at {ending.time}: {first}", advice_of(data)
        )


def advice_of(data: DataDirectory) -> str:
    return f"`./tenon logs{data.option()}` has more; `./tenon up{data.option()}` tries again."


def is_held(data: DataDirectory) -> bool:
    with closing(DataLock(data.lock)) as lock:
        return not lock.acquire(timeout=0.0)


def left_behind(data: DataDirectory, left: RunState | None) -> list[psutil.Process]:
    """Processes of a run whose launcher is dead, as its state names them."""
    pids = [process.pid for process in left.processes if process.pid] if left else []
    return [process for pid in pids if (process := of_ours(pid, data)) is not None]


def of_ours(pid: int, data: DataDirectory) -> psutil.Process | None:
    """The process, if it works on the data directory: its number may be another's by now."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        if str(data.path) in " ".join([*process.cmdline(), process.cwd()]):
            return process
    return None
