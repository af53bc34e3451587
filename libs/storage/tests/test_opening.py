from pathlib import Path

import pytest

from tenon_storage.file_storage import FileStorage
from tenon_storage.opening import open_storage
from tenon_storage.s3_storage import S3Storage


def test_a_file_url_opens_a_directory(tmp_path: Path) -> None:
    opened = open_storage(f"file://{tmp_path}/new%20files", b"k", "http://localhost")
    assert isinstance(opened, FileStorage)
    assert (tmp_path / "new files").is_dir()


@pytest.mark.usefixtures("s3_environment")
def test_an_s3_url_opens_a_bucket() -> None:
    opened = open_storage("s3://files/tenon?endpoint=http://localhost:1", b"k", "http://localhost")
    assert isinstance(opened, S3Storage)


@pytest.mark.parametrize("url", ["", "/files", "file://host/files", "ftp://x/y", "s3:///x"])
def test_any_other_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="storage URL"):
        open_storage(url, b"k", "http://localhost")
