"""`tenon keys`: the keys of all services, those that sign and those that encrypt."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager

import click

from tenon_auth import app as auth
from tenon_auth.operators.command import keys as signing
from tenon_launcher.data_directory import DataDirectory
from tenon_launcher.operators import of_service
from tenon_rotation import Level
from tenon_rotation.command import encryption
from tenon_rotation.operator import RotationOperator
from tenon_tenancy import app as tenancy

Opened = Callable[[], AbstractAsyncContextManager[RotationOperator]]

ENCRYPTING: Mapping[str, Opened] = {
    "auth": auth.opened_encryption,
    "tenancy": tenancy.opened_encryption,
}
SIGNING = "signing"
LEVELS = (SIGNING, *(one.value for one in Level))


@click.group()
def keys() -> None:
    """See and replace the keys that sign access tokens, and those that encrypt."""


@keys.command()
@click.option("--json", "as_json", is_flag=True, help="For programs: the keys that sign.")
@click.pass_obj
def status(data: DataDirectory, *, as_json: bool) -> None:
    """Show every key and what it is used for, and how far the last rotations are."""
    run(data, "auth", signing, auth.opened, "status", *(["--json"] if as_json else []))
    if not as_json:
        for service, opened in ENCRYPTING.items():
            click.echo(f"\n{service}")
            run(data, service, encryption, opened, "status")


@keys.command()
@click.option("--level", type=click.Choice(LEVELS), default=SIGNING, show_default=True)
@click.option("--service", type=click.Choice([*ENCRYPTING]), help="Only this one's.")
@click.option("--no-wait", is_flag=True, help="Return once it has begun.")
@click.pass_obj
def rotate(data: DataDirectory, level: str, service: str | None, *, no_wait: bool) -> None:
    """Replace keys: the one that signs, the data keys of all owners (data), those that wrap them
    (kek), or those that things are found by (index).
    """
    if level == SIGNING:
        run(data, "auth", signing, auth.opened, "rotate")
        return
    words = ["rotate", "--level", level, *(["--no-wait"] if no_wait else [])]
    for name in _having(level) if service is None else [service]:
        run(data, name, encryption, ENCRYPTING[name], *words)


def run(
    data: DataDirectory,
    service: str,
    commands: click.Group,
    opened: Callable[[], AbstractAsyncContextManager[object]],
    *words: str,
) -> None:
    """Run a service's own command."""
    commands.main(
        [*words], "tenon keys", standalone_mode=False, obj=of_service(service, opened)(data)
    )


def _having(level: str) -> Sequence[str]:
    """Name the services with keys of a level; auth alone can make its blind indexes anew."""
    return ["auth"] if level == Level.INDEX else [*ENCRYPTING]
