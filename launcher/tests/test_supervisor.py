import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from tenon_embedded.command import Command, Stop
from tenon_embedded.guard import Guard
from tenon_embedded.server import inherited_environment
from tenon_launcher import process
from tenon_launcher.data_directory import DataDirectory
from tenon_launcher.errors import ProcessFailed
from tenon_launcher.plan import SAYS_WHAT_TO_DO, Program
from tenon_launcher.process import CRASHES
from tenon_launcher.state import ProcessState
from tenon_launcher.supervisor import Supervisor

SAYS_WHEN_IT_STOPS = """
import signal, sys, time
def stop(*_):
    with open(sys.argv[1], "a") as file:
        print(sys.argv[2], file=file)
    sys.exit()
signal.signal(signal.SIGTERM, stop)
open(sys.argv[1] + sys.argv[2], "w").close()
time.sleep(600)
"""
SLEEPS = "import time; time.sleep(600)"
ENDS_UNLESS = """
import os, sys, time
while os.path.exists(sys.argv[1]):
    time.sleep(0.01)
sys.exit("no health")
"""
DEAF = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(sys.argv[1], "w").close()
time.sleep(600)
"""


def toy(
    source: str, *arguments: str, name: str = "toy", ready: Callable[[], bool] = lambda: True
) -> Program:
    run = (sys.executable, "-S", "-c", source, *arguments)
    stops = (Stop(signal.SIGTERM, 5.0),)
    return Program(name, Command(run, inherited_environment(), stops=stops), 0, ready)


class Seen:
    """What a supervisor told last."""

    def __init__(self) -> None:
        self.states: Sequence[ProcessState] = ()

    def __call__(self, states: Sequence[ProcessState]) -> None:
        self.states = states


@pytest.fixture
def data(tmp_path: Path) -> DataDirectory:
    made = DataDirectory(tmp_path / "data")
    made.create()
    return made


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def guard() -> Iterator[Guard]:
    made = Guard()
    yield made
    made.close()


@pytest.fixture
async def supervisor(guard: Guard, data: DataDirectory, seen: Seen) -> AsyncIterator[Supervisor]:
    made = Supervisor(guard, data, seen)
    yield made
    await made.stop()


@contextlib.asynccontextmanager
async def kept_running(supervisor: Supervisor) -> AsyncIterator[asyncio.Task[None]]:
    keeping = asyncio.create_task(supervisor.keep_running())
    yield keeping
    keeping.cancel()
    await asyncio.wait([keeping])


def pid_of(seen: Seen, name: str) -> int:
    (pid,) = (state.pid for state in seen.states if state.name == name)
    assert pid is not None
    return pid


def has_restarted(seen: Seen, times: int) -> bool:
    (state,) = seen.states
    return (state.restarts, state.state) == (times, "running")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


async def test_what_was_started_last_is_stopped_first(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    order = tmp_path / "order"
    for name in ("first", "second"):
        listening = tmp_path / f"order{name}"
        await supervisor.start(
            [toy(SAYS_WHEN_IT_STOPS, str(order), name, name=name, ready=listening.exists)]
        )
    await supervisor.stop()
    assert order.read_text().split() == ["second", "first"]


async def test_one_that_ends_while_it_starts_is_named_with_its_last_words(
    supervisor: Supervisor,
) -> None:
    failing = toy("import sys; sys.exit('no such setting')", ready=lambda: False)
    with pytest.raises(ProcessFailed, match=r"(?s)toy ended while it started.*no such setting"):
        await supervisor.start([failing])


async def test_one_that_is_not_ready_in_time_is_named(supervisor: Supervisor) -> None:
    with pytest.raises(ProcessFailed, match="toy was not ready after 0 s"):
        await supervisor.start([toy("import time; time.sleep(600)", ready=lambda: False)], 0.2)


async def test_a_command_that_fails_is_named_with_its_last_words(supervisor: Supervisor) -> None:
    failing = toy("import sys; sys.exit('no such table')").command
    with pytest.raises(ProcessFailed, match=r"(?s)foundation failed.*no such table"):
        await supervisor.run("foundation", failing)


async def test_one_that_dies_again_and_again_is_started_with_growing_waits(
    supervisor: Supervisor, seen: Seen
) -> None:
    await supervisor.start([toy("")])
    async with kept_running(supervisor):
        await until(lambda: seen.states[0].restarts >= 2)
        await until(lambda: seen.states[0].state == "restarting")
        assert seen.states[0].pid is None


async def test_one_that_does_nothing_but_end_is_given_up_with_its_last_words(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    healthy = tmp_path / "healthy"
    healthy.touch()
    await supervisor.start([toy(ENDS_UNLESS, str(healthy), ready=healthy.exists)])
    async with kept_running(supervisor) as keeping:
        healthy.unlink()
        await asyncio.wait([keeping], timeout=60)
    with pytest.raises(ProcessFailed, match=r"(?s)toy ended 5 times .* was stopped.*no health"):
        await keeping


async def test_one_that_lacks_what_it_needs_is_not_given_up(
    supervisor: Supervisor, seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "BACKOFF", (0.1,))
    healthy, served = tmp_path / "healthy", tmp_path / "served"
    healthy.touch()
    served.touch()
    await supervisor.start([toy(SLEEPS, name="server", ready=served.exists)])
    await supervisor.start([toy(ENDS_UNLESS, str(healthy), ready=healthy.exists)])
    os.kill(pid_of(seen, "server"), signal.SIGKILL)
    served.unlink()
    async with kept_running(supervisor) as keeping:
        healthy.unlink()
        await until(lambda: seen.states[-1].restarts > CRASHES)
        assert not keeping.done()


async def test_one_that_gets_ready_again_is_not_given_up(
    supervisor: Supervisor, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "BACKOFF", (0.1,))
    await supervisor.start([toy(SLEEPS)])
    async with kept_running(supervisor) as keeping:
        for restarts in range(1, CRASHES + 1):
            os.kill(pid_of(seen, "toy"), signal.SIGKILL)
            await until(partial(has_restarted, seen, restarts))
        assert not keeping.done()


async def test_one_that_lives_and_does_not_answer_is_shown_as_hanging(
    supervisor: Supervisor, seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "HANGING_SECONDS", 0.3)
    answers = tmp_path / "answers"
    answers.touch()
    await supervisor.start([toy(SLEEPS, ready=answers.exists)])
    async with kept_running(supervisor):
        answers.unlink()
        await until(lambda: seen.states[0].state == "hanging")
        answers.touch()
        await until(lambda: seen.states[0].state == "running")


async def test_a_stuck_one_is_killed_and_named(supervisor: Supervisor, tmp_path: Path) -> None:
    deaf = tmp_path / "deaf"
    await supervisor.start([toy(DEAF, str(deaf), name="stuck", ready=deaf.exists)])
    (stopped,) = await supervisor.stop()
    assert stopped.name == "stuck"
    assert stopped.killed


async def test_one_that_ends_when_asked_is_not_killed(supervisor: Supervisor) -> None:
    await supervisor.start([toy(SLEEPS)])
    (stopped,) = await supervisor.stop()
    assert not stopped.killed


async def test_a_command_that_says_what_to_do_is_quoted_alone(supervisor: Supervisor) -> None:
    says = toy(f"print('Use another password.'); raise SystemExit({SAYS_WHAT_TO_DO})").command
    await supervisor.run("own-servers", toy("print('of before')").command)
    with pytest.raises(ProcessFailed, match=r"^Use another password\.$"):
        await supervisor.run("own-servers", says)


async def test_a_killed_guard_is_replaced(supervisor: Supervisor, guard: Guard) -> None:
    await supervisor.start([toy("import time; time.sleep(600)")])
    async with kept_running(supervisor):
        before = guard.pid
        os.kill(before, signal.SIGKILL)
        await until(lambda: guard.pid != before)
