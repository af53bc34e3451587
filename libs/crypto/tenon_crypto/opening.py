"""From the setting `…_KEYRING_URL` to a keyring."""

from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from tenon_crypto.file_keyring import FileKeyring
from tenon_crypto.keyring import Keyring

USAGE = "a keyring's URL is file:///directory, with ?settle_seconds=… where processes have copies"


def open_keyring(url: str) -> Keyring:
    """Open `file:///directory`; exit for anything else, or if there are no keys."""
    parts = urlsplit(url)
    options = parse_qs(parts.query)
    if parts.scheme != "file" or parts.netloc or not parts.path.startswith("/"):
        raise SystemExit(USAGE)
    return FileKeyring(Path(unquote(parts.path)), settle_seconds=_seconds(options))


def _seconds(options: dict[str, list[str]]) -> float:
    try:
        return float(options.get("settle_seconds", ["0"])[-1])
    except ValueError:
        raise SystemExit(USAGE) from None
