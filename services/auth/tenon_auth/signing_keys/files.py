"""Signing keys as files that all replicas share: `<kid>.pem`, whose names sort by age."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tenon_crypto.pem_keys import SUFFIX, add_pem_key

BITS = 2_048
EXPONENT = 65_537

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SigningKey:
    kid: str
    key: RSAPrivateKey


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold off whoever else would change the keys: a job and an operator, or two of them."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def names(directory: Path) -> list[str]:
    """Return the ids of the keys that are there, from oldest to newest."""
    return sorted(path.stem for path in directory.glob(f"[!.]*{SUFFIX}"))


def load(directory: Path, kid: str) -> SigningKey | None:
    """Read a key; None, and a warning in the log, for what is none."""
    try:
        key = load_pem_private_key((directory / f"{kid}{SUFFIX}").read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        log.warning("a signing key cannot be read", kid=kid, error=type(error).__name__)
        return None
    if not isinstance(key, RSAPrivateKey):
        log.warning("a signing key is no RSA private key", kid=kid)
        return None
    return SigningKey(kid, key)


def add(directory: Path) -> str:
    """Make a key that is newer than all; return its id."""
    return add_pem_key(directory, generate_private_key(public_exponent=EXPONENT, key_size=BITS))


def age_seconds(directory: Path, kid: str, now: float) -> float:
    return now - (directory / f"{kid}{SUFFIX}").stat().st_mtime


def remove(directory: Path, kid: str) -> None:
    (directory / f"{kid}{SUFFIX}").unlink(missing_ok=True)
