"""The unprivileged user as whom a server runs that refuses to run as root."""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tenon_embedded.errors import NoAccount

# Lets a user who may not enter a directory, such as /root, pass through it all the same. The
# second is for containers whose root has no more than that.
CAPABILITIES = ("dac_read_search", "dac_override")

SWITCH = """
import os, sys
uid, gid = int(sys.argv[1]), int(sys.argv[2])
os.setgroups([])
os.setgid(gid)
os.setuid(uid)
os.execv(sys.argv[3], sys.argv[3:])
"""


@dataclass(frozen=True)
class Account:
    """Who owns a server's files, and the arguments that run a program as that user."""

    uid: int
    gid: int
    prefix: tuple[str, ...]


def account_for(directory: Path, program: Path) -> Account:
    """Who can run `program` on the files in `directory`, which becomes theirs. Raises NoAccount."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), ())
    uid, gid = unprivileged_owner(directory)
    os.chown(directory, uid, gid)
    for prefix in ways_to_become(uid, gid):
        if works(prefix, directory, program):
            return Account(uid, gid, prefix)
    raise NoAccount(
        f"Root must run {program.name} as another user, and user {uid} can enter neither "
        f"{directory} nor {program.parent}. Use directories outside of private ones such as /root, "
        "or run as an ordinary user."
    )


def unprivileged_owner(directory: Path) -> tuple[int, int]:
    """The owner the directory has already, or `nobody`."""
    status = directory.stat()
    if status.st_uid != 0:
        return status.st_uid, status.st_gid
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        return 65534, 65534
    return nobody.pw_uid, nobody.pw_gid


def ways_to_become(uid: int, gid: int) -> Iterator[tuple[str, ...]]:
    """From the least privilege to the most."""
    yield (sys.executable, "-I", "-S", "-c", SWITCH, str(uid), str(gid))
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return
    user = (setpriv, f"--reuid={uid}", f"--regid={gid}", "--clear-groups")
    for capability in CAPABILITIES:
        yield (
            *user,
            "--securebits=+no_setuid_fixup",  # or else access(2) disregards the capability
            f"--inh-caps=+{capability}",
            f"--ambient-caps=+{capability}",
        )


def works(prefix: tuple[str, ...], directory: Path, program: Path) -> bool:
    trial = 'test -w "$1" && exec "$0" --version'
    finished = subprocess.run(
        [*prefix, "/bin/sh", "-c", trial, str(program), str(directory)],
        check=False,
        capture_output=True,
        cwd="/",
    )
    return finished.returncode == 0
