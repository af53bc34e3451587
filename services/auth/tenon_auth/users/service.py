import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog

from tenon_auth import events
from tenon_auth.errors import AddressNotTheirs, EmailTaken, LinkSpent
from tenon_auth.links.mails import LinkMails
from tenon_auth.links.models import Purpose
from tenon_auth.links.service import LinkService
from tenon_auth.users.former_addresses import former_canonical_form
from tenon_auth.users.models import KeptAddress, User
from tenon_auth.users.repository import UserRepository
from tenon_core.display_names import display_name
from tenon_core.email_addresses import canonical_form
from tenon_core.errors import FieldError, InvalidArgument, NotFound
from tenon_crypto.blind_index import BlindIndex
from tenon_crypto.cells import OwnerKind
from tenon_crypto.errors import Undecryptable
from tenon_crypto.fields import FieldCipher
from tenon_crypto.keyring import Mac
from tenon_db.database import Database
from tenon_db.transaction import Transaction
from tenon_policy.call import Call

MAX_BATCH = 1_000
log = structlog.get_logger()
CHANGEABLE = {"name": display_name}


class UserService:
    """Accounts. The `…_within` methods are for siblings that hold a transaction of the user's."""

    def __init__(
        self,
        database: Database,
        cipher: FieldCipher,
        addresses: BlindIndex,
        links: LinkService,
        mails: LinkMails,
    ) -> None:
        self._database = database
        self._links = links
        self._mails = mails
        self._cipher = cipher
        self._addresses = addresses

    async def terms(self, email: str) -> Sequence[Mac]:
        """Return what an address is looked up by, however it is written and whoever has it.

        Accounts that hold these hashes in the former form are re-hashed first. Not to be called in
        a transaction: it opens its own.
        """
        terms, former = await self._terms(email), await self._former_terms(email)
        digests = [term.digest for term in (*terms, *former)]
        async with self._database.system("log in") as tx:
            found = await UserRepository(tx, self._cipher).find_of_former_form(digests)
        for user_id in found:
            await self._rehash(user_id)
        return terms

    async def find_id(self, digests: Sequence[bytes]) -> UUID | None:
        """Return whose address it is, by the digests of its terms."""
        async with self._database.system("log in") as tx:
            return await UserRepository(tx, self._cipher).find_id(digests)

    async def update(self, call: Call, changes: Mapping[str, str]) -> User:
        """Change the named fields of the caller's own account; InvalidArgument."""
        if unknown := sorted(changes.keys() - CHANGEABLE.keys()):
            message = f"{unknown[0]} cannot be changed"
            raise InvalidArgument(fields=[FieldError("/update_mask", message)])
        valid: dict[str, Any] = {
            field: CHANGEABLE[field](value) for field, value in changes.items()
        }
        async with self._database.user(call.user) as tx:
            users = UserRepository(tx, self._cipher)
            before = await users.lock(call.user)
            user = dataclasses.replace(before, **valid)
            await users.update(user)
            old = {field: getattr(before, field) for field in valid}
            await tx.publish(call.update(f"users/{call.user}", old, valid))
        return user

    async def verify_email(self, call: Call, token: str) -> User:
        """Take a mailed link as proof of the caller's address; LinkSpent."""
        link = await self._links.read(token, Purpose.VERIFY_EMAIL)
        if link.owner_id != call.user:
            raise LinkSpent
        async with self._database.user(call.user) as tx:
            await self._links.use(tx, link, Purpose.VERIFY_EMAIL)
            users = UserRepository(tx, self._cipher)
            await users.set_verified(call.user)
            await tx.publish(call.access(f"users/{call.user}"))
            return await users.get(call.user)

    async def confirm_address(self, call: Call, user_id: UUID | None, email: str) -> None:
        """Take it from another service that somebody has read a mail to an address, which verifies
        it, if it is theirs; AddressNotTheirs.
        """
        if user_id is None:
            raise AddressNotTheirs
        async with self._database.user(user_id) as tx:
            users = UserRepository(tx, self._cipher)
            try:
                user = await users.lock(user_id)
            except NotFound:
                raise AddressNotTheirs from None
            if canonical_form(user.email) != canonical_form(email):
                raise AddressNotTheirs
            if user.email_verified:
                call.had_no_effect()
                return
            await users.set_verified(user_id)
            await tx.publish(call.access(f"users/{user_id}", user_id=user_id, actor=call.actor))

    async def send_verification(self, call: Call) -> None:
        """Mail the caller another link, unless their address is verified; TooManyMails."""
        async with self._database.user(call.user) as tx:
            user = await self.get_within(tx, call.user)
            if user.email_verified:
                call.had_no_effect()
                return
            link = await self._links.make(tx, call.user, Purpose.VERIFY_EMAIL)
            at = await self._mails.send_time(tx, user.email)
            await tx.publish(
                events.verification_requested(call.user, link.id, at),
                call.access(f"users/{call.user}"),
            )

    async def batch_get(self, user_ids: Sequence[UUID]) -> list[User]:
        if len(user_ids) > MAX_BATCH:
            raise InvalidArgument(fields=[FieldError("/ids", f"must be at most {MAX_BATCH}")])
        async with self._database.system("contacts") as tx:
            return await UserRepository(tx, self._cipher).find_all(user_ids)

    async def get_within(self, tx: Transaction, user_id: UUID) -> User:
        return await UserRepository(tx, self._cipher).get(user_id)

    async def add_unclaimed_within(self, tx: Transaction, user: User) -> None:
        """Add an account that cannot be logged in to, for it has no address yet."""
        await UserRepository(tx, self._cipher).add(user)

    async def claim_within(self, tx: Transaction, user_id: UUID) -> None:
        """Give an account the address that it was added with, which is verified; EmailTaken."""
        users = UserRepository(tx, self._cipher)
        user = await users.get(user_id)
        await self._claim(users, user_id, user.email, await self._terms(user.email))
        await users.set_verified(user_id)

    async def remove_within(self, tx: Transaction, user_id: UUID) -> None:
        """Remove an account that has no address yet, and the keys to what was said of it."""
        await self._cipher.destroy_keys(tx, OwnerKind.USER)
        await UserRepository(tx, self._cipher).remove(user_id)

    async def set_verified_within(self, tx: Transaction, user_id: UUID) -> None:
        await UserRepository(tx, self._cipher).set_verified(user_id)

    async def add_within(self, tx: Transaction, user: User, terms: Sequence[Mac]) -> None:
        """Add an account that has its address alone; EmailTaken."""
        users = UserRepository(tx, self._cipher)
        await self._claim(users, user.id, user.email, terms)
        await users.add(user)

    async def change_address_within(
        self, tx: Transaction, user_id: UUID, email: str, kept: Sequence[KeptAddress]
    ) -> User:
        """Give an account another address, which is verified, and of those that it had keep these
        from others; EmailTaken.
        """
        users = UserRepository(tx, self._cipher)
        user = dataclasses.replace(await users.lock(user_id), email=email, email_verified=True)
        terms = list(await self._terms(email))
        await self._claim(users, user_id, email, terms)
        for address in kept:
            if canonical_form(address.email) != canonical_form(email):
                kept_terms = await self._terms(address.email)
                await users.claim(user_id, kept_terms, address.release_time)
                terms += kept_terms
        await users.release_others(user_id, [term.digest for term in terms])
        await users.update(user)
        return user

    async def index_within(self, tx: Transaction, user_id: UUID) -> None:
        """Let an account be found by the canonical form of its address under all index keys that
        there are, if it has an address yet.
        """
        users = UserRepository(tx, self._cipher)
        user = await users.find_locked(user_id)
        if user is None:
            return
        terms, former = await self._terms(user.email), await self._former_terms(user.email)
        if not await users.has_any(user_id, [term.digest for term in (*terms, *former)]):
            return
        if await users.claim(user_id, terms):
            await users.remove_former_form(user_id)
        else:
            log.error("another account has the same address", user=str(user_id))

    async def release_within(self, tx: Transaction, user_id: UUID) -> None:
        """Let others have the addresses that were kept from them long enough."""
        await UserRepository(tx, self._cipher).release_over(user_id)

    async def has_former_form(self, tx: Transaction) -> bool:
        """Return whether any account is found by the former form, in a system transaction."""
        return await UserRepository(tx, self._cipher).has_former_form()

    async def _terms(self, email: str) -> Sequence[Mac]:
        return await self._addresses.terms(canonical_form(email))

    async def _former_terms(self, email: str) -> Sequence[Mac]:
        return await self._addresses.terms(former_canonical_form(email))

    async def _claim(
        self, users: UserRepository, user_id: UUID, email: str, terms: Sequence[Mac]
    ) -> None:
        """Take an address for an account; EmailTaken, also if an account that is not re-hashed yet
        may have it.
        """
        former = [term.digest for term in await self._former_terms(email)]
        if not await users.claim(user_id, terms) or await users.is_held_by_others(user_id, former):
            raise EmailTaken

    async def _rehash(self, user_id: UUID) -> None:
        try:
            async with self._database.user(user_id) as tx:
                await self.index_within(tx, user_id)
        except Undecryptable:
            log.warning("an address does not decrypt", user=str(user_id))
