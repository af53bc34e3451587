"""The whole command line on real servers, with toys in place of the services."""

import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from tenon_core.shared_settings import SHARED_FIELDS, SHARED_PREFIX
from tenon_embedded.ports import free_port
from tenon_launcher.plan import PROCESSES, SERVICES, WORKERS

Eventually = Callable[[Callable[[], bool]], None]
Launcher = Any  # the fixture's class; a conftest cannot be imported

SERVERS = {"postgres", "valkey", "mailsink"}


def all_gone(processes: Iterable[psutil.Process]) -> bool:
    return all(is_gone(process) for process in processes)


def is_gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def is_replaced(launcher: Launcher, before: dict[str, Any]) -> bool:
    now = launcher.processes()[before["name"]]
    return bool(now["ready"] and now["restarts"] > 0 and now["pid"] != before["pid"])


def test_up_returns_when_all_is_ready_and_down_leaves_nothing(launcher: Launcher) -> None:
    started = launcher.up()
    assert started.returncode == 0, started.stdout
    assert f"http://localhost:{launcher.port}" in started.stdout
    processes = launcher.processes()
    assert set(processes) == {*PROCESSES, *SERVERS}
    assert all(process["ready"] for process in processes.values())
    family = launcher.family()
    assert launcher.run("down").returncode == 0
    assert all_gone(family)


def test_status_has_exactly_the_documented_fields(running: Launcher) -> None:
    found = running.status()
    assert set(found) == {"url", "data_dir", "processes"}
    fields = {"name", "pid", "state", "ready", "rss_bytes", "restarts"}
    assert all(set(process) == fields for process in found["processes"])


