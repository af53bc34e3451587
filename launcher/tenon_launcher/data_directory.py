import os
import shlex
import shutil
from pathlib import Path

from tenon_embedded.secret_file import write_secret
from tenon_launcher.errors import UnusableData

LAYOUT_VERSION = "3"
LONGEST_LAYOUT = 10
MINIMUM_FREE_BYTES = 300_000_000
FULL_BYTES = 20_000_000  # with less, PostgreSQL cannot begin another WAL segment
LARGE_LOG_BYTES = 10_000_000


DEFAULT = Path(__file__).parents[2] / ".tenon"


class DataDirectory:
    """Where one system keeps all it has: data, secrets, logs and the state of its run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = path / "lock"
        self.version = path / "version"
        self.initialized = path / "initialized"
        self.state = path / "run" / "state.json"
        self.ending = path / "run" / "ending.json"
        self.secrets = path / "secrets"
        self.signing_keys = path / "secrets" / "signing-keys"
        self.checkpoint_keys = path / "secrets" / "checkpoint-keys"
        self.checkpoints = path / "checkpoints"
        self.keyring = path / "secrets" / "keyring"
        self.tenancy_keyring = path / "secrets" / "tenancy-keyring"
        self.link_key = path / "secrets" / "link.key"
        self.address_key = path / "secrets" / "address.key"
        self.certificates = path / "certificates"
        self.files = path / "files"
        self.logs = path / "logs"
        self.postgres = path / "postgres"
        self.valkey = path / "valkey"
        self.mail = path / "mail"

    def log(self, process: str) -> Path:
        return self.logs / f"{process}.log"

    def option(self) -> str:
        """Names it to a command of ours, after a space; empty if it is the default."""
        return "" if self.path == DEFAULT else f" --data-dir {shlex.quote(str(self.path))}"

    def exists(self) -> bool:
        return self.lock.exists()

    def is_initialized(self) -> bool:
        """Whether all secrets were made: a missing one is lost then, and must not be replaced.

        Directories from before this file was kept have logs or a database.
        """
        started = (self.initialized, self.log("auth"), self.log("gateway"))
        return any(path.exists() for path in started)

    def create(self) -> None:
        """Make its folders. Raises UnusableData if it is somebody else's or cannot be written."""
        try:
            self._require_ours()
            self._check_version()
            self._create_folders()
        except OSError as error:
            raise UnusableData(
                f"{self.path} cannot be used ({error.strerror}: {error.filename}). With --data-dir "
                "name a directory that you may write to."
            ) from error
        self._check_space()

    def rotate_logs(self) -> None:
        """Keep one earlier file of each log that grew large."""
        for log in self.logs.glob("*.log"):
            if log.stat().st_size > LARGE_LOG_BYTES:
                log.replace(log.with_suffix(".log.1"))

    def _require_ours(self) -> None:
        """Take over no folder that holds something else."""
        ours = self.lock.exists() or self.version.exists()
        if not ours and self.path.is_dir() and any(self.path.iterdir()):
            raise UnusableData(
                f"{self.path} is not empty and is no data directory of Tenon. With --data-dir name "
                "a new or an empty one."
            )

    def _create_folders(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        # As root, PostgreSQL runs as another user, who passes through but sees nothing else.
        self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
        private = (
            self.state.parent,
            self.signing_keys,
            self.checkpoint_keys,
            self.checkpoints,
            self.certificates,
            self.files,
            self.logs,
        )
        for folder in private:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.secrets.chmod(0o700)
        if not self.version.exists():
            write_secret(self.version, LAYOUT_VERSION.encode())
        self.lock.touch(mode=0o600)

    def layout(self) -> str:
        """The number of the layout as it is kept, which may be damaged."""
        if not self.version.exists():
            return LAYOUT_VERSION
        return self.version.read_text(errors="replace").strip()

    def _check_version(self) -> None:
        version = self.layout()
        if version != LAYOUT_VERSION:
            raise UnusableData(f"{self.path} {describe_layout(version)}")

    def free_bytes(self) -> int:
        """Of its disk, or of the one where it would be made."""
        there = next(folder for folder in (self.path, *self.path.parents) if folder.exists())
        return shutil.disk_usage(there).free

    def full_disk(self) -> str:
        """Says that the disk is full while a system runs, and what to do; empty if it is not."""
        if self.free_bytes() >= FULL_BYTES:
            return ""
        return f"The disk of {self.path} is full, and nothing can be written. Make room there."

    def _check_space(self) -> None:
        free = self.free_bytes()
        if free < MINIMUM_FREE_BYTES:
            raise UnusableData(
                f"Only {free / 1e6:.0f} MB are free on the disk of {self.path}, and a system needs "
                f"{MINIMUM_FREE_BYTES / 1e6:.0f} MB to start. Make room, or name another directory "
                "with --data-dir."
            )


def describe_layout(version: str) -> str:
    """What a layout that is not ours is, and what to do."""
    other = "or name another directory with --data-dir."
    if not (version.isdecimal() and len(version) < LONGEST_LAYOUT):
        return (
            f"has no readable layout number in {version[:20]!r}. Put it back from a backup, {other}"
        )
    if int(version) > int(LAYOUT_VERSION):
        return (
            f"has layout {version}, made by a newer Tenon; this one knows {LAYOUT_VERSION}. Update "
            f"this Tenon (git pull), {other}"
        )
    return (
        f"has layout {version}, made by an older Tenon; this one needs {LAYOUT_VERSION}. Use it "
        f"with the Tenon that made it, {other}"
    )
