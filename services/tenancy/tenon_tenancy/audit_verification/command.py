"""The command line of whoever has to prove what happened: `python -m tenon_tenancy audit` and, by
the launcher, `tenon audit`.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict
from pathlib import Path
from typing import TypeAlias, TypeVar
from uuid import UUID

import click

from tenon_core.errors import TenonError
from tenon_tenancy.audit_checkpoints import documents
from tenon_tenancy.audit_checkpoints.models import LogKey
from tenon_tenancy.audit_events.models import ORGANIZATIONS, PERSONS
from tenon_tenancy.audit_verification.offline import BadFile, verify_files
from tenon_tenancy.audit_verification.service import AuditVerificationService
from tenon_tenancy.audit_verification.verification import Report

T = TypeVar("T")

Open: TypeAlias = Callable[[], AbstractAsyncContextManager[AuditVerificationService]]
"""The logs of a system, as an operator has it."""

FILE = click.Path(exists=True, path_type=Path)

org_option = click.option("--org", type=click.UUID, help="Only of this organization.")
user_option = click.option("--user", type=click.UUID, help="Only of this person.")


@click.group()
def audit() -> None:
    """Check the audit logs, and give them away for others to check."""


@audit.command()
@org_option
@user_option
@click.option("--export", type=FILE, help="Check this file, and no system: it needs none.")
@click.option("--checkpoints", type=FILE, help="For --export: a file or folder of checkpoints.")
@click.option("--key", type=FILE, help="For --export: audit-keys.json, or a public key in PEM.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def verify(
    opened: Open,
    org: UUID | None,
    user: UUID | None,
    export: Path | None,
    checkpoints: Path | None,
    key: Path | None,
    *,
    as_json: bool,
) -> None:
    """Say whether the logs are what they were, line by line and against signed checkpoints.

    Exits with 1 if something was edited, deleted, inserted, reordered or cut off. Lines after the
    last checkpoint are said to be not yet covered: their chain was looked at, but whoever can
    write to the database could have made it.
    """
    _require_together(export, checkpoints, key)
    if export:
        reports = _read(export, checkpoints, key)
    else:
        reports = _done(opened, lambda logs: _verified(logs, org, user))
    click.echo(_as_json(reports) if as_json else _as_text(reports))
    if any(report.findings for report in reports.values()):
        sys.exit(1)


@audit.command()
@org_option
@user_option
@click.option("--checkpoints", type=click.Path(path_type=Path), help="Write its checkpoints there.")
@click.option("--to", type=click.Path(path_type=Path), required=True, help="Write the log there.")
@click.pass_obj
def export(
    opened: Open, org: UUID | None, user: UUID | None, to: Path, checkpoints: Path | None
) -> None:
    """Write logs as JSON Lines, with positions and hashes."""
    _done(opened, lambda logs: _exported(logs, org, user, to, checkpoints))


@audit.command()
@click.pass_obj
def keys(opened: Open) -> None:
    """Show the public keys that checkpoints are signed with, as a JSON Web Key Set."""

    async def ask(logs: AuditVerificationService) -> str:
        return logs.public_key_set()

    click.echo(_done(opened, ask))


def _require_together(export: Path | None, checkpoints: Path | None, key: Path | None) -> None:
    if not export and (checkpoints or key):
        raise click.UsageError("--checkpoints and --key go with --export.")
    if bool(checkpoints) != bool(key):
        raise click.UsageError("Checkpoints are checked by the key that signed them: give both.")


def _read(log: Path, checkpoints: Path | None, key: Path | None) -> dict[str, Report]:
    try:
        return dict(verify_files(log, checkpoints, key))
    except BadFile as error:
        raise click.ClickException(str(error)) from error


async def _verified(
    logs: AuditVerificationService, org: UUID | None, user: UUID | None
) -> dict[str, Report]:
    return {str(key): await logs.verify(key) for key in await _chosen(logs, org, user)}


async def _exported(
    logs: AuditVerificationService,
    org: UUID | None,
    user: UUID | None,
    to: Path,
    checkpoints: Path | None,
) -> None:
    chosen = await _chosen(logs, org, user)
    with to.open("wb") as file:
        for key in chosen:
            async for line in logs.export(key):
                file.write(line)
    if checkpoints:
        with checkpoints.open("wb") as file:
            for key in chosen:
                async for checkpoint in logs.checkpoints(key):
                    file.write(documents.written(checkpoint))


async def _chosen(
    logs: AuditVerificationService, org: UUID | None, user: UUID | None
) -> list[LogKey]:
    named = [LogKey(ORGANIZATIONS, org)] if org else []
    named += [LogKey(PERSONS, user)] if user else []
    return named or [key async for key in logs.every()]


def _done(opened: Open, act: Callable[[AuditVerificationService], Awaitable[T]]) -> T:
    """Act on a loop of its own; what is refused is one clear message."""

    async def acted() -> T:
        async with opened() as logs:
            return await act(logs)

    try:
        return asyncio.run(acted())
    except TenonError as error:
        raise click.ClickException(error.detail) from error


def _as_json(reports: dict[str, Report]) -> str:
    said = [
        {"owner": owner, **asdict(report), "uncovered": report.uncovered}
        for owner, report in reports.items()
    ]
    return json.dumps(said, indent=2)


def _as_text(reports: dict[str, Report]) -> str:
    told = [line for owner, report in reports.items() for line in _told(owner, report)]
    broken = sum(bool(report.findings) for report in reports.values())
    lines = sum(report.lines for report in reports.values())
    told.append(f"{len(reports)} logs, {lines} lines: {f'{broken} BROKEN' if broken else 'whole'}")
    return "\n".join(told)


def _told(owner: str, report: Report) -> list[str]:
    covered = f"covered up to {report.covered}, {report.uncovered} lines not yet"
    if report.begins_after:
        covered = f"begins at {report.begins_after + 1} by retention; {covered}"
    if not report.findings:
        return [f"{owner}: whole, {report.lines} lines; {covered}"]
    return [
        f"{owner}: BROKEN, {report.lines} lines; {covered}",
        *(f"  line {finding.position}: {finding.problem}" for finding in report.findings),
    ]
