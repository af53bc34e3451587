"""The whole of `tenon up`, as a user has it: from the command to a usable system, and away."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tenon_testing.callers import PASSWORD

PROCESSES = {
    "postgres",
    "valkey",
    "mailsink",
    *("auth", "tenancy", "reports", "notifications"),
    *("auth-worker", "tenancy-worker", "reports-worker", "notifications-worker"),
    "gateway",
}
GONE_SECONDS = 15.0
MEMORY_LIMIT = 900_000_000


def tenon(
    command: str, *arguments: str, data_dir: Path, stdin: str = ""
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 # our own command
        [sys.executable, "-m", "tenon_launcher", command, *arguments, "--data-dir", str(data_dir)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def status(data_dir: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(tenon("status", "--json", data_dir=data_dir).stdout)
    return found


@contextmanager
def up(data_dir: Path) -> Iterator[dict[str, Any]]:
    """Start a system on a free port; yields its status."""
    started = tenon("up", "--detach", "--port", "0", data_dir=data_dir)
    assert started.returncode == 0, started.stdout + started.stderr
    try:
        yield status(data_dir)
    finally:
        tenon("down", data_dir=data_dir)


def alive(pids: list[int]) -> list[int]:
    return [
        pid
        for pid in pids
        if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    ]


def left_after(pids: list[int], seconds: float) -> list[int]:
    """Return which processes are still there after at most so many seconds."""
    deadline = time.monotonic() + seconds
    while (left := alive(pids)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def sign_up(url: str) -> int:
    account = {"email": "ada@example.com", "password": PASSWORD, "name": "Ada"}
    headers = {"Origin": url}
    return httpx.post(f"{url}/api/auth/signup", json=account, headers=headers).status_code


def test_two_systems_side_by_side_come_and_go(tmp_path: Path) -> None:
    with up(tmp_path / "one") as one, up(tmp_path / "two") as two:
        for system in (one, two):
            ready = {process["name"]: process["ready"] for process in system["processes"]}
            assert ready == dict.fromkeys(PROCESSES, True)
            assert sign_up(system["url"]) == 201
        pids = [process["pid"] for system in (one, two) for process in system["processes"]]
        assert sorted(alive(pids)) == sorted(pids)
    assert left_after(pids, 0) == []
    assert status(tmp_path / "one")["processes"] == []


def test_a_port_of_another_system_is_named_with_the_way_out(tmp_path: Path) -> None:
    with up(tmp_path / "one") as one:
        port = one["url"].rpartition(":")[2]
        second = tenon("up", "--port", port, data_dir=tmp_path / "two")
        assert second.returncode == 1
        assert f"is taken by the Tenon of {tmp_path / 'one'}" in second.stderr
        assert f"./tenon down --data-dir {tmp_path / 'one'}" in second.stderr
        assert not (tmp_path / "two").exists()


def test_doctor_finds_a_running_system_well_and_a_hanging_process_in_it(tmp_path: Path) -> None:
    with up(tmp_path / "data") as system:
        assert tenon("doctor", data_dir=tmp_path / "data").returncode == 0
        (tenancy,) = (one["pid"] for one in system["processes"] if one["name"] == "tenancy")
        psutil.Process(tenancy).suspend()
        ill = tenon("doctor", data_dir=tmp_path / "data")
        psutil.Process(tenancy).resume()
        assert ill.returncode == 1
        assert "fail  tenancy" in ill.stdout


@pytest.mark.long
def test_idle_it_needs_less_than_900_mb(tmp_path: Path) -> None:
    with up(tmp_path / "data"):
        state = json.loads((tmp_path / "data" / "run" / "state.json").read_text())
        launcher = psutil.Process(state["supervisor_pid"])
        family = [launcher, *launcher.children(recursive=True)]
        assert sum(memory(process) for process in family) < MEMORY_LIMIT


def memory(process: psutil.Process) -> int:
    """Return its bytes, with its share of what it shares; another user's is not ours to see."""
    if not psutil.LINUX:
        pytest.skip("shares of memory are known on Linux only")
    try:
        return int(process.memory_full_info().pss)
    except psutil.AccessDenied:
        return int(process.memory_info().rss)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill-9"])
def test_the_end_of_the_launcher_is_the_end_of_all(tmp_path: Path, ending: signal.Signals) -> None:
    data_dir = tmp_path / "data"
    launcher = subprocess.Popen(  # noqa: S603 # our own command
        [sys.executable, "-m", "tenon_launcher", "up", "--port", "0", "--data-dir", str(data_dir)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not all_ready(data_dir):
        assert launcher.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.2)
    pids = [process["pid"] for process in status(data_dir)["processes"]]
    os.kill(launcher.pid, ending)
    launcher.wait(timeout=60)
    assert left_after(pids, GONE_SECONDS) == []


def all_ready(data_dir: Path) -> bool:
    answer = tenon("status", "--json", data_dir=data_dir).stdout
    found = json.loads(answer) if answer else {"processes": []}
    ready = {process["name"] for process in found["processes"] if process["ready"]}
    return ready == PROCESSES
