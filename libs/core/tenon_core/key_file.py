"""Keys of random bytes in files, which several processes share."""

from pathlib import Path

KEY_BYTES = 32


def read_key(path: Path) -> bytes:
    """Return the key; exit with a clear message if it is missing or has not 32 bytes."""
    try:
        key = path.read_bytes()
    except OSError as error:
        raise SystemExit(f"{path} cannot be read ({error.strerror}). {ADVICE}") from error
    if len(key) != KEY_BYTES:
        raise SystemExit(f"{path} has {len(key)} bytes instead of {KEY_BYTES}. {ADVICE}")
    return key


ADVICE = f"Restore it from its backup; a new system needs {KEY_BYTES} random bytes there."
