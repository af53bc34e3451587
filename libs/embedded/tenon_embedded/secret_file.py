import os
import secrets
import string
from pathlib import Path

from tenon_embedded.errors import EmbeddedError

PASSWORD_BYTES = 32
PASSWORD_LENGTH = len(secrets.token_urlsafe(PASSWORD_BYTES))
PASSWORD_CHARACTERS = frozenset(string.ascii_letters + string.digits + "-_")


def is_password(text: str) -> bool:
    """Whether `kept_password` may have generated it."""
    return len(text) == PASSWORD_LENGTH and PASSWORD_CHARACTERS.issuperset(text)


def write_secret(path: Path, content: bytes) -> None:
    """Put `content` at `path`, mode 0600; after a crash it is there whole or not at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def kept_password(path: Path) -> str:
    """The password kept at `path`, generated the first time. EmbeddedError if it is damaged."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_secret(path, secrets.token_urlsafe(PASSWORD_BYTES).encode())
    password = path.read_text(errors="replace")
    if not is_password(password):
        raise EmbeddedError(f"{path} is damaged: it is not a password. Restore it from a backup.")
    return password
