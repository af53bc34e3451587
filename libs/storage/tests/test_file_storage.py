import os
import sys
import time
from pathlib import Path

import pytest

from tenon_core.errors import StorageFull
from tenon_storage import file_storage
from tenon_storage.errors import StorageUnavailable
from tenon_storage.file_storage import INCOMING, STALE_SECONDS, FileStorage


def stored(directory: Path) -> list[str]:
    return [str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()]


async def test_an_unfinished_file_is_not_among_the_objects(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path, b"k", "http://localhost")
    async with storage.write("a/b.csv") as writer:
        await writer.write(b"x")
        assert all(name.startswith(INCOMING) for name in stored(tmp_path))
    assert stored(tmp_path) == ["a/b.csv"]


async def test_only_the_owner_may_read_a_file(tmp_path: Path) -> None:
    async with FileStorage(tmp_path, b"k", "http://localhost").write("a.csv"):
        pass
    assert (tmp_path / "a.csv").stat().st_mode & 0o777 == 0o600


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    FileStorage(tmp_path, b"k", "http://localhost")
    left, growing = tmp_path / INCOMING / "left", tmp_path / INCOMING / "growing"
    left.touch()
    growing.touch()
    long_ago = time.time() - STALE_SECONDS - 1
    os.utime(left, (long_ago, long_ago))
    FileStorage(tmp_path, b"k", "http://localhost")
    assert stored(tmp_path) == [f"{INCOMING}/growing"]


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is a full disk of Linux")
async def test_a_full_disk_is_reported_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = FileStorage(tmp_path, b"k", "http://localhost")
    monkeypatch.setattr(file_storage, "_create", lambda _: Path("/dev/full").open("wb"))  # noqa: SIM115 # the writer closes it
    with pytest.raises(StorageFull):
        async with storage.write("a.csv") as writer:
            await writer.write(b"x")
    assert stored(tmp_path) == []


async def test_a_failing_disk_is_told_as_unavailable(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path, b"k", "http://localhost")
    (tmp_path / "a").touch()  # where a directory would have to be
    with pytest.raises(StorageUnavailable):
        async with storage.write("a/b.csv"):
            pass
    assert stored(tmp_path) == ["a"]
