import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tenon_embedded.accounts import unprivileged_owner, ways_to_become, works
from tenon_embedded.command import Command, Stop
from tenon_embedded.guard import Guard
from tenon_embedded.server import inherited_environment

Eventually = Callable[[Callable[[], bool]], None]

STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid(), flush=True)
time.sleep(600)
"""
WITH_GRANDCHILD = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {STUBBORN!r}])
"""
EVERYTHING = """
import sys, time
from pathlib import Path
from tenon_embedded.mailsink import MailSink
from tenon_embedded.postgres import PostgresServer
from tenon_embedded.valkey import ValkeyServer
root = Path(sys.argv[1])
servers = [PostgresServer(root / "postgres"), ValkeyServer(root / "valkey"), MailSink(root / "m")]
for server in servers:
    server.start()
print("ready", flush=True)
time.sleep(600)
"""


def python(source: str, *stops: Stop) -> Command:
    arguments = (sys.executable, "-c", source)
    return Command(arguments, inherited_environment(), stops=stops or (Stop(signal.SIGTERM, 0.3),))


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def guard() -> Iterator[Guard]:
    made = Guard()
    yield made
    made.close()


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """One that any user may write to; pytest's own are private."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


def test_stop_ends_a_process_that_ignores_it_by_force(
    guard: Guard, tmp_path: Path, eventually: Eventually
) -> None:
    child = guard.spawn(python(STUBBORN), tmp_path / "log")
    eventually(lambda: (tmp_path / "log").read_text() != "")
    child.stop()
    assert child.exit_code() == -signal.SIGKILL


def test_what_a_process_leaves_behind_is_killed_with_it(
    guard: Guard, tmp_path: Path, eventually: Eventually
) -> None:
    log = tmp_path / "log"
    child = guard.spawn(python(WITH_GRANDCHILD), log)
    eventually(lambda: log.read_text() != "")
    child.stop()
    eventually(lambda: not is_running(int(log.read_text())))


def test_a_killed_guard_is_replaced_and_knows_what_runs(
    tmp_path: Path, eventually: Eventually
) -> None:
    guard = Guard()
    child = guard.spawn(python(STUBBORN), tmp_path / "log")
    first = guard.pid
    os.kill(first, signal.SIGKILL)
    eventually(lambda: not is_running(first))
    guard.ensure()
    assert guard.pid != first
    guard.close()
    assert child.exit_code() is not None


def test_an_open_lock_is_held_until_the_last_process_is_gone(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    guard = Guard(keep_open=[write_end])
    child = guard.spawn(python(STUBBORN), tmp_path / "log")
    os.close(write_end)
    guard.close()
    assert os.read(read_end, 1) == b""
    os.close(read_end)
    assert child.exit_code() is not None


def run_and_kill(directory: Path, prefix: tuple[str, ...], eventually: Eventually) -> None:
    parent = subprocess.Popen(
        [*prefix, sys.executable, "-c", EVERYTHING, str(directory)],
        stdout=subprocess.PIPE,
        env=inherited_environment(),
        cwd="/",
    )
    assert parent.stdout is not None
    try:
        assert parent.stdout.readline() == b"ready\n"
        left_behind = psutil.Process(parent.pid).children(recursive=True)
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
    assert len(left_behind) > 4
    eventually(lambda: not any(is_running(process.pid) for process in left_behind))


def test_kill_9_of_the_parent_leaves_nothing(tmp_path: Path, eventually: Eventually) -> None:
    run_and_kill(tmp_path, (), eventually)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become an ordinary user")
def test_all_of_it_works_for_an_ordinary_user(open_directory: Path, eventually: Eventually) -> None:
    user = unprivileged_owner(open_directory)
    ways = ways_to_become(*user)
    prefix = next(way for way in ways if works(way, open_directory, Path(sys.executable)))
    run_and_kill(open_directory, prefix, eventually)
