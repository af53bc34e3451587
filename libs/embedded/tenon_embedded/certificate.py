from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class Certificate:
    """Paths of PEM files: the certificate, its private key, and the authority to check peers by."""

    cert: Path
    key: Path
    ca: Path

    @classmethod
    def within(cls, directory: Path, name: str) -> Self:
        """Where the authority of a directory keeps what it issued for a name."""
        return cls(directory / f"{name}.pem", directory / f"{name}.key", directory / "ca.pem")
