import os
import shutil
from pathlib import Path

from tenon_launcher.errors import UnusableData

LAYOUT_VERSION = "2"
MINIMUM_FREE_BYTES = 300_000_000
LARGE_LOG_BYTES = 10_000_000


class DataDirectory:
    """Where one system keeps all it has: data, secrets, logs and the state of its run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = path / "lock"
        self.version = path / "version"
        self.state = path / "run" / "state.json"
        self.secrets = path / "secrets"
        self.signing_keys = path / "secrets" / "signing-keys"
        self.keyring = path / "secrets" / "keyring"
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

    def exists(self) -> bool:
        return self.lock.exists()

    def create(self) -> None:
        """Make its folders. Raises UnusableData if it is somebody else's or cannot be written."""
        self._require_ours()
        try:
            self._create_folders()
        except OSError as error:
            raise UnusableData(
                f"{self.path} cannot be used ({error.strerror}: {error.filename}). With --data-dir "
                "name a directory that you may write to."
            ) from error
        self._check_version()
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
        private = (self.state.parent, self.signing_keys, self.certificates, self.files, self.logs)
        for folder in private:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.secrets.chmod(0o700)
        self.lock.touch(mode=0o600)

    def _check_version(self) -> None:
        if not self.version.exists():
            self.version.write_text(LAYOUT_VERSION)
        version = self.version.read_text().strip()
        if version != LAYOUT_VERSION:
            raise UnusableData(
                f"{self.path} has layout {version}, this Tenon needs {LAYOUT_VERSION}. Use the "
                "Tenon that made it, or another directory with --data-dir."
            )

    def _check_space(self) -> None:
        free = shutil.disk_usage(self.path).free
        if free < MINIMUM_FREE_BYTES:
            raise UnusableData(
                f"Only {free / 1e6:.0f} MB are free on the disk of {self.path}, and a system needs "
                f"{MINIMUM_FREE_BYTES / 1e6:.0f} MB to start. Make room, or name another directory "
                "with --data-dir."
            )
