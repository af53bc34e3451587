import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime

import psutil

from tenon_embedded.errors import EmbeddedError
from tenon_embedded.guard import Guard
from tenon_launcher import plan
from tenon_launcher.backing import Backing, backing_for
from tenon_launcher.data_directory import DataDirectory
from tenon_launcher.data_lock import DataLock
from tenon_launcher.ending import Ending
from tenon_launcher.errors import AlreadyRunning, LauncherError, UnusableData
from tenon_launcher.ports import check_port
from tenon_launcher.preparation import chosen, prepare, public_url
from tenon_launcher.progress import Screen
from tenon_launcher.state import Phase, ProcessState, RunState
from tenon_launcher.stopping import CLEANUP_SECONDS
from tenon_launcher.supervisor import Supervisor, side_by_side

WATCH_SECONDS = 1.0  # between looks at the data directory

OnReady = Callable[[str, Backing, float], None]


class Run:
    """One `tenon up`, from the lock on the data directory to the end of the last process."""

    def __init__(
        self, data: DataDirectory, port: int, environment: Mapping[str, str], screen: Screen
    ) -> None:
        self._data = data
        self._port = port
        self._environment = environment
        self._screen = screen
        self._phase: Phase = "starting"
        self._processes: Sequence[ProcessState] = ()
        self._stop_requested = False

    async def until_stopped(self, on_ready: OnReady) -> bool:
        """Start all, call `on_ready`, and keep it running until a signal; False if never ready."""
        if not self._data.exists():
            check_port(self._port)  # before anything is made there
        with closing(take_lock(self._data, self._screen)) as lock:
            check_port(self._port)
            return await self._hold(lock, on_ready)

    async def _hold(self, lock: DataLock, on_ready: OnReady) -> bool:
        guard = Guard(keep_open=[lock.descriptor])
        supervisor = Supervisor(guard, self._data, self._processes_changed)
        self._stop_on_signals()
        failure: str | None = None
        try:
            await self._start(supervisor, on_ready)
            await side_by_side([supervisor.keep_running(), self._watch(lock)])
        except asyncio.CancelledError:  # by a signal
            return self._phase == "ready"
        except (LauncherError, EmbeddedError) as error:
            failure = str(error) + self._disk_hint()
            raise LauncherError(failure) from error
        finally:
            await self._stop(supervisor, failure)
            guard.close()
            self._data.state.unlink(missing_ok=True)
        return True

    def _disk_hint(self) -> str:
        with suppress(OSError):
            if told := self._data.full_disk():
                return f"\n\n{told}"
        return ""

    async def _stop(self, supervisor: Supervisor, failure: str | None) -> None:
        started, screen = time.monotonic(), self._screen
        self._enter("stopping")
        if supervisor.has_any:
            screen.say("\n  Stopping")
        stopped = await supervisor.stop(screen.step)
        if stopped:
            screen.say(f"  Stopped after {time.monotonic() - started:.1f} s\n")
        ending = Ending(datetime.now(UTC).isoformat(timespec="seconds"), failure, stopped)
        with suppress(OSError):  # a full disk, or no directory any more
            ending.save(self._data.ending)

    async def _start(self, supervisor: Supervisor, on_ready: OnReady) -> None:
        started, step = time.monotonic(), self._screen.step
        self._enter("starting")
        self._data.rotate_logs()
        self._data.ending.unlink(missing_ok=True)
        settings = chosen(self._environment, "TENON_")
        await supervisor.run("preflight", plan.preflight(self._data, settings))
        backing = backing_for(self._data, self._environment)
        system = prepare(self._data, self._port, backing)
        if backing.own:
            with step(f"your own {', '.join(backing.own)}"):
                warnings = await supervisor.run("own-servers", plan.own_servers(system))
            if warnings:
                self._screen.say(f"\n{warnings}\n")
        if backing.servers:
            with step(", ".join(server.name for server in backing.servers)):
                await start_servers(supervisor, backing)
        with step("keys, certificates, database, migrations"):
            await supervisor.run("foundation", plan.foundation(system))
        with step(", ".join(plan.SERVICES)):
            await supervisor.start(plan.services(system))
        with step("workers, gateway"):
            gateway = [plan.gateway(system)]
            await side_by_side([supervisor.start(plan.workers(system)), supervisor.start(gateway)])
        self._enter("ready")
        on_ready(system.url, backing, time.monotonic() - started)

    async def _watch(self, lock: DataLock) -> None:
        """Raises UnusableData once the data directory was taken away from under the system."""
        while lock.is_in_place():
            if RunState.read(self._data.state) is None:  # somebody damaged it
                self._save()
            await asyncio.sleep(WATCH_SECONDS)
        raise UnusableData(
            f"{self._data.path} was deleted or replaced while the system ran, so everything was "
            f"stopped. `./tenon up{self._data.option()}` makes a new one."
        )

    def _stop_on_signals(self) -> None:
        task = asyncio.current_task()
        assert task is not None, "runs in a loop"
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._request_stop, task)

    def _request_stop(self, task: asyncio.Task[object]) -> None:
        """Only once: a second signal must not interrupt the stopping."""
        if not self._stop_requested:
            self._stop_requested = True
            task.cancel()

    def _processes_changed(self, processes: Sequence[ProcessState]) -> None:
        self._processes = processes
        self._save()

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        self._save()

    def _save(self) -> None:
        pid = os.getpid()
        started = psutil.Process(pid).create_time()
        state = RunState(self._phase, public_url(self._port), pid, started, tuple(self._processes))
        with suppress(OSError):  # a full disk must not end what runs
            state.save(self._data.state)


async def start_servers(supervisor: Supervisor, backing: Backing) -> None:
    await side_by_side(asyncio.to_thread(server.prepare) for server in backing.servers)
    await supervisor.start([plan.server_program(server) for server in backing.servers])


def take_lock(data: DataDirectory, screen: Screen) -> DataLock:
    """Raises AlreadyRunning. What a killed launcher left behind is waited for."""
    data.create()
    lock = DataLock(data.lock)
    end = time.monotonic() + CLEANUP_SECONDS
    while not lock.acquire(timeout=0.5):
        running = RunState.load(data.state)
        if running is not None or time.monotonic() > end:
            lock.close()
            raise already_running(data, running)
        screen.say("The system before this one is still ending; waiting for it")
    return lock


def already_running(data: DataDirectory, running: RunState | None) -> AlreadyRunning:
    where = f" at {running.url}" if running else ""
    return AlreadyRunning(
        f"A system runs on {data.path} already{where}. Stop it with `./tenon down"
        f"{data.option()}`, or name another directory with --data-dir and another port with --port."
    )
