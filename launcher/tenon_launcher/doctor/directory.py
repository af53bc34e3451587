"""What the data directory holds."""

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tenon_embedded.certificates import RENEWAL, expiry
from tenon_launcher.data_directory import LAYOUT_VERSION, DataDirectory, describe_layout
from tenon_launcher.doctor.finding import Finding
from tenon_launcher.plan import PROCESSES

SUBJECT = "data directory"
PRIVATE = 0o077  # what others may not do


def directory(data: DataDirectory) -> Finding:
    path = data.path
    if not path.exists():
        return Finding.ok(SUBJECT, f"{path} is not there yet; `./tenon up{data.option()}` makes it")
    if not data.exists() and not data.version.exists():
        if not any(path.iterdir()):
            return Finding.ok(SUBJECT, f"{path} is empty")
        advice = "With --data-dir name a new or an empty one."
        return Finding.fail(SUBJECT, f"{path} holds something that is not Tenon's", advice)
    if os.geteuid() not in (0, path.stat().st_uid) or not os.access(path, os.W_OK):
        advice = "Run as its owner, or name a directory of your own with --data-dir."
        return Finding.fail(SUBJECT, f"{path} may not be written", advice)
    return layout(data)


def layout(data: DataDirectory) -> Finding:
    version = data.version.read_text().strip() if data.version.exists() else LAYOUT_VERSION
    if version == LAYOUT_VERSION:
        return Finding.ok(SUBJECT, f"{data.path}, layout {version}")
    text, _, advice = describe_layout(version).partition(". ")
    return Finding.fail(SUBJECT, f"{data.path} {text}", advice)


def secrets(data: DataDirectory) -> Iterator[Finding]:
    """Once a system was started: whether they are there, and private."""
    if not (data.postgres / "data").exists():
        return
    missing = list(missing_secrets(data))
    yield from missing
    open_ones = [str(path) for path in secret_files(data) if path.stat().st_mode & PRIVATE]
    if open_ones:
        advice = f"chmod go= {' '.join(open_ones)}"
        yield Finding.warn("secrets", "others may read some", advice)
    elif not missing:
        yield Finding.ok("secrets", "all are there, for their owner alone")


def missing_secrets(data: DataDirectory) -> Iterator[Finding]:
    if not (data.postgres / "password").exists():
        advice = "Put it back from a backup, or use another directory with --data-dir."
        yield Finding.fail("secrets", f"{data.postgres / 'password'} is gone", advice)
    if not data.link_key.exists() or not any(data.signing_keys.glob("*.pem")):
        advice = "The next `./tenon up` makes new ones; links to files and log-ins made before end."
        yield Finding.warn("secrets", f"keys in {data.secrets} are gone", advice)


def secret_files(data: DataDirectory) -> Iterator[Path]:
    for path in data.secrets.rglob("*"):
        if stat.S_ISREG(path.stat().st_mode):
            yield path


def certificates(data: DataDirectory) -> Finding | None:
    """The one that ends first; None before any was made."""
    if not (data.certificates / "ca.pem").exists():
        return None
    try:
        ends = min(expiry(data.certificates / f"{name}.pem") for name in ("ca", *PROCESSES))
    except (FileNotFoundError, ValueError):
        advice = f"The next `./tenon up{data.option()}` makes it again."
        return Finding.warn("certificates", "one is gone or damaged", advice)
    return judged(ends - datetime.now(UTC), f"valid until {ends:%Y-%m-%d}", data.option())


def judged(left: timedelta, text: str, option: str) -> Finding:
    advice = f"Restart the system to renew them: `./tenon down{option}`, `./tenon up{option}`."
    if left < timedelta():
        return Finding.fail("certificates", text, advice)
    if left < RENEWAL:
        return Finding.warn("certificates", text, advice)
    return Finding.ok("certificates", text)
