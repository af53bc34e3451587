import os
import shutil
from pathlib import Path

import pytest

from tenon_crypto.file_keyring import INDEX, KEK, FileKeyring, add_key, create_keyring
from tenon_crypto.opening import open_keyring

KEY = bytes(range(32))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    create_keyring(tmp_path / "keyring")
    return tmp_path / "keyring"


async def test_a_new_key_only_reads_until_all_copies_have_it(directory: Path) -> None:
    copy = directory.with_name("copy")
    shutil.copytree(directory, copy)
    here, there = (FileKeyring(one, settle_seconds=60.0) for one in (directory, copy))
    name = add_key(directory, KEK)
    wrapped = await here.wrap(KEY, b"")
    assert wrapped.kek != name
    assert await there.unwrap([wrapped]) == [KEY]
    shutil.copy(directory / f"{name}.{KEK}", copy)
    for one in (directory, copy):
        os.utime(one / f"{name}.{KEK}", (0, 0))
        one.touch()
    wrapped = await here.wrap(KEY, b"")
    assert wrapped.kek == name
    assert await there.unwrap([wrapped]) == [KEY]


async def test_a_retired_key_reads_for_who_knew_it_and_after_it_was_put_back(
    directory: Path,
) -> None:
    running = FileKeyring(directory)
    old = await running.wrap(KEY, b"")
    await running.add(KEK)
    await running.retire(KEK, old.kek)
    assert [key.name for key in await running.keys(KEK)] > [old.kek]
    assert await running.unwrap([old]) == [KEY]
    started = FileKeyring(directory)
    assert await started.unwrap([old]) == [None]
    retired = directory / f"{old.kek}.{KEK}-retired"
    retired.rename(directory / f"{old.kek}.{KEK}")
    assert await started.unwrap([old]) == [KEY]


def test_keys_are_for_their_owner_alone(directory: Path) -> None:
    assert directory.stat().st_mode & 0o777 == 0o700
    files = list(directory.iterdir())
    assert {path.suffix for path in files} == {".kek", ".index"}
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_making_it_again_changes_nothing(directory: Path) -> None:
    before = sorted(directory.iterdir())
    create_keyring(directory)
    assert sorted(directory.iterdir()) == before


@pytest.mark.parametrize("kind", [KEK, INDEX])
def test_a_missing_kind_stops_the_process(directory: Path, kind: str) -> None:
    for path in directory.glob(f"*.{kind}"):
        path.unlink()
    with pytest.raises(SystemExit, match="from its backup"):
        FileKeyring(directory)


def test_a_file_that_is_no_key_stops_the_process(directory: Path) -> None:
    (directory / f"cut.{KEK}").write_bytes(b"short")
    with pytest.raises(SystemExit, match="has not 32 bytes"):
        FileKeyring(directory)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "keys",
        "file://host/keys",
        "file:///keys?settle_seconds=soon",
        "vault://host/transit/key?token_file=/token",
        "vault+https://host/transit/key",
        "vault+https://host/key?token_file=/token",
        "vault+https://me:secret@host/transit/key?token_file=/token",
    ],
)
def test_another_url_stops_the_process(url: str) -> None:
    with pytest.raises(SystemExit, match="file:///directory") as stopped:
        open_keyring(url)
    assert "secret" not in str(stopped.value)


def test_a_url_opens_the_directory(directory: Path) -> None:
    assert isinstance(open_keyring(directory.as_uri()), FileKeyring)
