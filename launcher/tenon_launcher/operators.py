"""The operator's commands of services, with the settings of the process that runs."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

import click
import psutil

from tenon_launcher.data_directory import DataDirectory
from tenon_launcher.errors import LauncherError
from tenon_launcher.state import RunState

T = TypeVar("T")


def run(
    data: DataDirectory,
    service: str,
    commands: click.Command,
    opened: Callable[[], AbstractAsyncContextManager[T]],
    arguments: Sequence[str],
) -> None:
    """Do what the arguments say. LauncherError if the service does not run and is needed."""

    def opened_as_it_runs() -> AbstractAsyncContextManager[T]:
        os.environ.update(settings_of(data, service))
        return opened()

    name = f"tenon {commands.name}"
    commands.main([*arguments], prog_name=name, obj=opened_as_it_runs, standalone_mode=False)


def settings_of(data: DataDirectory, service: str) -> Mapping[str, str]:
    """What its process was started with, as nobody else knows what `up` was told."""
    running = RunState.load(data.state)
    if running is None:
        raise LauncherError(
            f"Nothing runs on {data.path}. Start it with `./tenon up{data.option()}`."
        )
    (pid,) = (process.pid for process in running.processes if process.name == service)
    try:
        return psutil.Process(pid or 0).environ()
    except psutil.NoSuchProcess as error:
        raise LauncherError(
            f"{service} does not run at this moment; see `./tenon status{data.option()}`."
        ) from error
    except psutil.AccessDenied as error:
        raise LauncherError("This system is another user's. Do it as that user.") from error
