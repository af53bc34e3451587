"""Whether a passkey is somebody's: asked by log-ins and by changes."""

from asyncio import to_thread
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from tenon_auth.errors import InvalidPasskey, PasskeyExists, PasskeyNotFound, TooManyPasskeys
from tenon_auth.passkeys.ceremonies import Ceremonies, Json, challenge_of, credential_id_of
from tenon_auth.passkeys.challenges import Challenges, Purpose
from tenon_auth.passkeys.models import Passkey
from tenon_auth.passkeys.repository import PasskeyRepository
from tenon_auth.users.models import User
from tenon_core import clock
from tenon_core.ids import uuid7
from tenon_crypto.fields import FieldCipher
from tenon_db.transaction import Transaction

MAX = 20
"""Passkeys of one user."""


class Passkeys:
    """Passkeys, in a transaction of their user."""

    def __init__(self, cipher: FieldCipher, challenges: Challenges, ceremonies: Ceremonies) -> None:
        self._cipher = cipher
        self._challenges = challenges
        self._ceremonies = ceremonies

    async def creation_options(self, tx: Transaction, user: User) -> Json:
        """Return what a browser is asked to make a passkey by."""
        challenge = await self._challenges.make(Purpose.REGISTER, user.id)
        known = await self.find_all(tx)
        return await to_thread(self._ceremonies.creation_options, user, challenge, known)

    async def add(
        self, tx: Transaction, user_id: UUID, credential: dict[str, Any], name: str
    ) -> Passkey:
        """Add what a browser has made; ChallengeSpent, InvalidPasskey, PasskeyExists,
        TooManyPasskeys.
        """
        challenge, passkeys = challenge_of(credential), PasskeyRepository(tx, self._cipher)
        await self._challenges.spend(tx, challenge, Purpose.REGISTER, user_id)
        made = await to_thread(self._ceremonies.registered, credential, challenge)
        if await passkeys.count() >= MAX:
            raise TooManyPasskeys
        passkey = Passkey(
            id=uuid7(),
            user_id=user_id,
            credential_id=made.credential_id,
            public_key=made.public_key,
            sign_count=made.sign_count,
            name=name,
            transports=made.transports,
            backed_up=made.backed_up,
            create_time=clock.now(),
        )
        if not await passkeys.add(passkey):
            raise PasskeyExists
        return passkey

    async def request_options(self, tx: Transaction, user_id: UUID, purpose: Purpose) -> Json:
        """Return what a browser is asked to prove by that it is this user; PasskeyNotFound."""
        known = await self.find_all(tx)
        if not known:
            raise PasskeyNotFound
        challenge = await self._challenges.make(purpose, user_id)
        return await to_thread(self._ceremonies.request_options, challenge, known, verified=False)

    async def log_in_options(self) -> Json:
        """Return what a browser is asked to log in by, whoever that is."""
        challenge = await self._challenges.make(Purpose.LOG_IN, None)
        return await to_thread(self._ceremonies.request_options, challenge, [], verified=True)

    async def use(self, tx: Transaction, user_id: UUID, credential: Json, purpose: Purpose) -> None:
        """Take the answer of a passkey of the user's; ChallengeSpent, InvalidPasskey. For a log-in
        the passkey must have made sure of its user.
        """
        alone = purpose is Purpose.LOG_IN
        challenge, passkeys = challenge_of(credential), PasskeyRepository(tx, self._cipher)
        await self._challenges.spend(tx, challenge, purpose, None if alone else user_id)
        passkey = await passkeys.find_by_credential(credential_id_of(credential))
        if passkey is None:
            raise InvalidPasskey
        signed = await to_thread(
            self._ceremonies.signed, credential, challenge, passkey, verified=alone
        )
        if not await passkeys.use(
            passkey.id, signed.sign_count, clock.now(), backed_up=signed.backed_up
        ):
            raise InvalidPasskey

    async def find_all(self, tx: Transaction) -> Sequence[Passkey]:
        return await PasskeyRepository(tx, self._cipher).page(None, MAX)

    async def remove_since(self, tx: Transaction, at: datetime) -> int:
        """Remove those that were registered since then; return how many."""
        return await PasskeyRepository(tx, self._cipher).remove_since(at)

    async def count(self, tx: Transaction) -> int:
        return await PasskeyRepository(tx, self._cipher).count()
