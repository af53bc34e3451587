"""Whose account somebody gets into whom a provider has logged in."""

from uuid import UUID

from tenon_auth import events
from tenon_auth.devices.models import Device
from tenon_auth.errors import (
    AccountUnverified,
    EmailTaken,
    EmailUnverified,
    IdentityTaken,
    ProviderConnected,
    ProviderEmailUnverified,
)
from tenon_auth.identities.models import Identity
from tenon_auth.identities.repository import IdentityLoginRepository, IdentityRepository
from tenon_auth.identities.subjects import Subjects
from tenon_auth.providers.models import Person
from tenon_auth.sessions.live import LiveSessions
from tenon_auth.sessions.models import AuthMethod, LogIn, SecondStep
from tenon_auth.sessions.service import SessionService
from tenon_auth.sign_ups.service import SignUpService
from tenon_auth.users.holding import hold
from tenon_auth.users.service import UserService
from tenon_core import clock
from tenon_core.ids import uuid7
from tenon_crypto.fields import FieldCipher
from tenon_db.database import Database
from tenon_db.transaction import Transaction
from tenon_policy.call import Call


class People:
    """Finds the account that is connected with a person, connects it, or makes one.

    An address alone gives nobody an account: both the provider and we must know it to be theirs.
    """

    def __init__(
        self,
        database: Database,
        cipher: FieldCipher,
        subjects: Subjects,
        users: UserService,
        sign_ups: SignUpService,
        sessions: SessionService,
        live_sessions: LiveSessions,
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._subjects = subjects
        self._users = users
        self._sign_ups = sign_ups
        self._sessions = sessions
        self._live_sessions = live_sessions

    async def log_in(self, call: Call, person: Person, device: Device) -> LogIn | SecondStep:
        """Log a person in; ProviderEmailUnverified, AccountUnverified, ProviderConnected,
        SignUpClosed.
        """
        try:
            return await self._log_in(call, person, device)
        except (EmailTaken, IdentityTaken, ProviderConnected):
            # Maybe by the same person, in another window just now.
            return await self._log_in(call, person, device)

    async def connect(self, call: Call, user_id: UUID, session_id: UUID, person: Person) -> None:
        """Connect a person with the account of a session; EmailUnverified, IdentityTaken,
        ProviderConnected, SessionEnded.
        """
        owner = await self._find(person)
        if owner == user_id:
            call.had_no_effect()
            return
        async with self._database.user(user_id) as tx:
            await hold(tx, user_id)
            # Whoever signs up with another's address must leave no way in for when it is verified.
            if not (await self._users.get_within(tx, user_id)).email_verified:
                raise EmailUnverified
            identity_id = await self._add(tx, user_id, person)
            await self._live_sessions.require(tx, session_id)
            await self._sessions.adopt(tx, call)
            await tx.publish(
                events.identity_linked(user_id, identity_id),
                call.access(f"identities/{identity_id}", user_id=user_id),
            )

    async def _log_in(self, call: Call, person: Person, device: Device) -> LogIn | SecondStep:
        known = await self._find(person)
        if known:
            return await self._enter(call, known, person, device)
        if not person.email_verified:
            raise ProviderEmailUnverified
        terms = await self._users.terms(person.email)
        owner = await self._users.find_id([term.digest for term in terms])
        if owner:
            return await self._link(call, owner, person, device)
        return await self._make(call, person, device)

    async def _enter(
        self, call: Call, user_id: UUID, person: Person, device: Device
    ) -> LogIn | SecondStep:
        async with self._database.user(user_id) as tx:
            await hold(tx, user_id)
            if not await IdentityRepository(tx, self._cipher).is_there(user_id, person.issuer):
                raise IdentityTaken  # it was disconnected meanwhile
            user = await self._users.get_within(tx, user_id)
            return await self._sessions.begin(tx, call, user, device, [AuthMethod.FEDERATED])

    async def _link(
        self, call: Call, user_id: UUID, person: Person, device: Device
    ) -> LogIn | SecondStep:
        """Log in to the account that has the person's address, which the provider vouches for.

        It must be verified here, too: else whoever signed up with it first, and may know the
        password, would share the account with whom it belongs to.
        """
        async with self._database.user(user_id) as tx:
            await hold(tx, user_id)
            user = await self._users.get_within(tx, user_id)
            if not user.email_verified:
                raise AccountUnverified
            identity_id = await self._add(tx, user_id, person)
            await tx.publish(events.identity_linked(user_id, identity_id))
            return await self._sessions.begin(tx, call, user, device, [AuthMethod.FEDERATED])

    async def _make(self, call: Call, person: Person, device: Device) -> LogIn:
        user, terms = await self._sign_ups.verified_user(person.email, person.name)
        async with self._database.user(user.id) as tx:
            await self._users.add_within(tx, user, terms)
            await self._add(tx, user.id, person)
            log_in = await self._sessions.start(tx, call, user, device, [AuthMethod.FEDERATED])
            await tx.publish(
                events.user_signed_up(user.id), call.access(f"users/{user.id}", user_id=user.id)
            )
        return log_in

    async def _add(self, tx: Transaction, user_id: UUID, person: Person) -> UUID:
        identity = Identity(
            uuid7(), user_id, person.issuer, person.subject, person.email or None, clock.now()
        )
        terms = await self._subjects.terms(person.issuer, person.subject)
        await IdentityRepository(tx, self._cipher).add(identity, terms)
        return identity.id

    async def _find(self, person: Person) -> UUID | None:
        terms = await self._subjects.terms(person.issuer, person.subject)
        async with self._database.system("log in") as tx:
            return await IdentityLoginRepository(tx).find_user([term.digest for term in terms])
