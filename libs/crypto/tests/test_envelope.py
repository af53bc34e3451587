from uuid import UUID

import pytest

from tenon_crypto.cells import Cell, Owner, OwnerKind, framed
from tenon_crypto.envelope import OVERHEAD_BYTES, DataKey, key_id_of
from tenon_crypto.errors import Undecryptable

OWNER = Owner(OwnerKind.USER, UUID(int=1))
CELL = Cell(OWNER, "auth", "users", "email", UUID(int=2))
KEY = DataKey(UUID(int=3), OWNER, bytes(32))

STORED = bytes.fromhex(
    "0100000000000000000000000000000003000102030405060708090a0b"
    "e9af52126585ee94b21437cb9e6cb3c8ff4dda524fed87602d4d0a30376f08"
)


def test_the_format_is_settled() -> None:
    """A value that an earlier version wrote: it must decrypt forever."""
    assert KEY.open(CELL, STORED) == b"ada@example.com"


def test_a_value_names_its_key() -> None:
    value = KEY.seal(CELL, b"ada")
    assert key_id_of(value) == KEY.id
    assert len(value) == OVERHEAD_BYTES + len("ada")


@pytest.mark.parametrize("value", [b"", b"\x01", b"\x02" + bytes(60), bytes(60), b"plain text"])
def test_what_is_no_encrypted_value_names_none(value: bytes) -> None:
    assert key_id_of(value) is None
    with pytest.raises(Undecryptable):
        KEY.open(CELL, value)


def test_an_empty_text_is_encrypted_too() -> None:
    assert KEY.open(CELL, KEY.seal(CELL, b"")) == b""


def test_no_two_lists_of_parts_are_framed_alike() -> None:
    lists = [(b"ab", b"c"), (b"a", b"bc"), (b"abc",), (b"abc", b""), (b"", b"abc"), ()]
    assert len({framed(*parts) for parts in lists}) == len(lists)