def test_nothing_runs_before_up_and_down_is_idempotent(launcher: Launcher) -> None:
    assert launcher.status()["processes"] == []
    assert launcher.run("status").returncode == 1
    assert [launcher.run("down").returncode for _ in range(2)] == [0, 0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_foreground_command(
    launcher: Launcher, eventually: Eventually, number: signal.Signals
) -> None:
    with launcher.in_foreground() as command:
        eventually(lambda: launcher.phase() == "ready")
        family = launcher.family()
        command.send_signal(number)
        assert command.wait(timeout=30) == 0
    assert all_gone(family)


def test_a_signal_during_the_start_leaves_nothing(
    launcher: Launcher, eventually: Eventually
) -> None:
    with launcher.in_foreground() as command:
        eventually(lambda: launcher.phase() == "starting" and len(launcher.family()) > 3)
        family = launcher.family()
        command.send_signal(signal.SIGINT)
        assert command.wait(timeout=30) != 0
    assert all_gone(family)


def test_kill_9_of_the_launcher_leaves_nothing_and_up_works_again(
    launcher: Launcher, eventually: Eventually
) -> None:
    launcher.up()
    family = launcher.family()
    family[0].kill()
    eventually(lambda: all_gone(family))
    assert launcher.status()["processes"] == []
    assert launcher.up().returncode == 0


def test_down_after_kill_9_waits_until_nothing_is_left(launcher: Launcher) -> None:
    launcher.up()
    family = launcher.family()
    family[0].kill()
    launcher.run("down")
    assert all_gone(family)


def test_a_process_that_dies_is_started_again(launcher: Launcher, eventually: Eventually) -> None:
    launcher.up()
    for name in ("gateway", "auth-worker", "postgres", "valkey", "mailsink"):
        before = launcher.processes()[name]
        os.kill(before["pid"], signal.SIGKILL)
        eventually(partial(is_replaced, launcher, before))


def test_two_systems_run_side_by_side(launcher: Launcher, running: Launcher) -> None:
    assert launcher.up().returncode == 0
    assert all(process["ready"] for process in running.processes().values())
    launcher.run("down")
    assert all(process["ready"] for process in running.processes().values())


def test_a_second_up_on_the_same_data_names_the_running_url(running: Launcher) -> None:
    second = running.run("up", "--detach", "--port=0")
    assert second.returncode == 1
    assert f"http://localhost:{running.port}" in second.stdout


def test_a_taken_port_is_named_with_the_way_out(launcher: Launcher) -> None:
    with socket.create_server(("127.0.0.1", launcher.port)):
        started = launcher.up()
    assert started.returncode == 1
    assert f"Port {launcher.port} is taken" in started.stdout
    assert "--port" in started.stdout


def test_a_failed_start_shows_the_log_of_what_failed_and_leaves_nothing(
    launcher: Launcher,
) -> None:
    started = launcher.up(TENON_REPORTS_LOG_LEVEL="toy failure")
    assert started.returncode == 1
    assert "reports ended while it started" in started.stdout
    assert "toy failure" in started.stdout
    assert launcher.status()["processes"] == []


def test_data_of_another_layout_is_refused(launcher: Launcher) -> None:
    launcher.data.mkdir()
    (launcher.data / "version").write_text("99")
    assert "has layout 99" in launcher.up().stdout


def test_a_data_directory_that_cannot_be_made_is_a_clear_message(
    launcher: Launcher, tmp_path: Path
) -> None:
    launcher.data = tmp_path / "file" / "data"
    (tmp_path / "file").touch()
    started = launcher.up()
    assert started.returncode == 1
    assert "--data-dir" in started.stdout


def test_secrets_are_for_the_owner_only_and_made_once(launcher: Launcher) -> None:
    launcher.up()
    secrets = sorted(path for path in (launcher.data / "secrets").rglob("*") if path.is_file())
    before = [path.read_bytes() for path in secrets]
    assert {path.stat().st_mode & 0o777 for path in secrets} == {0o600}
    assert (launcher.data / "secrets").stat().st_mode & 0o777 == 0o700
    launcher.run("down")
    launcher.up()
    assert [path.read_bytes() for path in secrets] == before


def test_a_process_gets_its_own_settings_only(running: Launcher) -> None:
    log = (running.data / "logs" / "gateway.log").read_text().split()
    assert "TENON_GATEWAY_RATE_LIMIT_MODE" in log
    shared = {f"{SHARED_PREFIX}{name.upper()}" for name in SHARED_FIELDS}
    assert all(name.startswith("TENON_GATEWAY_") or name in shared for name in log)


def test_each_service_has_a_schema_and_a_role_that_reaches_no_other(running: Launcher) -> None:
    for service in SERVICES:
        with psycopg.connect(running.database_url(service)) as connection:
            query = (
                "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)'"
                " AND has_schema_privilege(oid, 'USAGE')"
            )
            assert connection.execute(query).fetchall() == [(service,)]
            query = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
            assert connection.execute(query).fetchone() == (False,)


def test_the_users_own_servers_replace_the_embedded_ones(
    launcher: Launcher, running: Launcher
) -> None:
    started = launcher.up(**running.server_urls())
    assert started.returncode == 0, started.stdout
    assert set(launcher.processes()) == set(PROCESSES)


def test_logs_of_one_process_and_of_none(running: Launcher) -> None:
    assert "ready to accept connections" in running.run("logs", "postgres").stdout
    unknown = running.run("logs", "nobody")
    assert unknown.returncode == 1
    assert "postgres" in unknown.stderr


def test_following_logs_shows_what_is_written(running: Launcher) -> None:
    log = running.data / "logs" / "auth.log"
    command = running.command("logs", "-f", "auth")
    with subprocess.Popen(
        command, env=running.environment({}), stdout=subprocess.PIPE, text=True
    ) as following:
        assert following.stdout is not None
        following.stdout.readline()
        with log.open("a") as file:
            file.write("news\n")
        assert following.stdout.readline() == "news\n"
        following.terminate()


def test_a_process_that_does_nothing_but_end_stops_the_system_with_its_last_words(
    launcher: Launcher, toys: Path, eventually: Eventually
) -> None:
    own = launcher.toys = launcher.data.parent / "toys"
    shutil.copytree(toys, own)
    assert launcher.up().returncode == 0
    family, reports = launcher.family(), launcher.processes()["reports"]
    (own / "tenon_reports" / "__main__.py").write_text("raise SystemExit('no such column')")
    os.kill(reports["pid"], signal.SIGKILL)
    eventually(lambda: all_gone(family))
    told = launcher.run("status").stdout
    assert "reports ended 5 times" in told
    assert "no such column" in told
    assert "./tenon up" in told


def test_a_deleted_data_directory_ends_the_system(
    launcher: Launcher, eventually: Eventually
) -> None:
    with launcher.in_foreground() as command:
        eventually(lambda: launcher.phase() == "ready")
        family = launcher.family()
        shutil.rmtree(launcher.data, ignore_errors=True)
        assert command.wait(timeout=60) == 1
    assert all_gone(family)


def test_a_damaged_state_is_repaired_and_down_works(launcher: Launcher) -> None:
    launcher.up()
    family = launcher.family()
    (launcher.data / "run" / "state.json").write_text("{")
    assert "Stopped" in launcher.run("down").stdout
    assert all_gone(family)


def test_a_stuck_process_is_killed_and_named(launcher: Launcher, eventually: Eventually) -> None:
    launcher.up()
    family = launcher.family()
    psutil.Process(launcher.processes()["auth-worker"]["pid"]).suspend()
    told = launcher.run("down").stdout
    assert "Had to be killed: auth-worker" in told
    eventually(lambda: all_gone(family))


def test_groups_are_stopped_in_reverse(launcher: Launcher) -> None:
    launcher.up()
    launcher.run("down")
    ending = json.loads((launcher.data / "run" / "ending.json").read_text())
    names = [stopped["name"] for stopped in ending["stopped"]]
    assert names[0] == "gateway"
    assert set(names[1:5]) == set(WORKERS)
    assert set(names[5:9]) == set(SERVICES)
    assert set(names[9:]) == SERVERS


def test_a_wrong_password_in_a_url_is_named_with_the_way_out(
    launcher: Launcher, running: Launcher
) -> None:
    urls = running.server_urls()
    secret = (running.data / "postgres" / "password").read_text()
    wrong = urls["TENON_DATABASE_URL"].replace(secret, "guessed")
    started = launcher.up(**urls | {"TENON_DATABASE_URL": wrong})
    assert started.returncode == 1
    assert "PostgreSQL of TENON_DATABASE_URL refuses the user or the password" in started.stdout
    assert "Traceback" not in started.stdout


def test_a_mail_server_that_is_away_is_only_a_warning(
    launcher: Launcher, running: Launcher
) -> None:
    away = f"smtp://127.0.0.1:{free_port()}"
    started = launcher.up(**running.server_urls() | {"TENON_SMTP_URL": away})
    assert started.returncode == 0, started.stdout
    assert "Mails wait until it answers" in started.stdout
