import os
import shutil
from pathlib import Path

import pytest

from tenon_crypto.file_keyring import INDEX, KEK, FileKeyring, add_key, create_keyring
from tenon_crypto.keyring import WrappedKey
from tenon_crypto.opening import open_keyring

KEY = bytes(range(32))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    create_keyring(tmp_path / "keyring")
    return tmp_path / "keyring"


async def test_unwraps_what_it_wrapped(directory: Path) -> None:
    wrapped = await FileKeyring(directory).wrap(KEY, b"row 1")
    assert KEY not in wrapped.ciphertext
    assert await FileKeyring(directory).unwrap([wrapped]) == [KEY]


async def test_the_newest_key_wraps_and_older_ones_unwrap(directory: Path) -> None:
    old = await FileKeyring(directory).wrap(KEY, b"")
    add_key(directory, KEK)
    keyring = FileKeyring(directory)
    new = await keyring.wrap(KEY, b"")
    assert new.kek > old.kek
    assert await keyring.unwrap([old, new]) == [KEY, KEY]


async def test_a_key_that_came_later_is_found_without_a_restart(directory: Path) -> None:
    running = FileKeyring(directory)
    add_key(directory, KEK)
    new = await FileKeyring(directory).wrap(KEY, b"")
    assert await running.unwrap([new]) == [KEY]


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


async def test_what_does_not_unwrap_spoils_nothing_else(directory: Path) -> None:
    keyring = FileKeyring(directory)
    good = await keyring.wrap(KEY, b"row 1")
    elsewhere = WrappedKey(good.kek, good.ciphertext, b"row 2")
    unknown = WrappedKey("no such key", good.ciphertext, b"row 1")
    cut = WrappedKey(good.kek, good.ciphertext[:11], b"row 1")
    assert await keyring.unwrap([elsewhere, good, unknown, cut]) == [None, KEY, None, None]


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


@pytest.mark.parametrize("url", ["", "vault://host/path", "file://host/keys", "keys"])
def test_another_url_stops_the_process(url: str) -> None:
    with pytest.raises(SystemExit, match="file:///directory"):
        open_keyring(url)


def test_a_url_opens_the_directory(directory: Path) -> None:
    assert isinstance(open_keyring(directory.as_uri()), FileKeyring)
