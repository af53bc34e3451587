import signal
import time
from contextlib import closing
from dataclasses import dataclass

from tenon_launcher.data_directory import DataDirectory
from tenon_launcher.data_lock import DataLock
from tenon_launcher.ending import Ending
from tenon_launcher.errors import StillRunning
from tenon_launcher.state import RunState

STOP_SECONDS = 60.0  # longer than all groups take, one after another, if all must be killed
CLEANUP_SECONDS = 30.0  # how long the guard of a killed launcher may need to end what it left
REPAIR_SECONDS = 3.0
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Stop:
    """What `down` did. Without an ending nobody drained anything: the launcher was killed."""

    ending: Ending | None
    launcher_killed: bool


def stop_run(data: DataDirectory, seconds: float = STOP_SECONDS) -> Stop | None:
    """End what runs on the directory and wait until nothing is left; None if nothing ran.

    Raises StillRunning after at most `seconds` and CLEANUP_SECONDS.
    """
    if not data.exists():
        return None
    with closing(DataLock(data.lock)) as lock:
        if lock.acquire(timeout=0.0):
            return None
        return end(data, lock, seconds)


def end(data: DataDirectory, lock: DataLock, seconds: float) -> Stop:
    running = launcher_of(data, lock)
    if running is not None:
        running.signal(signal.SIGTERM)
    stopped = lock.acquire(seconds if running is not None else CLEANUP_SECONDS)
    must_kill = running is not None and not stopped
    if running is not None and must_kill:
        running.signal(signal.SIGKILL)
        stopped = lock.acquire(CLEANUP_SECONDS)
    if not stopped:
        raise StillRunning(
            f"Something of the system on {data.path} does not end, not even by force: it waits for "
            f"a disk or is being debugged. Try `./tenon down{data.option()}` again, or restart the "
            "machine."
        )
    data.state.unlink(missing_ok=True)
    while running is not None and running.is_alive():  # it has only itself left to end
        time.sleep(POLL_SECONDS)
    return Stop(None if must_kill else Ending.load(data.ending), must_kill)


def launcher_of(data: DataDirectory, lock: DataLock) -> RunState | None:
    """The launcher, which repairs a damaged state within a second; None if it is gone."""
    end = time.monotonic() + REPAIR_SECONDS
    while (running := RunState.load(data.state)) is None and time.monotonic() < end:
        if RunState.read(data.state) is not None or lock.acquire(timeout=0.1):
            return None  # it was killed, and what it left is ending
    return running
