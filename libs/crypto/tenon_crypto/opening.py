"""From the setting `…_KEYRING_URL` to a keyring."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from tenon_crypto.file_keyring import FileKeyring
from tenon_crypto.keyring import Keyring


def open_keyring(url: str) -> Keyring:
    """Open `file:///directory`; exit for anything else, or if there are no keys."""
    parts = urlsplit(url)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return FileKeyring(Path(unquote(parts.path)))
    raise SystemExit("a keyring's URL is file:///directory")
