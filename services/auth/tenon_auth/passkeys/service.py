from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from tenon_auth.errors import PasskeyNotFound
from tenon_auth.passkeys.keys import Passkeys
from tenon_auth.passkeys.models import Passkey
from tenon_auth.passkeys.repository import PasskeyRepository
from tenon_auth.second_factors.factors import SecondFactors
from tenon_auth.second_factors.models import Kind
from tenon_auth.users.service import UserService
from tenon_core.display_names import display_name
from tenon_crypto.fields import FieldCipher
from tenon_db.database import Database
from tenon_db.pages import Page, clamp, cut, read_id
from tenon_policy.call import Call


class PasskeyService:
    """How passkeys come and go."""

    def __init__(
        self,
        database: Database,
        cipher: FieldCipher,
        users: UserService,
        passkeys: Passkeys,
        factors: SecondFactors,
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._users = users
        self._passkeys = passkeys
        self._factors = factors

    async def start(self, call: Call) -> Mapping[str, Any]:
        """Return what the caller's browser is asked to make a passkey by."""
        async with self._database.user(call.user) as tx:
            user = await self._users.get_within(tx, call.user)
            return await self._passkeys.creation_options(tx, user)

    async def add(
        self, call: Call, credential: dict[str, Any], name: str
    ) -> tuple[Passkey, Sequence[str]]:
        """Add a passkey; return it, with recovery codes if it is the first second factor.

        ChallengeSpent, InvalidPasskey, PasskeyExists, TooManyPasskeys.
        """
        name = display_name(name)
        async with self._database.user(call.user) as tx:
            await self._factors.lock(tx, call.user)
            passkey = await self._passkeys.add(tx, call.user, credential, name)
            codes = await self._factors.added(tx, call, Kind.PASSKEY)
            await tx.publish(call.access(f"passkeys/{passkey.id}"))
        return passkey, codes

    async def list(self, call: Call, page_size: int, page_token: str) -> Page[Passkey]:
        """List the caller's passkeys, newest first."""
        size, before = clamp(page_size), read_id(page_token)
        async with self._database.user(call.user) as tx:
            found = await PasskeyRepository(tx, self._cipher).page(before, size + 1)
        return cut(found, size, lambda passkey: (passkey.id,))

    async def rename(self, call: Call, passkey_id: UUID | None, name: str) -> Passkey:
        """Give a passkey of the caller's another name; PasskeyNotFound."""
        async with self._database.user(call.user) as tx:
            passkeys = PasskeyRepository(tx, self._cipher)
            passkey = await passkeys.find(passkey_id) if passkey_id else None
            if passkey is None:
                raise PasskeyNotFound
            renamed = replace(passkey, name=display_name(name))
            await passkeys.rename(renamed)
            old, new = {"name": passkey.name}, {"name": renamed.name}
            await tx.publish(call.update(f"passkeys/{passkey.id}", old, new))
        return renamed

    async def remove(self, call: Call, passkey_id: UUID | None) -> None:
        """Remove a passkey of the caller's; PasskeyNotFound."""
        async with self._database.user(call.user) as tx:
            await self._factors.lock(tx, call.user)
            passkeys = PasskeyRepository(tx, self._cipher)
            if passkey_id is None or not await passkeys.remove(passkey_id):
                raise PasskeyNotFound
            await self._factors.removed(tx, call.user, Kind.PASSKEY)
            await tx.publish(call.access(f"passkeys/{passkey_id}"))
