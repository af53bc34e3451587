"""What the data directory holds."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from tenon_embedded.certificates import RENEWAL, expiry
from tenon_launcher.data_directory import LAYOUT_VERSION, DataDirectory, describe_layout
from tenon_launcher.doctor.finding import Finding
from tenon_launcher.plan import PROCESSES
from tenon_launcher.secret_files import secret_problems

SUBJECT = "data directory"


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
    version = data.layout()
    if version == LAYOUT_VERSION:
        return Finding.ok(SUBJECT, f"{data.path}, layout {version}")
    text, _, advice = describe_layout(version).partition(". ")
    return Finding.fail(SUBJECT, f"{data.path} {text}", advice)


def secrets(data: DataDirectory) -> Iterator[Finding]:
    """Once a system was started: whether they are there, whole and private."""
    if not data.is_initialized():
        return
    found = list(secret_problems(data))
    yield from (Finding.fail("secrets", problem.text, problem.advice) for problem in found)
    if not found:
        yield Finding.ok("secrets", "all are there, for their owner alone")


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
