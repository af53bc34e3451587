"""Everything that `tenon doctor` looks at, in its order."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from tenon_embedded.errors import EmbeddedError
from tenon_launcher.data_directory import DataDirectory
from tenon_launcher.doctor import directory, machine, processes
from tenon_launcher.doctor.finding import Finding
from tenon_launcher.doctor.own_servers import own_servers
from tenon_launcher.errors import LauncherError
from tenon_launcher.preflight import unknown_settings
from tenon_launcher.state import RunState

ELSEWHERE = ("Python", "memory", "descriptors", "port", directory.SUBJECT, "settings", "servers")

Looks = Callable[[], Finding | Iterable[Finding] | None]


def examine(data: DataDirectory, port: int, environment: Mapping[str, str]) -> Iterator[Finding]:
    """One look that fails does not keep the others from being taken."""
    run = RunState.load(data.state) if may_enter(data) else None
    looks: dict[str, Looks] = {
        "Python": machine.python,
        "disk": lambda: machine.disk(data),
        "memory": lambda: machine.memory(running=run is not None),
        "descriptors": machine.descriptors,
        "clock": lambda: machine.clock(data),
        "port": lambda: machine.port(port) if run is None else None,
        directory.SUBJECT: lambda: directory.directory(data),
        "secrets": lambda: directory.secrets(data),
        "certificates": lambda: directory.certificates(data),
        "processes": lambda: processes.running(data, run) if run else processes.at_rest(data),
        "settings": lambda: setting_names(environment),
        "servers": lambda: own_servers(environment),
    }
    if not may_enter(data):  # then one complaint is enough
        looks = {name: look for name, look in looks.items() if name in ELSEWHERE}
    for subject, look in looks.items():
        yield from taken(subject, look)


def setting_names(environment: Mapping[str, str]) -> Iterator[Finding]:
    for problem in unknown_settings(environment):
        yield Finding.fail("settings", problem, "Correct the name, or unset it.")


def may_enter(data: DataDirectory) -> bool:
    try:
        data.exists()
        data.state.exists()
    except OSError:
        return False
    return True


def taken(subject: str, look: Looks) -> list[Finding]:
    try:
        seen = look()
        return [seen] if isinstance(seen, Finding) else list(seen or ())
    except OSError as error:
        advice = "Run as the user who started the system, or give the file back to that user."
        text = f"cannot be looked at ({error.strerror}: {error.filename})"
        return [Finding.fail(subject, text, advice)]
    except (LauncherError, EmbeddedError) as error:
        return [Finding.fail(subject, str(error), "")]
