"""What `up`, `down` and `status` show to a person."""

from collections.abc import Mapping, Sequence

from tenon_launcher.data_directory import DataDirectory
from tenon_launcher.ending import Ending
from tenon_launcher.progress import Screen
from tenon_launcher.status import ProcessStatus
from tenon_launcher.stopping import Stop

COLOURS = {"running": "green", "hanging": "red", "restarting": "red"}


def ready_panel(
    url: str, data: DataDirectory, screen: Screen, *, mailbox: bool, seconds: float, detached: bool
) -> str:
    """Where everything is, and what to do next."""
    places = {"Address": url, "API documents": f"{url}/api/docs"}
    if mailbox:
        places["Mailbox"] = f"{url}/api/dev/mailbox"
    places["Data and logs"] = str(data.path)
    option = data.option()
    ends = "ends it" if detached else "ends it, as Ctrl-C does here"
    commands = {
        f"./tenon status{option}": "what runs, and whether it is well",
        f"./tenon logs -f{option}": "what it says",
        f"./tenon down{option}": ends,
    }
    title = screen.paint(f"Tenon is ready after {seconds:.1f} s", "green", bold=True)
    rows = {name: screen.paint(value, bold=name == "Address") for name, value in places.items()}
    lines = ["", f"  {title}", "", *table(rows), "", *table(commands)]
    return "\n".join([*lines, "", '  README.md, "The first five minutes", goes on from here.', ""])


def table(rows: Mapping[str, str]) -> list[str]:
    width = max(map(len, rows))
    return [f"    {name:<{width}}   {value}" for name, value in rows.items()]


def stop_report(stop: Stop, seconds: float) -> str:
    """What `down` did, and whom it had to kill."""
    lines = [f"Stopped after {seconds:.1f} s"]
    if stop.launcher_killed:
        lines.append("The launcher did not end in time and was killed, and all it had started.")
    if stop.ending is not None and stop.ending.killed:
        lines.append(f"Had to be killed: {', '.join(stop.ending.killed)}. Their logs may say why.")
    return "\n".join(lines)


def rest_report(data: DataDirectory) -> str:
    """That nothing runs, and why, if it ended by itself."""
    text = f"Nothing runs on {data.path}. `./tenon up{data.option()}` starts it."
    ending = Ending.load(data.ending)
    if ending is not None and ending.failure:
        text += f"\n\nThe last system ended by itself at {ending.time}:\n{ending.failure}"
    return text


def status_table(processes: Sequence[ProcessStatus], screen: Screen) -> str:
    """One line for each process."""
    lines = [f"  {'process':<22}{'pid':>8}  {'state':<12}{'ready':<7}{'memory':>9}{'restarts':>10}"]
    for one in processes:
        memory = f"{one.rss_bytes / 1e6:.0f} MB"
        state = screen.paint(f"{one.state:<12}", COLOURS.get(one.state))
        ready = screen.paint(f"{'yes' if one.ready else 'no':<7}", None if one.ready else "red")
        lines.append(
            f"  {one.name:<22}{one.pid or '-':>8}  {state}{ready}{memory:>9}{one.restarts:>10}"
        )
    return "\n".join(lines)
