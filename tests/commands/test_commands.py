"""Every command of `./tenon` works on a live system; a new command needs a check here."""

from collections.abc import Iterator
from importlib.metadata import version

import click
import pytest

from tenon_launcher.command import main
from tenon_launcher.operators import ImportedCommand
from tests.commands import launcher, services
from tests.commands.live import Live, run

CHECKS = {**launcher.CHECKS, **services.CHECKS}


def commands(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the words of each command that is no group."""
    if isinstance(command, ImportedCommand):
        command = command.load()
    if not isinstance(command, click.Group):
        yield " ".join(words)
        return
    for name, member in command.commands.items():
        yield from commands(member, (*words, name))


@pytest.mark.parametrize("command", sorted(commands(main)))
def test_a_command_works_on_a_live_system(command: str, live: Live) -> None:
    CHECKS[command](live)


@pytest.mark.parametrize("command", sorted(services.CHECKS))
def test_a_command_of_a_service_offers_the_data_directory(command: str) -> None:
    assert "--data-dir" in run(*command.split(), "--help").stdout


@pytest.mark.parametrize("command", ["jobs list", "keys status", "audit verify", "usage"])
def test_without_a_system_the_advice_names_its_data_directory(
    command: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = tmp_path_factory.getbasetemp() / "nowhere"
    refused = run(*command.split(), "--data-dir", str(data))
    assert refused.returncode == 1
    assert f"Start it with `./tenon up --data-dir {data}`" in refused.stderr


def test_the_version_is_shown() -> None:
    assert run("--version").stdout == f"tenon {version('tenon')}\n"
