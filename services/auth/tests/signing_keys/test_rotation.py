"""Signing keys come and go without a restart, and no token that is good is refused meanwhile."""

import os
import shutil
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import grpc
import jwt
import pytest

from tenon.auth.v1.signing_key_service_pb2 import ListSigningKeysRequest
from tenon.auth.v1.signing_key_service_pb2_grpc import SigningKeyServiceStub
from tenon.auth.v1.user_service_pb2 import SignUpRequest
from tenon.auth.v1.user_service_pb2_grpc import UserServiceStub
from tenon_auth.app import APP
from tenon_auth.signing_keys import files, service
from tenon_auth.signing_keys.rotation import MIN_AGE_SECONDS, RotatedLately, rotate
from tenon_policy import tokens
from tenon_policy.tokens import KeySet, TokenVerifier
from tenon_rpc.owners import AuthOwner
from tenon_testing.callers import PASSWORD
from tenon_testing.system import System


@pytest.fixture
def directory(system: System, tmp_path: Path) -> Path:
    """Keys of one's own, of which the newest is old enough to be replaced."""
    own = tmp_path / "keys"
    shutil.copytree(system.directory / "keys", own)
    grow_older(own)
    return own


def grow_older(directory: Path) -> None:
    before = time.time() - MIN_AGE_SECONDS - 1
    for path in directory.glob("*.pem"):
        os.utime(path, (before, before))


@pytest.fixture
async def auth(
    system: System, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[grpc.aio.Channel]:
    """Auth that looks at its keys each time."""
    monkeypatch.setattr(service, "LOOK_SECONDS", -1.0)
    async with system.serving(APP, signing_keys_directory=str(directory)) as channel:
        yield channel


async def token(auth: grpc.aio.Channel) -> str:
    request = SignUpRequest(email=f"{uuid4()}@example.com", password=PASSWORD, name="Ada")
    made: str = (await UserServiceStub(auth).SignUp(request)).tokens.access_token
    return made


async def published(auth: grpc.aio.Channel) -> list[str]:
    reply = await SigningKeyServiceStub(auth).ListSigningKeys(ListSigningKeysRequest())
    return [key.kid for key in reply.keys]


def kid_of(access_token: str) -> str:
    return str(jwt.get_unverified_header(access_token)["kid"])


@pytest.fixture
def verifier(auth: grpc.aio.Channel) -> TokenVerifier:
    """Whoever verifies tokens, as every process does."""
    return TokenVerifier(KeySet(AuthOwner(auth).signing_keys))


async def test_a_new_key_is_published_before_it_signs(
    auth: grpc.aio.Channel, directory: Path
) -> None:
    old = kid_of(await token(auth))
    new = rotate(directory)
    assert await published(auth) == [old, new]
    assert kid_of(await token(auth)) == old


async def test_it_signs_once_everybody_may_know_it_and_old_tokens_stay_good(
    auth: grpc.aio.Channel,
    directory: Path,
    verifier: TokenVerifier,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = await token(auth)
    await verifier.verify(before)
    monkeypatch.setattr(service, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(KeySet, "RETRY_SECONDS", -1.0)  # whoever verifies has not asked lately
    new = rotate(directory)
    another = await token(auth)
    assert kid_of(another) == new
    await verifier.verify(before)
    await verifier.verify(another)


async def test_whoever_verifies_knows_a_new_key_before_it_signs(
    auth: grpc.aio.Channel, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = KeySet(AuthOwner(auth).signing_keys)
    (old,) = files.names(directory)
    await keys.get(old)
    new = rotate(directory)
    monkeypatch.setattr(tokens, "KEYS_SECONDS", -1.0)  # the minute is over
    await keys.get(old)
    monkeypatch.setattr(keys, "_fetch", None)
    monkeypatch.setattr(tokens, "KEYS_SECONDS", 60.0)
    await keys.get(new)


def test_a_rotation_removes_what_no_token_needs(directory: Path) -> None:
    (first,) = files.names(directory)
    second = rotate(directory)
    assert files.names(directory) == [first, second]
    grow_older(directory)
    third = rotate(directory)
    assert files.names(directory) == [second, third]


def test_two_rotations_in_a_row_are_refused(directory: Path) -> None:
    """The second would remove the key that everybody still signs with."""
    rotate(directory)
    with pytest.raises(RotatedLately):
        rotate(directory)


def test_of_rotations_at_once_one_is_done(directory: Path) -> None:
    """An operator's and the job's, say."""
    (old,) = files.names(directory)

    def rotated(_: int) -> bool:
        try:
            rotate(directory)
        except RotatedLately:
            return False
        return True

    with ThreadPoolExecutor() as pool:
        assert sum(pool.map(rotated, range(8))) == 1
    assert len(files.names(directory)) == 2
    assert old in files.names(directory)


async def test_a_file_that_is_no_key_harms_nobody(
    auth: grpc.aio.Channel, directory: Path, verifier: TokenVerifier
) -> None:
    before = await published(auth)
    (directory / "zzz.pem").write_text("no key")
    assert await published(auth) == before
    await verifier.verify(await token(auth))


async def test_keys_that_are_gone_are_remembered(
    auth: grpc.aio.Channel, directory: Path, verifier: TokenVerifier
) -> None:
    """A mistake in a volume logs nobody out."""
    before = await published(auth)
    for kid in before:
        files.remove(directory, kid)
    assert await published(auth) == before
    await verifier.verify(await token(auth))
