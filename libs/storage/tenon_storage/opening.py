"""From the setting `…_STORAGE_URL` to a storage."""

from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from tenon_storage.file_storage import FileStorage
from tenon_storage.s3_storage import S3Storage
from tenon_storage.storage import Storage


def open_storage(url: str, link_key: bytes, public_url: str) -> Storage:
    """Open `file:///directory` or `s3://bucket/prefix?endpoint=https://…`; ValueError otherwise.

    `link_key` and `public_url` make the links of the file driver; S3 signs its own.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return FileStorage(Path(unquote(parts.path)), link_key, public_url)
    if parts.scheme == "s3" and parts.netloc:
        endpoint = parse_qs(parts.query).get("endpoint", [None])[0]
        return S3Storage(parts.netloc, parts.path, endpoint)
    raise ValueError("A storage URL is file:///directory or s3://bucket/prefix.")
