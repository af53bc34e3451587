from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from tenon_auth.devices.models import Device
from tenon_auth.errors import (
    EmailUnverified,
    FlowSpent,
    IdentityNotFound,
    LastWayIn,
)
from tenon_auth.identities.models import Begun, Finished, Identity, Shown
from tenon_auth.identities.people import People
from tenon_auth.identities.repository import IdentityRepository, SpentFlowRepository
from tenon_auth.identities.returns import valid_return_to
from tenon_auth.passkeys.keys import Passkeys
from tenon_auth.passwords.credentials import Credentials
from tenon_auth.providers.flows import Flow, FlowTokens
from tenon_auth.providers.models import Answer, ProviderSettings
from tenon_auth.providers.service import ProviderService
from tenon_auth.sessions.service import SessionService
from tenon_auth.users.service import UserService
from tenon_core.errors import SessionEnded
from tenon_crypto.fields import FieldCipher
from tenon_db.database import Database
from tenon_db.transaction import Transaction
from tenon_policy.call import Call


class IdentityService:
    """Log-in by a provider, from its start to its end, and what a user logs in by."""

    def __init__(
        self,
        database: Database,
        cipher: FieldCipher,
        providers: ProviderService,
        flows: FlowTokens,
        people: People,
        users: UserService,
        credentials: Credentials,
        passkeys: Passkeys,
        sessions: SessionService,
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._providers = providers
        self._flows = flows
        self._people = people
        self._users = users
        self._credentials = credentials
        self._passkeys = passkeys
        self._sessions = sessions

    def providers(self) -> Sequence[ProviderSettings]:
        return self._providers.list()

    async def start(self, provider: str, return_to: str) -> Begun:
        """Begin a log-in; ProviderNotFound, InvalidReturnTo, ProviderUnavailable."""
        return await self._begin(Flow.begin(provider, valid_return_to(return_to)))

    async def start_connecting(self, call: Call, provider: str, return_to: str) -> Begun:
        """Begin to connect the caller's account; EmailUnverified, and what `start` raises."""
        flow = Flow.begin(provider, valid_return_to(return_to), call.user, call.session)
        self._providers.get(provider)
        async with self._database.user(call.user) as tx:
            if not (await self._users.get_within(tx, call.user)).email_verified:
                raise EmailUnverified
            await tx.publish(call.access("identities"))
        return await self._begin(flow)

    async def finish(self, call: Call, answer: Answer, device: Device) -> Finished:
        """End what was begun in the same browser, once; FlowSpent, what providers and their answers
        raise, and what `People` does.
        """
        flow = await self._flows.read(answer.flow_token)
        if flow.provider != answer.provider or not flow.has_state(answer.state):
            raise FlowSpent
        provider = self._providers.get(flow.provider)
        await self._spend(flow)
        person = await provider.redeem(answer, flow)
        if flow.user_id is None or flow.session_id is None:
            return Finished(flow.return_to, await self._people.log_in(call, person, device))
        if not await self._sessions.find_live([flow.session_id]):
            raise SessionEnded
        await self._people.connect(call, flow.user_id, flow.session_id, person)
        return Finished(flow.return_to)

    async def list(self, call: Call) -> list[Shown]:
        """List the caller's identities, oldest first."""
        async with self._database.user(call.user) as tx:
            found = await IdentityRepository(tx, self._cipher).find_all(call.user)
        return [self._shown(identity) for identity in found]

    async def disconnect(self, call: Call, identity_id: UUID | None) -> None:
        """Forget an identity of the caller's; IdentityNotFound, LastWayIn."""
        async with self._database.user(call.user) as tx:
            repository = IdentityRepository(tx, self._cipher)
            held = await repository.lock(call.user)
            if identity_id not in {identity.id for identity in held}:
                raise IdentityNotFound
            usable = [one for one in held if self._providers.find(one.issuer)]
            is_left = any(one.id != identity_id for one in usable)
            has_others = is_left or await self._passkeys.count(tx) > 0
            if not has_others and not await self._credentials.has_password(tx):
                raise LastWayIn
            await repository.remove(call.user, identity_id)
            await tx.publish(call.access(f"identities/{identity_id}"))

    async def withdraw(self, tx: Transaction, user_id: UUID, since: datetime) -> None:
        """Forget what a thief of the account may have connected since then."""
        repository = IdentityRepository(tx, self._cipher)
        for identity in await repository.lock(user_id):
            if identity.create_time >= since:
                await repository.remove(user_id, identity.id)

    async def _begin(self, flow: Flow) -> Begun:
        url = await self._providers.get(flow.provider).url(flow)
        return Begun(url, await self._flows.make(flow), flow.expire_time)

    async def _spend(self, flow: Flow) -> None:
        """Let nobody finish a flow again; FlowSpent if somebody has.

        Before the provider is asked, so that no code is sent twice; whoever is let down by what
        comes then begins anew.
        """
        async with self._database.system("log in") as tx:
            if not await SpentFlowRepository(tx).add(flow.id, flow.expire_time):
                raise FlowSpent

    def _shown(self, identity: Identity) -> Shown:
        provider = self._providers.find(identity.issuer)
        if provider is None:
            return Shown(identity, "", identity.issuer)
        return Shown(identity, provider.name, provider.title)
