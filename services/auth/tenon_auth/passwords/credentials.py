"""Whether a password is somebody's: asked by log-ins and by changes."""

from contextlib import suppress
from uuid import UUID

from tenon_auth.devices.models import Device
from tenon_auth.devices.service import DeviceService
from tenon_auth.errors import InvalidCredentials, TooManyLogIns
from tenon_auth.links.models import Purpose
from tenon_auth.links.service import LinkService
from tenon_auth.passwords.guesses import Charge, GuessLimiter
from tenon_auth.passwords.hashing import Match, PasswordHasher
from tenon_auth.passwords.models import Credential
from tenon_auth.passwords.repository import CredentialRepository
from tenon_auth.second_steps.service import SecondStepService
from tenon_auth.users.holding import hold
from tenon_auth.users.service import UserService
from tenon_core.ids import uuid7
from tenon_db.database import Database
from tenon_db.transaction import Transaction


class Credentials:
    """Passwords, and who may be asked for one how often."""

    def __init__(
        self,
        database: Database,
        users: UserService,
        links: LinkService,
        devices: DeviceService,
        second_steps: SecondStepService,
        hasher: PasswordHasher,
        guesses: GuessLimiter,
    ) -> None:
        self._database = database
        self._users = users
        self._links = links
        self._devices = devices
        self._second_steps = second_steps
        self._hasher = hasher
        self._guesses = guesses

    async def verify(self, email: str, password: str, device: Device) -> Credential:
        """Return whose password it is; InvalidCredentials, TooManyGuesses, TooManyLogIns.

        Nobody learns from any, or from the time that it takes, whether the address is known. In a
        flood the excess is refused before anything is asked of anybody.
        """
        self._hasher.require_room()
        terms = await self._users.terms(email)
        # Of nobody, if nobody has the address: so that it takes as long.
        user_id = await self._users.find_id([term.digest for term in terms]) or uuid7()
        known_device = await self._devices.find(user_id, device)
        async with self._database.user(user_id) as tx:
            credential = await CredentialRepository(tx).find()
        counters = await self._guesses.counters(terms[0].digest, device.ip_address, known_device)
        charge = await self._guesses.charge(counters)
        match = await self._match(password, credential, charge)
        if match is Match.NO or credential is None:
            raise InvalidCredentials
        await self._guesses.refund(charge)
        if match is Match.OUTDATED:
            await self._rehash(credential, password)
        return credential

    async def confirm(self, tx: Transaction, credential: Credential) -> None:
        """Hold off, until the commit, whoever replaces the password; InvalidCredentials if
        somebody has replaced it since it was verified: a log-in must not outlive a reset.
        """
        if not await CredentialRepository(tx).is_unchanged(credential):
            raise InvalidCredentials

    async def has_password(self, tx: Transaction) -> bool:
        """Say whether the transaction's user has one: who came by a provider may have none."""
        return await CredentialRepository(tx).find() is not None

    def require_room(self) -> None:
        """TooManyLogIns at once where `hash` would raise it, before anything else is done."""
        self._hasher.require_room()

    async def hash(self, password: str) -> str:
        return await self._hasher.hash(password)

    async def add(self, tx: Transaction, user_id: UUID, password_hash: str) -> None:
        await CredentialRepository(tx).add(user_id, password_hash)

    async def replace(
        self, tx: Transaction, user_id: UUID, password_hash: str, seen: Credential | None = None
    ) -> None:
        """Replace a password, and whatever else was good for replacing it; no log-in goes on that
        the old one began.

        InvalidCredentials if it is not the one that was `seen` any more.
        """
        await hold(tx, user_id)
        if not await CredentialRepository(tx).replace(user_id, password_hash, seen):
            raise InvalidCredentials
        for purpose in (Purpose.RESET_PASSWORD, Purpose.LOG_IN):
            await self._links.use_up(tx, user_id, purpose)
        await self._second_steps.use_up(tx, user_id)

    async def _match(self, password: str, credential: Credential | None, charge: Charge) -> Match:
        try:
            against = credential.password_hash if credential else None
            return await self._hasher.matches(password, against)
        except TooManyLogIns:
            await self._guesses.refund(charge)
            raise

    async def _rehash(self, credential: Credential, password: str) -> None:
        """Hash the password in its normal form and at today's cost, if there is time for it."""
        with suppress(TooManyLogIns):
            password_hash = await self._hasher.hash(password)
            async with self._database.user(credential.user_id) as tx:
                await CredentialRepository(tx).rehash(credential, password_hash)
