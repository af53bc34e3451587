"""The `tenon` command."""

import asyncio
import errno
import json
import os
import sys
import time
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import click

from tenon_embedded.errors import EmbeddedError
from tenon_launcher.data_directory import DEFAULT, DataDirectory
from tenon_launcher.errors import LauncherError
from tenon_launcher.operators import ImportedCommand, of_service, with_data_dir
from tenon_launcher.progress import Screen, survive_any_encoding

ROOT = Path(__file__).parents[2]
FOREIGN = "Run as the user it belongs to, or name a directory of your own with --data-dir."
FULL = "Make room on the disk, or name another directory with --data-dir."
WHAT_TO_DO = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EACCES: FOREIGN,
    errno.EPERM: FOREIGN,
    errno.EROFS: "Name a directory that can be written with --data-dir.",
}
ANY_ARGUMENTS = {"ignore_unknown_options": True, "help_option_names": []}


class Commands(click.Group):
    """Turns what may go wrong into one clear message and exit code 1."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (LauncherError, EmbeddedError) as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            if error.errno not in WHAT_TO_DO:
                raise
            where = f": {error.filename}" if error.filename else ""
            text = f"{error.strerror}{where}. {WHAT_TO_DO[error.errno]}"
            raise click.ClickException(text) from error


def to_data_directory(_context: object, _parameter: object, value: Path) -> DataDirectory:
    return DataDirectory(value.expanduser().absolute())


data_option = click.option(
    "--data-dir",
    "data",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT,
    callback=to_data_directory,
    help="Where the system keeps its data, secrets and logs.  [default: .tenon]",
)


@click.group(cls=Commands)
@click.version_option(package_name="tenon", prog_name="tenon", message="%(prog)s %(version)s")
def main() -> None:
    """Run the whole of Tenon on this machine: `up` starts it, `doctor` finds problems."""
    survive_any_encoding()


@main.command()
@click.option("--detach", is_flag=True, help="Return when it is ready, and leave it running.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
@click.option("--background", is_flag=True, hidden=True)
@click.option("--terminal/--no-terminal", default=None, hidden=True)
@data_option
def up(
    data: DataDirectory, port: int, *, detach: bool, background: bool, terminal: bool | None
) -> None:
    """Start the system and keep it running.

    On embedded servers, unless TENON_DATABASE_URL, TENON_REDIS_URL or TENON_SMTP_URL name others.
    """
    from tenon_embedded.ports import free_port
    from tenon_launcher.background import start_in_background

    port = port or free_port()
    if detach:
        options = [f"--data-dir={data.path}", f"--port={port}"]
        options.append("--terminal" if sys.stdout.isatty() else "--no-terminal")
        sys.exit(start_in_background(options, data))
    bring_up(data, port, Screen.of(os.environ, terminal=terminal), background=background)


def bring_up(data: DataDirectory, port: int, screen: Screen, *, background: bool) -> None:
    from tenon_launcher.background import let_go
    from tenon_launcher.backing import Backing
    from tenon_launcher.panel import ready_panel
    from tenon_launcher.run import Run

    def on_ready(url: str, backing: Backing, seconds: float) -> None:
        mailbox = backing.keeps_mail
        screen.say(
            ready_panel(url, data, screen, mailbox=mailbox, seconds=seconds, detached=background)
        )
        if background:
            let_go(data.log("launcher"))
            screen.live = screen.colour = False

    was_ready = asyncio.run(Run(data, port, os.environ, screen).until_stopped(on_ready))
    sys.exit(0 if was_ready else 130)


@main.command()
@data_option
def down(data: DataDirectory) -> None:
    """Stop the system; no process of it is left."""
    from tenon_launcher.panel import stop_report
    from tenon_launcher.stopping import stop_run

    started = time.monotonic()
    stop = stop_run(data)
    if stop is None:
        click.echo(f"Nothing runs on {data.path}")
    else:
        click.echo(stop_report(stop, time.monotonic() - started))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@data_option
def status(data: DataDirectory, *, as_json: bool) -> None:
    """Show its processes; exit code 1 if nothing runs."""
    from tenon_launcher.panel import rest_report, status_table
    from tenon_launcher.status import system_status

    found = system_status(data)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2))
    elif found.url is None:
        click.echo(rest_report(data))
    else:
        screen = Screen.of(os.environ)
        click.echo(f"{found.url}  ({data.path})\n\n{status_table(found.processes, screen)}")
        if told := data.full_disk():
            click.echo(f"\n{screen.paint(told, 'red')}")
    sys.exit(1 if found.url is None else 0)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@data_option
def doctor(data: DataDirectory, port: int, *, as_json: bool) -> None:
    """Look for what keeps it from working, and say what to do; exit code 1 if something does."""
    from tenon_launcher.doctor.examination import examine
    from tenon_launcher.doctor.report import report, worst

    findings = list(examine(data, port, os.environ))
    verdict = worst(findings)
    if as_json:
        found = [asdict(finding) for finding in findings]
        click.echo(json.dumps({"level": verdict, "findings": found}, indent=2))
    else:
        click.echo(report(findings, Screen.of(os.environ)))
    sys.exit(1 if verdict == "fail" else 0)


@main.command()
@click.option("-f", "--follow", "following", is_flag=True, help="Go on until interrupted.")
@click.argument("process", required=False)
@data_option
def logs(data: DataDirectory, process: str | None, *, following: bool) -> None:
    """Show the end of the logs."""
    from tenon_launcher.logs import show, tails

    for line in show(tails(data, process), following=following):
        click.echo(line)


def load_jobs() -> click.Command:
    from tenon_jobs.command import jobs
    from tenon_launcher.jobs import database_urls

    return with_data_dir(jobs, database_urls)


def load_users() -> click.Command:
    from tenon_auth.app import opened
    from tenon_auth.operators.command import users

    return with_data_dir(users, of_service("auth", opened))


def load_keys() -> click.Command:
    from tenon_launcher.keys import keys

    return with_data_dir(keys, lambda data: data)


def load_audit() -> click.Command:
    from tenon_tenancy.app import opened_logs
    from tenon_tenancy.audit_verification.command import audit

    return with_data_dir(audit, of_service("tenancy", opened_logs))


def load_usage() -> click.Command:
    from tenon_tenancy.app import opened_usage
    from tenon_tenancy.usage.command import usage

    return with_data_dir(usage, of_service("tenancy", opened_usage))


for imported in (
    ImportedCommand("audit", "Check the audit logs: verify, export, keys.", load_audit),
    ImportedCommand("jobs", "List, retry or set aside background jobs.", load_jobs),
    ImportedCommand("keys", "Show or replace signing and encryption keys.", load_keys),
    ImportedCommand("usage", "Print what each organization uses, for billing.", load_usage),
    ImportedCommand("users", "Create accounts, reset passwords, end sessions.", load_users),
):
    main.add_command(imported)


@main.command()
@click.option("--check", is_flag=True, help="Fail if ROUTES.md or openapi.json is not current.")
@click.option("--write", is_flag=True, help="Write both files.")
def routes(*, check: bool, write: bool) -> None:
    """Print every route and its rules."""
    from tenon_launcher.routes import check_files, documents, write_files

    if check:
        check_files(ROOT)
    elif write:
        write_files(ROOT)
    else:
        click.echo(documents()["ROUTES.md"], nl=False)


@main.command(context_settings=ANY_ARGUMENTS, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def test(arguments: tuple[str, ...]) -> None:
    """Run the tests; arguments are pytest's."""
    require_tools("pytest")
    os.chdir(ROOT)
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *arguments])  # noqa: S606 (ours)


@main.command(context_settings=ANY_ARGUMENTS, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(arguments: tuple[str, ...]) -> None:
    """Measure: --json, --only P1,P3."""
    from tenon_bench.command import main as measure

    measure(list(arguments))


@main.command()
def check() -> None:
    """Run linters, types, import rules."""
    from tenon_launcher.checks import run_checks

    require_tools("ruff")
    run_checks(ROOT)


def require_tools(module: str) -> None:
    if find_spec(module) is None:
        raise LauncherError("The tools for this are not installed. Run it as ./tenon, once.")
