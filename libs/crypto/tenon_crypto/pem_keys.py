"""Private keys that sign, as files `<name>.pem` of a directory, mode 0600; names sort by age."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tenon_core.ids import uuid7

SUFFIX = ".pem"


def add_pem_key(directory: Path, key: Ed25519PrivateKey | RSAPrivateKey) -> str:
    """Keep a key that is newer than all others; return its name. After a crash it is there whole
    or not at all.
    """
    name = str(uuid7())
    unfinished = directory / f".{name}"
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(directory / f"{name}{SUFFIX}")
    return name
