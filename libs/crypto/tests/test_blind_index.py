from pathlib import Path

import pytest

from tenon_crypto.blind_index import BlindIndex
from tenon_crypto.file_keyring import INDEX, FileKeyring, add_key, create_keyring


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    create_keyring(tmp_path)
    return tmp_path


def index(directory: Path, *column: str) -> BlindIndex:
    return BlindIndex(FileKeyring(directory), *(column or ("auth", "logins", "email_index")))


async def test_the_same_value_is_found_in_every_process(directory: Path) -> None:
    assert await index(directory).terms(b"a@b.c") == await index(directory).terms(b"a@b.c")


async def test_another_value_or_column_gives_another_hash(directory: Path) -> None:
    places = (
        ("auth", "logins", "email_index"),
        ("auth", "logins", "name_index"),
        ("auth", "others", "email_index"),
        ("other", "logins", "email_index"),
        ("auth", "loginse", "mail_index"),
    )
    terms = [
        (await index(directory, *place).terms(value))[0].digest
        for place in places
        for value in (b"a@b.c", b"a@b.d", b"")
    ]
    assert len(set(terms)) == len(places) * 3


async def test_another_keyring_gives_another_hash(directory: Path, tmp_path: Path) -> None:
    create_keyring(tmp_path / "other")
    mine, theirs = await index(directory).terms(b"x"), await index(tmp_path / "other").terms(b"x")
    assert mine[0].digest != theirs[0].digest


async def test_while_a_key_is_replaced_both_are_looked_for(directory: Path) -> None:
    (old,) = await index(directory).terms(b"a@b.c")
    add_key(directory, INDEX)
    new, still = await index(directory).terms(b"a@b.c")
    assert still == old
    assert new.key > old.key
