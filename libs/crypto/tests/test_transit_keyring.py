"""What is Vault's own; test_keyrings.py has the rest."""

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from libs.crypto.tests.transit_double import TOKEN, TransitDouble
from tenon_core.errors import Unavailable
from tenon_crypto.keyring import KeyKind, KeyringReadOnly
from tenon_crypto.opening import open_keyring
from tenon_crypto.transit_client import TransitAddress, TransitClient
from tenon_crypto.transit_keyring import TransitKeyring
from tenon_testing.waiting import eventually

KEY = bytes(range(32))
KEK, INDEX = KeyKind


@pytest.fixture
def vault() -> TransitDouble:
    return TransitDouble("tenon", "tenon-index")


@pytest.fixture
async def address(vault: TransitDouble, tmp_path: Path) -> AsyncIterator[TransitAddress]:
    async with vault.served(tmp_path) as address:
        yield address


def opened(address: TransitAddress, *, look_seconds: float = 30.0) -> TransitKeyring:
    return TransitKeyring(TransitClient(address), "tenon", look_seconds=look_seconds)


async def test_a_url_opens_it(address: TransitAddress) -> None:
    host = urlsplit(address.url).netloc
    query = f"token_file={address.token_file}&ca_file={address.ca_file}"
    keyring = open_keyring(f"vault+https://{host}/transit/tenon?{query}")
    assert await keyring.unwrap([await keyring.wrap(KEY, b"")]) == [KEY]


async def test_many_keys_take_one_request(vault: TransitDouble, address: TransitAddress) -> None:
    keyring = opened(address)
    wrapped = [await keyring.wrap(bytes([number]) * 32, b"") for number in range(20)]
    vault.asked.clear()
    assert len(await keyring.unwrap(wrapped)) == 20
    assert vault.asked == ["POST decrypt/tenon"]


async def test_the_versions_are_in_the_order_of_their_numbers(
    vault: TransitDouble, address: TransitAddress
) -> None:
    keyring = opened(address, look_seconds=0.0)
    for _ in range(10):
        vault.keys["tenon-index"].rotate()
    names = [mac.key for mac in await keyring.macs(b"")]
    assert names == [f"vault:v{version}" for version in range(11, 0, -1)]


async def test_another_token_is_used_without_a_restart(
    vault: TransitDouble, address: TransitAddress
) -> None:
    keyring = opened(address)
    wrapped = await keyring.wrap(KEY, b"")
    vault.token = "hvs.another"
    with pytest.raises(Unavailable):
        await keyring.unwrap([wrapped])
    address.token_file.write_text("hvs.another")  # nobody else waits
    assert await keyring.unwrap([wrapped]) == [KEY]


async def test_a_sealed_vault_is_unavailable_and_left_alone_for_a_while(
    vault: TransitDouble, address: TransitAddress
) -> None:
    keyring = opened(address)
    known = await keyring.macs(b"a")
    wrapped = await keyring.wrap(KEY, b"")
    vault.away = True
    vault.asked.clear()
    for _ in range(3):
        with pytest.raises(Unavailable):
            await keyring.unwrap([wrapped])
    assert vault.asked == ["POST decrypt/tenon"]
    assert await keyring.macs(b"a") == known
    vault.away = False

    async def is_back() -> bool:
        with suppress(Unavailable):
            return await keyring.unwrap([wrapped]) == [KEY]
        return False

    await eventually(is_back)


async def test_a_server_with_another_certificate_is_told_nothing(
    vault: TransitDouble, address: TransitAddress
) -> None:
    stranger = TransitAddress(address.url, address.mount, address.token_file)
    with pytest.raises(Unavailable):
        await opened(stranger).wrap(KEY, b"")
    assert vault.asked == []


async def test_a_token_that_may_not_rotate_is_told(
    vault: TransitDouble, address: TransitAddress
) -> None:
    vault.may_change = False
    with pytest.raises(KeyringReadOnly):
        await opened(address).add(KEK)
    vault.keys["tenon"].rotate()
    with pytest.raises(KeyringReadOnly):
        await opened(address).retire(KEK, "vault:v1")


async def test_no_secret_is_logged(vault: TransitDouble, address: TransitAddress) -> None:
    keyring = opened(address)
    with capture_logs() as logs:
        wrapped = await keyring.wrap(KEY, b"context")
        vault.token = "hvs.another"
        for _ in range(2):
            with pytest.raises(Unavailable) as failed:
                await keyring.unwrap([wrapped])
        vault.away = True
        with pytest.raises(Unavailable):
            await keyring.unwrap([wrapped])
    assert logs
    assert TOKEN not in f"{logs} {failed.value} {failed.value.__cause__}"
