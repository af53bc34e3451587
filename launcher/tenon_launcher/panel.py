"""What `up` and `status` show to a person."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from tenon_launcher.data_directory import DataDirectory
from tenon_launcher.status import ProcessStatus


def ready_panel(url: str, data: DataDirectory, default: Path, *, mailbox: bool) -> str:
    """Where everything is, and how it is stopped."""
    rows = {"Tenon is ready": url, "API documents": f"{url}/api/docs"}
    if mailbox:
        rows["Mailbox"] = f"{url}/api/dev/mailbox"
    rows["Data and logs"] = str(data.path)
    rows["To stop"] = f"./tenon down{data_option(data.path, default)}"
    width = max(len(name) for name in rows) + 2
    lines = [f"  {name:<{width}}{value}" for name, value in rows.items()]
    return "\n".join(["", *lines, ""])


def data_option(path: Path, default: Path) -> str:
    """The option that names the data directory to other commands; empty for the default."""
    return "" if path == default else f" --data-dir {shlex.quote(str(path))}"


def status_table(processes: Sequence[ProcessStatus]) -> str:
    """One line for each process."""
    lines = [f"  {'process':<22}{'pid':>8}  {'state':<12}{'ready':<7}{'memory':>9}{'restarts':>10}"]
    for one in processes:
        memory = f"{one.rss_bytes / 1e6:.0f} MB"
        ready = "yes" if one.ready else "no"
        lines.append(
            f"  {one.name:<22}{one.pid or '-':>8}  {one.state:<12}{ready:<7}{memory:>9}"
            f"{one.restarts:>10}"
        )
    return "\n".join(lines)
