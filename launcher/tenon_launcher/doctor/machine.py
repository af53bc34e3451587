"""What the machine gives: Python, disk, memory, descriptors, a clock, the port."""

import resource
import sys
import time
from datetime import UTC, datetime

import psutil

from tenon_launcher.data_directory import MINIMUM_FREE_BYTES, DataDirectory
from tenon_launcher.doctor.finding import Finding
from tenon_launcher.errors import UnusablePort
from tenon_launcher.ports import check_port

PYTHONS = ((3, 11), (3, 14))  # from the first, before the second
COMFORTABLE_FREE_BYTES = 2_000_000_000
NEEDED_MEMORY_BYTES = 1_000_000_000
NEEDED_DESCRIPTORS = 1024


def python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if PYTHONS[0] <= sys.version_info[:2] < PYTHONS[1]:
        return Finding.ok("Python", f"{version}, {sys.executable}")
    advice = "Name a Python 3.11, 3.12 or 3.13 in TENON_PYTHON and remove .venv."
    return Finding.fail("Python", f"is {version}", advice)


def disk(data: DataDirectory) -> Finding:
    free = data.free_bytes()
    text = f"{free / 1e9:.1f} GB are free for {data.path}"
    if free < MINIMUM_FREE_BYTES:
        return Finding.fail("disk", text, "Make room, or name another directory with --data-dir.")
    if free < COMFORTABLE_FREE_BYTES:
        return Finding.warn("disk", text, "Make room before you load large files.")
    return Finding.ok("disk", text)


def memory(*, running: bool) -> Finding:
    available = psutil.virtual_memory().available
    text = f"{available / 1e9:.1f} GB are available"
    if available < NEEDED_MEMORY_BYTES and not running:
        return Finding.warn("memory", text, "The system needs about 1 GB: end other programs.")
    return Finding.ok("memory", text)


def descriptors() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    text = f"{soft:,} files and sockets may be open in a process"
    if soft == resource.RLIM_INFINITY or soft >= NEEDED_DESCRIPTORS:
        return Finding.ok("descriptors", "no limit" if soft == resource.RLIM_INFINITY else text)
    wanted = f"ulimit -n {NEEDED_DESCRIPTORS}"
    advice = f"Run `{wanted}` before `./tenon up`" + (
        "." if hard >= NEEDED_DESCRIPTORS else ", as root."
    )
    return Finding.warn("descriptors", text, advice)


def clock(data: DataDirectory) -> Finding:
    """Files from the future mean that it stands too early, and then certificates are not valid."""
    now = time.time()
    made = [path.stat().st_mtime for path in (data.lock, data.version) if path.exists()]
    text = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    if max(made, default=0.0) > now + 60:
        advice = "Set the clock of the machine (timedatectl set-ntp true)."
        return Finding.fail("clock", f"stands at {text}, before the data was made", advice)
    return Finding.ok("clock", text)


def port(number: int) -> Finding:
    """For a system that does not run."""
    try:
        check_port(number)
    except UnusablePort as error:
        text, _, advice = str(error).partition(". ")
        return Finding.fail("port", text, advice)
    return Finding.ok("port", f"{number} is free")
