"""Every secret of a data directory, and what is wrong with those that are there."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tenon_core.key_file import KEY_BYTES
from tenon_embedded.secret_file import is_password
from tenon_launcher.data_directory import DataDirectory
from tenon_launcher.database_roles import Role, password_file
from tenon_launcher.plan import SERVICES

PRIVATE = 0o077
"""What others may not do with a secret."""
RESTORE = "Restore it from a backup, or name another directory with --data-dir."
MINIMUM_RSA_BITS = 2_048

Check = Callable[[bytes], str]
"""Returns what is wrong with the content of a file; empty if nothing is."""


@dataclass(frozen=True)
class Secret:
    """One file, or the files of a folder that match a pattern; `loss` is what depends on it."""

    path: Path
    check: Check
    loss: str
    pattern: str = ""

    def files(self) -> list[Path]:
        if self.pattern:
            return sorted(path for path in self.path.glob(self.pattern) if path.name[0] != ".")
        return [self.path] if self.path.exists() else []

    @property
    def name(self) -> Path:
        return self.path / self.pattern if self.pattern else self.path


@dataclass(frozen=True)
class Problem:
    text: str
    advice: str


def secrets_of(data: DataDirectory) -> Iterator[Secret]:
    """Yield the secrets that a system must have once it was started."""
    encrypted = "what its keys encrypt"
    for keyring in (data.keyring, data.tenancy_keyring):
        yield Secret(keyring, key_problem, encrypted, "*.kek")
        yield Secret(keyring, key_problem, "all look-ups by address", "*.index")
    yield Secret(data.link_key, key_problem, "links to files")
    yield Secret(data.address_key, key_problem, "the counters of rate limits")
    yield Secret(data.signing_keys, rsa_problem, "access tokens", "*.pem")
    yield Secret(data.checkpoint_keys, ed25519_problem, "the proof of the audit logs", "*.pem")
    for role in roles():
        yield Secret(password_file(data, role), password_problem, f"the log-in of {role.name}")
    for server in (data.postgres, data.valkey):
        if (server / "data").exists():  # it is embedded
            yield Secret(server / "password", password_problem, f"the log-in to {server.name}")


def roles() -> Iterator[Role]:
    for service in SERVICES:
        yield Role(service, "owner")
        yield Role(service, "app")


def secret_problems(data: DataDirectory) -> Iterator[Problem]:
    """Yield what is wrong with the secrets; nothing is missing where no system was started."""
    for secret in secrets_of(data):
        files = secret.files()
        if not files and data.is_initialized():
            yield Problem(f"{secret.name} is missing. It is needed for {secret.loss}", RESTORE)
        for file in files:
            yield from file_problems(file, secret.check)


def file_problems(file: Path, check: Check) -> Iterator[Problem]:
    try:
        mode, content = file.stat().st_mode, file.read_bytes()
    except OSError as error:
        yield Problem(f"{file} cannot be read ({error.strerror})", "Run as its owner.")
        return
    if mode & PRIVATE:
        yield Problem(f"Other users may read {file}", f"Run: chmod go= {file}")
    if problem := check(content):
        yield Problem(f"{file} {problem}", RESTORE)


def key_problem(content: bytes) -> str:
    return "" if len(content) == KEY_BYTES else f"has {len(content)} bytes instead of {KEY_BYTES}"


def password_problem(content: bytes) -> str:
    is_whole = is_password(content.decode(errors="replace"))
    return "" if is_whole else "is not a password that Tenon made"


def rsa_problem(content: bytes) -> str:
    key = private_key(content)
    if not isinstance(key, RSAPrivateKey):
        return "is not an RSA private key in PEM"
    return "" if key.key_size >= MINIMUM_RSA_BITS else f"has only {key.key_size} bits"


def ed25519_problem(content: bytes) -> str:
    is_key = isinstance(private_key(content), Ed25519PrivateKey)
    return "" if is_key else "is not an Ed25519 private key in PEM"


def private_key(content: bytes) -> object:
    """Return the key of a PEM file; None if it is damaged."""
    try:
        return load_pem_private_key(content, password=None)
    except (ValueError, TypeError):
        return None
