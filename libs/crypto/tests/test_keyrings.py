"""What every keyring promises, whichever it is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import pytest

from libs.crypto.tests.transit_double import TransitDouble
from tenon_crypto.file_keyring import FileKeyring, create_keyring
from tenon_crypto.keyring import KeyKind, Keyring, WrappedKey
from tenon_crypto.transit_client import TransitClient
from tenon_crypto.transit_keyring import TransitKeyring

KEY = bytes(range(32))
KEK, INDEX = KeyKind


class Start(Protocol):
    """Opens the keyring as a process does that was just started."""

    def __call__(self) -> Keyring: ...


@asynccontextmanager
async def file(directory: Path) -> AsyncIterator[Start]:
    create_keyring(directory / "keyring")
    yield lambda: FileKeyring(directory / "keyring")


@asynccontextmanager
async def transit(directory: Path) -> AsyncIterator[Start]:
    double = TransitDouble("tenon", "tenon-index")
    async with double.served(directory) as address:
        yield lambda: TransitKeyring(TransitClient(address), "tenon", look_seconds=0.0)


@pytest.fixture(params=[file, transit], ids=lambda one: one.__name__)
async def start(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Start]:
    async with request.param(tmp_path) as start:
        yield start


async def test_unwraps_what_it_wrapped(start: Start) -> None:
    wrapped = await start().wrap(KEY, b"row 1")
    assert KEY not in wrapped.ciphertext
    assert await start().unwrap([wrapped]) == [KEY]


async def test_the_newest_key_wraps_and_older_ones_unwrap(start: Start) -> None:
    running = start()
    old = await running.wrap(KEY, b"")
    name = await start().add(KEK)
    new = await running.wrap(KEY, b"")
    assert (new.kek, old.kek) == (name, (await running.keys(KEK))[0].name)
    assert await running.unwrap([old, new]) == [KEY, KEY]


async def test_a_key_that_came_later_is_found_without_a_restart(start: Start) -> None:
    running = start()
    await start().add(KEK)
    assert await running.unwrap([await start().wrap(KEY, b"")]) == [KEY]


async def test_what_does_not_unwrap_spoils_nothing_else(start: Start) -> None:
    keyring = start()
    good = await keyring.wrap(KEY, b"row 1")
    elsewhere = WrappedKey(good.kek, good.ciphertext, b"row 2")
    unknown = WrappedKey("no such key", good.ciphertext, b"row 1")
    cut = WrappedKey(good.kek, good.ciphertext[:11], b"row 1")
    assert await keyring.unwrap([elsewhere, good, unknown, cut]) == [None, KEY, None, None]


async def test_rewraps_under_the_current_key_what_unwraps(start: Start) -> None:
    keyring = start()
    old = await keyring.wrap(KEY, b"row 1")
    lost = WrappedKey(old.kek, old.ciphertext, b"row 2")
    name = await keyring.add(KEK)
    rewrapped, nothing = await keyring.rewrap([old, lost])
    assert rewrapped is not None
    assert (rewrapped.kek, nothing) == (name, None)
    assert await start().unwrap([rewrapped]) == [KEY]


async def test_a_retired_key_reads_no_more(start: Start) -> None:
    keyring = start()
    old = await keyring.wrap(KEY, b"")
    new = await keyring.add(KEK)
    await keyring.retire(KEK, old.kek)
    await keyring.retire(KEK, old.kek)
    assert [(key.name, key.current) for key in await keyring.keys(KEK)] == [(new, True)]
    assert await start().unwrap([old, await keyring.wrap(KEY, b"")]) == [None, KEY]


async def test_index_keys_are_the_same_for_everybody_and_replaced_beside_each_other(
    start: Start,
) -> None:
    running = start()
    (old,) = await running.macs(b"a@b.c")
    assert list(await start().macs(b"a@b.c")) == [old]
    assert (await running.macs(b"a@b.d"))[0].digest != old.digest
    name = await running.add(INDEX)
    new, still = await running.macs(b"a@b.c")
    assert (new.key, still) == (name, old)
    await running.retire(INDEX, old.key)
    assert list(await running.macs(b"a@b.c")) == [new]


async def test_an_index_key_wraps_nothing(start: Start) -> None:
    keyring = start()
    await keyring.add(INDEX)
    assert len(await keyring.keys(KEK)) == 1
