"""The command line of an operator: `python -m tenon_auth users | keys` and, by the launcher,
`tenon users | keys`.

No secret is an argument: those are for everybody on the machine to see.
"""

import asyncio
import json
import os
import pwd
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import TypeVar

import click

from tenon_auth.operators.opened import Open, Opened
from tenon_auth.signing_keys.rotation import KeyStatus, RotatedLately
from tenon_auth.users.models import User
from tenon_core.errors import TenonError

T = TypeVar("T")

HOUR_SECONDS = 3_600
DAY_SECONDS = 86_400

from_stdin_option = click.option(
    "--password-stdin",
    "from_stdin",
    is_flag=True,
    help="Take the password from the first line of the standard input; else you are asked for it.",
)


@click.group()
def users() -> None:
    """Make accounts, replace passwords, end sessions. All of it is on record."""


@users.command()
@click.argument("email")
@click.option("--name", required=True, help="What the user is called.")
@from_stdin_option
@click.pass_obj
def create(opened: Open, email: str, name: str, *, from_stdin: bool) -> None:
    """Make an account, however sign-up is set. The address counts as verified."""
    password = _password(from_stdin=from_stdin)

    async def make(tenon: Opened) -> User:
        return await tenon.accounts.create_user(_operator(), email, name, password)

    user = _recorded(opened, make)
    click.echo(f"{user.email} has an account: users/{user.id}")


@users.command()
@click.argument("email")
@click.option("--set", "by_hand", is_flag=True, help="Set another one, and end all sessions.")
@from_stdin_option
@click.pass_obj
def reset_password(opened: Open, email: str, *, by_hand: bool, from_stdin: bool) -> None:
    """Mail a link by which the user chooses another password.

    With --set or --password-stdin you choose it, nothing but a notice is mailed, and all sessions
    end.
    """
    if not by_hand and not from_stdin:
        _recorded(opened, lambda tenon: tenon.accounts.mail_reset(_operator(), email))
        click.echo(f"A link is mailed to {email}. The password is good until it is used.")
        return
    new = _password(from_stdin=from_stdin)
    _recorded(opened, lambda tenon: tenon.accounts.set_password(_operator(), email, new))
    click.echo(f"{email} has the new password, and no session any more.")


@users.command()
@click.argument("email")
@click.pass_obj
def end_sessions(opened: Open, email: str) -> None:
    """End all sessions of a user, on every device; within a second nobody takes them any more."""
    _recorded(opened, lambda tenon: tenon.accounts.end_sessions(_operator(), email))
    click.echo(f"{email} has no session any more.")


@click.group()
def keys() -> None:
    """See and replace the keys that sign access tokens."""


@keys.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def status(opened: Open, *, as_json: bool) -> None:
    """Show every key, from oldest to newest, and what it is used for."""

    async def ask(tenon: Opened) -> list[KeyStatus]:
        return tenon.signing_keys.status()

    found = _done(opened, ask)
    if as_json:
        click.echo(json.dumps([asdict(key) for key in found], indent=2))
    else:
        click.echo("\n".join(f"{key.kid}  {_age(key.age_seconds):>6}  {key.use}" for key in found))


@keys.command()
@click.pass_obj
def rotate(opened: Open) -> None:
    """Add a key, which signs two minutes later. The one before it stays for old tokens."""
    try:
        kid = _recorded(opened, lambda tenon: tenon.signing_keys.rotate(_operator()))
    except RotatedLately as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(
            f"The keys cannot be written here ({error.strerror}): put a newer one there by your own"
            " means, as services/auth/README.md says."
        ) from error
    click.echo(f"{kid} signs soon.")


GROUPS: Mapping[str, click.Group] = {"users": users, "keys": keys}


def _recorded(opened: Open, act: Callable[[Opened], Awaitable[T]]) -> T:
    """Do what goes on record, unless there is nowhere to record it."""

    async def act_on_record(tenon: Opened) -> T:
        await _require_database(tenon)
        return await act(tenon)

    return _done(opened, act_on_record)


def _done(opened: Open, act: Callable[[Opened], Awaitable[T]]) -> T:
    """Act on a loop of its own; what is refused is one clear message."""

    async def acted() -> T:
        async with opened() as tenon:
            return await act(tenon)

    try:
        return asyncio.run(acted())
    except TenonError as error:
        raise click.ClickException(_told(error)) from error


async def _require_database(tenon: Opened) -> None:
    try:
        await tenon.database.check()
    except TenonError as error:
        raise click.ClickException(f"The database does not answer: {error.detail}") from error


def _told(error: TenonError) -> str:
    if not error.fields:
        return error.detail
    return " ".join(f"The {field.pointer.lstrip('/')} {field.message}." for field in error.fields)


def _password(*, from_stdin: bool) -> str:
    """Ask for a password, twice, or take it from the standard input."""
    if from_stdin:
        return _first_line(sys.stdin.buffer.readline())
    if not sys.stdin.isatty():
        raise click.UsageError(
            "There is no terminal to ask for the password on: give it by --password-stdin."
        )
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password


def _first_line(line: bytes) -> str:
    try:
        return line.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise click.UsageError("The password on the standard input is not UTF-8.") from None


def _operator() -> str:
    """Return who is at the command line: the user of the machine, or its number without a name."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _age(seconds: float) -> str:
    for unit, length in (("d", DAY_SECONDS), ("h", HOUR_SECONDS)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds) / 60:.0f} min"
