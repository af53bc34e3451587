import json
import os
import socket
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from tenon_embedded import certificates
from tenon_embedded.certificates import CertificateAuthority
from tenon_launcher.data_directory import DataDirectory
from tenon_launcher.data_lock import DataLock
from tenon_launcher.doctor import machine
from tenon_launcher.doctor.examination import examine
from tenon_launcher.doctor.finding import Finding
from tenon_launcher.ending import Ending
from tenon_launcher.plan import PROCESSES
from tenon_launcher.state import ProcessState, RunState

Launcher = Any  # the fixture's class; a conftest cannot be imported


@pytest.fixture
def data(tmp_path: Path) -> DataDirectory:
    made = DataDirectory(tmp_path / "data")
    made.create()
    return made


def found(data: DataDirectory, subject: str, **environment: str) -> Finding:
    """The first finding about the subject."""
    return next(one for one in examine(data, 0, environment) if one.subject.startswith(subject))


def levels(data: DataDirectory) -> dict[str, str]:
    return {finding.subject: finding.level for finding in examine(data, 0, {})}


def killed_run(data: DataDirectory, pid: int) -> None:
    """What a launcher leaves that was killed; it kept one process, with this number."""
    process = ProcessState("valkey", pid, "running", 1, 0)
    RunState("ready", "http://localhost:1", 2**22 + 1, 0.0, (process,)).save(data.state)


def test_where_nothing_was_ever_started_all_is_well(tmp_path: Path) -> None:
    data = DataDirectory(tmp_path / "data")
    assert set(levels(data).values()) == {"ok"}
    assert not data.path.exists()


def test_whatever_is_not_well_says_what_to_do(data: DataDirectory) -> None:
    data.version.write_text("99")
    data.state.write_text("{")
    killed_run(data, 1)
    troubled = [one for one in examine(data, 0, {}) if one.level != "ok"]
    assert len(troubled) >= 2
    assert all(one.advice for one in troubled)


def test_a_full_disk(data: DataDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MINIMUM_FREE_BYTES", 10**18)
    assert found(data, "disk").level == "fail"


def test_data_of_a_newer_tenon(data: DataDirectory) -> None:
    data.version.write_text("99")
    assert found(data, "data directory").level == "fail"
    assert "git pull" in found(data, "data directory").advice


def test_a_folder_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    assert found(DataDirectory(tmp_path), "data directory").level == "fail"


def test_a_clock_before_the_data(data: DataDirectory) -> None:
    os.utime(data.version, (2**32, 2**32))
    assert found(data, "clock").level == "fail"


@pytest.mark.parametrize(
    ("lifetime", "level"),
    [(timedelta(minutes=30), "fail"), (timedelta(days=3), "warn"), (timedelta(days=300), "ok")],
)
def test_certificates_near_their_end(
    data: DataDirectory, monkeypatch: pytest.MonkeyPatch, lifetime: timedelta, level: str
) -> None:
    monkeypatch.setattr(certificates, "LIFETIME", lifetime)  # from an hour ago
    monkeypatch.setattr(certificates, "RENEWAL", timedelta(days=-9))
    authority = CertificateAuthority(data.certificates)
    for process in PROCESSES:
        authority.issue(process)
    monkeypatch.undo()
    assert found(data, "certificates").level == level


def test_a_damaged_state_breaks_nothing(data: DataDirectory) -> None:
    data.state.write_text('{"phase": ')
    assert found(data, "processes").level == "warn"


def test_a_killed_launcher_that_left_nothing(data: DataDirectory) -> None:
    killed_run(data, 2**22 + 1)
    assert found(data, "processes").text == "the last launcher was killed"


def test_a_process_that_outlived_its_launcher_is_named(data: DataDirectory) -> None:
    with psutil.Popen(["/bin/sleep", "600"], cwd=data.path) as survivor:
        killed_run(data, survivor.pid)
        left = found(data, "processes")
        survivor.kill()
    assert (left.level, left.advice) == ("fail", f"End them: kill {survivor.pid}")


def test_a_number_that_is_another_process_by_now_is_not(data: DataDirectory) -> None:
    killed_run(data, os.getpid())
    assert found(data, "processes").level == "warn"


def test_what_is_still_ending(data: DataDirectory) -> None:
    with closing(DataLock(data.lock)) as lock:
        assert lock.acquire(0)
        assert "still ending" in found(data, "processes").text


def test_why_the_last_run_ended(data: DataDirectory) -> None:
    Ending("2026-01-01", "reports ended 5 times", ()).save(data.ending)
    assert "reports ended 5 times" in found(data, "last run").text


def test_a_folder_that_may_not_be_entered(
    data: DataDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(_: Path, *__: object, **___: object) -> bool:
        raise PermissionError(13, "Permission denied", str(data.path))

    monkeypatch.setattr(Path, "exists", forbidden)
    refused = found(data, "data directory")
    assert (refused.level, "Permission denied" in refused.text) == ("fail", True)


def test_while_it_runs(running: Launcher) -> None:
    seen = running.run("doctor", "--json")
    assert seen.returncode == 0, seen.stdout
    report = json.loads(seen.stdout)
    subjects = {finding["subject"]: finding for finding in report["findings"]}
    assert "all 12 are ready" in subjects["processes"]["text"]
    assert set(report) == {"level", "findings"}


def test_a_process_that_hangs_is_found(
    running: Launcher, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    process = psutil.Process(running.processes()["reports"]["pid"])
    process.suspend()
    try:
        seen = running.run("doctor")
    finally:
        process.resume()
    assert seen.returncode == 1
    assert "./tenon logs" in seen.stdout
    eventually(lambda: running.processes()["reports"]["ready"])


def test_a_taken_port_is_a_failure(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        findings = list(examine(DataDirectory(tmp_path / "data"), server.getsockname()[1], {}))
    (port,) = (one for one in findings if one.subject == "port")
    assert (port.level, "--port" in port.advice) == ("fail", True)


def test_advice_names_the_data_directory(data: DataDirectory) -> None:
    killed_run(data, 2**22 + 1)
    Ending("2026-01-01", "reports ended 5 times", ()).save(data.ending)
    advices = [one.advice for one in examine(data, 0, {}) if "./tenon up" in one.advice]
    assert advices
    assert all(f"--data-dir {data.path}" in advice for advice in advices)
