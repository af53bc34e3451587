"""The operator commands of the services, as commands of the launcher.

A service defines its commands and takes what they work on as click's object. The launcher imports
them when they are called, so that `tenon up` does not keep the services in memory, and adds
--data-dir to each.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from copy import copy
from pathlib import Path
from typing import Any, TypeVar

import click
import psutil

from tenon_launcher.data_directory import DEFAULT, DataDirectory
from tenon_launcher.errors import LauncherError
from tenon_launcher.state import RunState

T = TypeVar("T")

Bind = Callable[[DataDirectory], object]
"""Makes the object that the commands take from the data directory of a system."""

DATA_DIRECTORY = "tenon.data_directory"


class ImportedCommand(click.Command):
    """A command or group that is imported when it is called."""

    def __init__(self, name: str, summary: str, load: Callable[[], click.Command]) -> None:
        super().__init__(name, help=summary)
        self.load = load

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        return self.load().make_context(info_name, args, parent, **extra)


def with_data_dir(command: click.Command, bind: Bind) -> click.Command:
    """Return the command, or the group and all of its commands, with the option --data-dir."""
    extended = copy(command)
    extended.params = [*command.params, data_dir_option(bind)]
    if isinstance(extended, click.Group):
        extended.commands = {
            name: with_data_dir(member, bind) for name, member in extended.commands.items()
        }
    return extended


def data_dir_option(bind: Bind) -> click.Option:
    def choose(context: click.Context, _parameter: click.Parameter, value: Path | None) -> None:
        if value is not None:
            context.meta[DATA_DIRECTORY] = DataDirectory(value.expanduser().absolute())
        if not isinstance(context.command, click.Group):
            context.obj = bind(context.meta.get(DATA_DIRECTORY) or DataDirectory(DEFAULT))

    return click.Option(
        ["--data-dir"],
        type=click.Path(path_type=Path, file_okay=False),
        callback=choose,
        expose_value=False,
        help="The data directory of the system to work on.  [default: .tenon]",
    )


def of_service(service: str, opened: Callable[[], AbstractAsyncContextManager[T]]) -> Bind:
    """Open what the commands work on with the settings of the service's running process."""

    def bind(data: DataDirectory) -> Callable[[], AbstractAsyncContextManager[T]]:
        def open_as_it_runs() -> AbstractAsyncContextManager[T]:
            os.environ.update(settings_of(data, service))
            return opened()

        return open_as_it_runs

    return bind


def settings_of(data: DataDirectory, service: str) -> Mapping[str, str]:
    """Return the environment that the service's process was started with.

    Raises LauncherError if it does not run, or belongs to another user.
    """
    running = RunState.load(data.state)
    if running is None:
        raise nothing_runs(data)
    (pid,) = (process.pid for process in running.processes if process.name == service)
    try:
        return psutil.Process(pid or 0).environ()
    except psutil.NoSuchProcess as error:
        raise LauncherError(
            f"{service} does not run at this moment. See `./tenon status{data.option()}`."
        ) from error
    except psutil.AccessDenied as error:
        raise LauncherError(
            "This system belongs to another user. Run the command as that user."
        ) from error


def nothing_runs(data: DataDirectory) -> LauncherError:
    return LauncherError(f"Nothing runs on {data.path}. Start it with `./tenon up{data.option()}`.")
