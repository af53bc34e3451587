"""`python -m tenon_<service> encryption status | rotate`, and by the launcher `tenon keys`."""

import asyncio
import json
import os
import pwd
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict
from typing import Any, TypeAlias, TypeVar

import click

from tenon_core.errors import TenonError
from tenon_crypto.keyring import KeyInfo, KeyringReadOnly
from tenon_rotation.models import Level, Rotation, State
from tenon_rotation.operator import LevelStatus, RotationOperator

T = TypeVar("T")

POLL_SECONDS = 0.5

Open: TypeAlias = Callable[[], AbstractAsyncContextManager[RotationOperator]]


@click.group()
def encryption() -> None:
    """See and replace the keys that personal data and secrets are encrypted with."""


@encryption.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def status(opened: Open, *, as_json: bool) -> None:
    """Show the keyring's keys, and the last rotation of each level."""

    async def ask() -> list[LevelStatus]:
        async with opened() as operator:
            return await operator.status()

    found = _done(ask)
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=2, default=str))
    else:
        click.echo("\n".join(line for one in found for line in _lines(one)))


@encryption.command()
@click.option(
    "--level", type=click.Choice([one.value for one in Level]), default="data", show_default=True
)
@click.option("--no-wait", is_flag=True, help="Return once it has begun.")
@click.pass_obj
def rotate(opened: Open, level: str, *, no_wait: bool) -> None:
    """Replace the keys of all owners (data), what wraps them (kek), or what finds things
    (index). The service's worker does it, also if you do not wait.
    """

    async def act() -> Rotation:
        async with opened() as operator:
            if Level(level) not in operator.levels:
                raise click.ClickException(f"{operator.service} has no keys of this level.")
            rotation = await operator.rotate(Level(level), _operator())
            return rotation if no_wait else await _watched(operator, rotation)

    if _done(act).state is State.FAILED:
        raise click.ClickException(
            "Something does not decrypt, and keeps its old key: see the log."
        )


async def _watched(operator: RotationOperator, rotation: Rotation) -> Rotation:
    """Show how far it is until it has ended."""
    while True:
        click.echo(f"\r{operator.service} {_told(rotation)}", nl=False)
        if rotation.state is not State.RUNNING:
            click.echo()
            return rotation
        await asyncio.sleep(POLL_SECONDS)
        rotation = await operator.progress(rotation.level) or rotation


def _done(act: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Act on a loop of its own; what is refused is one clear message."""
    try:
        return asyncio.run(act())
    except TenonError as error:
        raise click.ClickException(error.detail) from error
    except KeyringReadOnly as error:
        raise click.ClickException(
            f"No key can be added here ({error}). Add one by other means: within a day it is used."
        ) from error


def _operator() -> str:
    """Return who is at the command line: the user of the machine, or its number without a name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _lines(found: LevelStatus) -> list[str]:
    last = _told(found.rotation) if found.rotation else "never rotated"
    keys = [f"       {key.name}  {key.create_time:%Y-%m-%d}  {_use(key)}" for key in found.keys]
    return [f"{found.level:<6} {last}", *keys]


def _use(key: KeyInfo) -> str:
    return "writes" if key.current else "reads"


def _told(rotation: Rotation) -> str:
    share = f"{rotation.done:,} of {rotation.total:,}"
    left = f", {rotation.left:,} not to be decrypted" if rotation.left else ""
    since = f"since {rotation.create_time:%F %R}"
    return f"{rotation.level} keys: {rotation.state}, {share}{left}, {since}"
