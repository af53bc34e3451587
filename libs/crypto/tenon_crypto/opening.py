"""From the setting `…_KEYRING_URL` to a keyring."""

from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from tenon_crypto.file_keyring import FileKeyring
from tenon_crypto.keyring import Keyring

USAGE = (
    "a keyring's URL is file:///directory, with ?settle_seconds=… where processes have copies, or"
    " vault+https://host/mount/key?token_file=/path, with &ca_file=/path for an authority of your"
    " own"
)


def open_keyring(url: str) -> Keyring:
    """Open a directory or Vault's Transit engine; exit for anything else, or if a directory has no
    keys.
    """
    parts = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return _directory(parts, options)
    named = parts.hostname and "@" not in parts.netloc
    if parts.scheme == "vault+https" and named and "token_file" in options:
        return _transit(parts, options)
    raise SystemExit(USAGE)


def _directory(parts: SplitResult, options: dict[str, str]) -> FileKeyring:
    try:
        seconds = float(options.get("settle_seconds", "0"))
    except ValueError:
        raise SystemExit(USAGE) from None
    return FileKeyring(Path(unquote(parts.path)), settle_seconds=seconds)


def _transit(parts: SplitResult, options: dict[str, str]) -> Keyring:
    from tenon_crypto.transit_client import TransitAddress, TransitClient  # where Vault is used
    from tenon_crypto.transit_keyring import TransitKeyring

    mount, _, name = unquote(parts.path).strip("/").rpartition("/")
    if not (mount and name):
        raise SystemExit(USAGE)
    authority = Path(options["ca_file"]) if "ca_file" in options else None
    address = TransitAddress(
        f"https://{parts.netloc}", mount, Path(options["token_file"]), authority
    )
    return TransitKeyring(TransitClient(address), name)
