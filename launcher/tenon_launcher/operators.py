"""`tenon users` and `tenon keys`: the operator's commands of auth, with the settings of that which
runs.
"""

import os
from collections.abc import Mapping, Sequence

import psutil

from tenon_auth.app import opened
from tenon_auth.operators.command import GROUPS
from tenon_launcher.data_directory import DataDirectory
from tenon_launcher.errors import LauncherError
from tenon_launcher.state import RunState

OWNER = "auth"


def run(data: DataDirectory, group: str, arguments: Sequence[str]) -> None:
    """Do what the arguments say; raises LauncherError if auth does not run."""
    if arguments and "--help" not in arguments:
        os.environ.update(settings_of_auth(data))
    GROUPS[group].main([*arguments], prog_name=f"tenon {group}", obj=opened, standalone_mode=False)


def settings_of_auth(data: DataDirectory) -> Mapping[str, str]:
    """What its process was started with, as nobody else knows what `up` was told."""
    running = RunState.load(data.state)
    if running is None:
        raise LauncherError(
            f"Nothing runs on {data.path}. Start it with `./tenon up{data.option()}`."
        )
    (pid,) = (process.pid for process in running.processes if process.name == OWNER)
    try:
        return psutil.Process(pid or 0).environ()
    except psutil.NoSuchProcess as error:
        raise LauncherError(
            f"auth does not run at this moment; see `./tenon status{data.option()}`."
        ) from error
    except psutil.AccessDenied as error:
        raise LauncherError("This system is another user's. Do it as that user.") from error
