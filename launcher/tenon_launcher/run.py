import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress

import click
import psutil

from tenon_embedded.guard import Guard
from tenon_embedded.ports import is_free
from tenon_launcher import plan
from tenon_launcher.backing import Backing, backing_for
from tenon_launcher.data_directory import DataDirectory
from tenon_launcher.data_lock import DataLock
from tenon_launcher.errors import AlreadyRunning, PortTaken
from tenon_launcher.preparation import prepare, public_url
from tenon_launcher.progress import step
from tenon_launcher.state import Phase, ProcessState, RunState
from tenon_launcher.supervisor import Supervisor, side_by_side

FIRST_UNPRIVILEGED_PORT = 1024
LAST_PORT = 65535
CLEANUP_SECONDS = 30.0  # how long the guard of a killed launcher may need to end what it left

OnReady = Callable[[str, Backing], None]


class Run:
    """One `tenon up`, from the lock on the data directory to the end of the last process."""

    def __init__(self, data: DataDirectory, port: int, environment: Mapping[str, str]) -> None:
        self._data = data
        self._port = port
        self._environment = environment
        self._phase: Phase = "starting"
        self._processes: Sequence[ProcessState] = ()
        self._stop_requested = False

    async def until_stopped(self, on_ready: OnReady) -> bool:
        """Start all, call `on_ready`, and keep it running until a signal; False if never ready."""
        if not self._data.exists():
            check_port(self._port)  # before anything is made there
        with closing(take_lock(self._data)) as lock:
            check_port(self._port)
            return await self._hold(lock, on_ready)

    async def _hold(self, lock: DataLock, on_ready: OnReady) -> bool:
        guard = Guard(keep_open=[lock.descriptor])
        supervisor = Supervisor(guard, self._data, self._processes_changed)
        self._stop_on_signals()
        try:
            await self._start(supervisor, on_ready)
            await supervisor.keep_running()
        except asyncio.CancelledError:  # by a signal
            return self._phase == "ready"
        finally:
            await self._stop(supervisor)
            guard.close()
            self._data.state.unlink(missing_ok=True)

    async def _stop(self, supervisor: Supervisor) -> None:
        self._enter("stopping")
        await supervisor.stop()

    async def _start(self, supervisor: Supervisor, on_ready: OnReady) -> None:
        self._enter("starting")
        self._data.rotate_logs()
        backing = backing_for(self._data, self._environment)
        system = prepare(self._data, self._port, backing)
        if backing.servers:
            await start_servers(supervisor, backing)
        with step("keys, certificates, database, migrations"):
            await supervisor.run("foundation", plan.foundation(system))
        with step(", ".join(plan.SERVICES)):
            await supervisor.start(plan.services(system))
        with step("workers and gateway"):
            gateway = [plan.gateway(system)]
            await side_by_side([supervisor.start(plan.workers(system)), supervisor.start(gateway)])
        self._enter("ready")
        on_ready(system.url, backing)

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
            click.echo("Stopping")

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
    with step(", ".join(server.name for server in backing.servers)):
        await side_by_side(asyncio.to_thread(server.prepare) for server in backing.servers)
        await supervisor.start([plan.server_program(server) for server in backing.servers])


def take_lock(data: DataDirectory) -> DataLock:
    """Raises AlreadyRunning. What a killed launcher left behind is waited for."""
    data.create()
    lock = DataLock(data.lock)
    end = time.monotonic() + CLEANUP_SECONDS
    while not lock.acquire(timeout=0.5):
        running = RunState.load(data.state)
        if running is not None or time.monotonic() > end:
            lock.close()
            raise already_running(data, running)
        click.echo("The system before this one is still ending; waiting for it")
    return lock


def already_running(data: DataDirectory, running: RunState | None) -> AlreadyRunning:
    where = f" at {running.url}" if running else ""
    return AlreadyRunning(
        f"A system runs on {data.path} already{where}. Stop it with `./tenon down`, or name "
        "another directory with --data-dir and another port with --port."
    )


def check_port(port: int) -> None:
    if port < FIRST_UNPRIVILEGED_PORT and os.geteuid() != 0:
        raise PortTaken(
            f"Port {port} is for root alone. Name one from 1024 on, such as --port 8000"
        )
    if not is_free(port):
        other = port + 1 if port < LAST_PORT else port - 1
        raise PortTaken(
            f"Port {port} is taken by another program. Name another one: --port {other}"
        )


def stop_run(data: DataDirectory, seconds: float = 60.0) -> bool:
    """End what runs on the directory and wait until nothing is left; False if nothing ran."""
    if not data.exists():
        return False
    with closing(DataLock(data.lock)) as lock:
        if lock.acquire(timeout=0.0):
            return False
        running = RunState.load(data.state)
        if running is not None:
            running.signal(signal.SIGTERM)
        if not lock.acquire(seconds) and running is not None:
            running.signal(signal.SIGKILL)
            lock.acquire(CLEANUP_SECONDS)
        data.state.unlink(missing_ok=True)
        while running is not None and running.is_alive():  # it has only itself left to end
            time.sleep(0.02)
    return True
